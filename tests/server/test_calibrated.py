"""The stop head on a stream: the token that would go on is not shown, and nothing else of the answer changes."""

from itertools import pairwise
from typing import Any

import pytest

from adapters.stop_features import NUM_LISTED
from adapters.stop_head import StopHead
from server.engine import EngineDelta, EngineFinish, StepLogprobs
from server.prompt import PromptRenderer
from tests.fakes import EOS, ids, served
from tests.server.running import running

END = ord("#")
# Sure of an end where END has a log-probability of about zero, sure of none where it is far away.
HEAD = StopHead(token_ids=(END,), weights=(1.0,), bias=5.0, threshold=0.5)
GOES_ON, ENDS = StepLogprobs({1: 0.0}, -1.0), StepLogprobs({END: -0.1}, -2.0)


def judged(
    text: str, ends_at: int | None = None, finish: EngineFinish | None = None, **fields: Any
) -> EngineDelta:
    """A delta whose step `ends_at` looks like the end of an answer."""
    steps = tuple(ENDS if at == ends_at else GOES_ON for at in range(len(ids(text))))
    return EngineDelta(
        **{"index": 0, "token_ids": ids(text), "logprobs": steps, "finish_reason": finish, **fields}
    )


def model() -> Any:
    return served(stop_head=HEAD)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cut", [(0, 9), (0, 4, 9), tuple(range(10))])
async def test_the_token_that_would_go_on_is_not_shown(
    renderer: PromptRenderer, stream: bool, cut: tuple[int, ...]
) -> None:
    text, end = "Done. And", 5
    async with running(renderer, model()) as run:
        run.engine.enqueue(
            *(
                judged(text[start:stop], end - start if start <= end < stop else None)
                for start, stop in pairwise(cut)
            )
        )
        reply = await run.chat(stream=stream)
        assert run.engine.requests[0].sampling.num_logprobs == NUM_LISTED
        assert '"kind":"calibrated"' in reply.text
        assert "And" not in reply.text
        await run.until(lambda: not run.engine.open)
        assert run.engine.aborted, "the engine request is over with the answer"
        labels = {"adapter": "chat", "kind": "calibrated"}
        assert run.metric("endturn_rescued_total", **labels) == 1
        if not stream:
            choice = reply.json()["choices"][0]
            assert choice["message"]["content"] == "Done."
            assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", None)
            assert choice["stop_detail"]["probability"] == pytest.approx(0.9926, abs=1e-3)


# Sure of an end where it looks like one and two lines were written before.
AFTER_LINES = StopHead(
    token_ids=(END,),
    weights=(1.0,),
    bias=-2.0,
    threshold=0.5,
    line_break_weight=2.0,
    line_breaks={ord("\n"): 1},
)


@pytest.mark.parametrize("cut", [(0, 12), (0, 5, 6, 12), (0, 3, 9, 12), tuple(range(13))])
@pytest.mark.parametrize(
    "fields", [{}, {"min_tokens": 7}, {"stop": ["\n3. other"]}, {"n": 2, "temperature": 1}]
)
async def test_line_breaks_so_far_are_counted_however_the_answer_comes(
    renderer: PromptRenderer, cut: tuple[int, ...], fields: dict[str, Any]
) -> None:
    """Every item looks like an end, and before the second line break the token that is judged is a line break itself."""
    text = "1.\n2.\n3.\n4."
    steps = tuple(ENDS if text[:at].endswith(".") else GOES_ON for at in range(len(text) + 1))
    async with running(renderer, served(stop_head=AFTER_LINES)) as run:
        run.engine.enqueue(
            *(
                EngineDelta(
                    index=index, token_ids=ids(text[start:stop]), logprobs=steps[start:stop]
                )
                for start, stop in pairwise(cut)
                for index in range(fields.get("n", 1))
                if start < 9
            )
        )
        choices = (await run.chat(**fields)).json()["choices"]
        assert [choice["message"]["content"] for choice in choices] == ["1.\n2.\n3."] * len(choices)
        assert {choice["stop_detail"]["kind"] for choice in choices} == {"calibrated"}


async def test_a_natural_end_is_no_rescue(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        last = EngineDelta(index=0, token_ids=(EOS,), logprobs=(ENDS,), finish_reason="stop")
        run.engine.enqueue(judged("ok"), last)
        choice = (await run.chat()).json()["choices"][0]
        assert choice["stop_detail"]["kind"] == "eos"


async def test_no_answer_is_cut_before_its_first_token(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        run.engine.enqueue(judged("abc", 0), judged("d", 0))
        choice = (await run.chat()).json()["choices"][0]
        assert choice["message"]["content"] == "abc"


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"min_tokens": 4}, "abcde"),
        ({"ignore_eos": True}, "abcde"),
        ({"endturn": {"guards": False}}, "abcde"),
    ],
)
async def test_what_switches_it_off(
    renderer: PromptRenderer, fields: dict[str, Any], content: str
) -> None:
    async with running(renderer, model()) as run:
        steps = tuple(ENDS if at == 2 else GOES_ON for at in range(5))
        run.engine.enqueue(
            EngineDelta(index=0, token_ids=ids("abcde"), logprobs=steps, finish_reason="length")
        )
        choice = (await run.chat(**fields)).json()["choices"][0]
        assert choice["message"]["content"] == content
        off = "min_tokens" not in fields
        assert (run.engine.requests[0].sampling.num_logprobs is None) == off


async def test_each_choice_of_n_is_judged_for_itself(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        run.engine.enqueue(
            judged("one more", 3),
            judged("two", index=1),
            judged(" x", 0, index=1),
        )
        reply = (await run.chat(n=2, temperature=1)).json()
        assert [c["message"]["content"] for c in reply["choices"]] == ["one", "two"]


async def test_text_held_back_is_shown_at_a_calibrated_end(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        run.engine.enqueue(judged("ab\n\n##", 4))
        choice = (await run.chat()).json()["choices"][0]
        assert choice["message"]["content"] == "ab\n\n"
        assert choice["stop_detail"]["trimmed_tokens"] == 2


async def test_a_token_without_logprobs_is_an_error_and_counted(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        run.engine.enqueue(EngineDelta(index=0, token_ids=ids("abc")))
        reply = await run.chat()
        assert reply.status_code == 500
        assert run.metric("endturn_missing_logprobs_total", adapter="chat") == 1
