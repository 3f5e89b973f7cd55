"""One property over HTTP: for random texts, cuts and stop sets, a stream and a whole answer say the same, and every text
is an exact prefix of the engine's."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from server.engine import EngineDelta, StepLogprobs
from server.prompt import PromptRenderer
from tests.fakes import BOS, EOS, IM_END, chat_tokenizer, ids, profile, served
from tests.server.running import Running, running
from tests.server.test_calibrated import ENDS, GOES_ON, HEAD

PLAIN: list[tuple[int, ...]] = [
    ids(text)
    for text in (
        *("a", "b ", "\n", "\u00e9", "e\u0301", "\U0001f468\u200d\U0001f466", "ST", "STOP", "OP\n"),
        *("### Human:", "\n\n### Human:", "```\n", "<bos>", "a line, a line, a line.\n" * 30),
    )
]
PIECES = st.lists(st.sampled_from([*PLAIN, (BOS,), (EOS,), (IM_END,)]), min_size=1, max_size=12)
STRINGS = (
    "STOP",
    "OP\n",
    "\u0301",
    "e",
    "b <bos>",
    "<bos>\n",
    "<|im_end|>",
    "a line",
    "\U0001f466",
)
GUARDS = st.one_of(
    st.booleans(),
    st.dictionaries(
        st.sampled_from(["end_of_turn", "role_markers", "stop_head", "loops"]), st.booleans()
    ),
)


@dataclass(frozen=True)
class Case:
    """What the engine says, two ways to cut it, and how it is asked."""

    tokens: tuple[int, ...]
    steps: tuple[StepLogprobs, ...]
    cuts: tuple[list[int], list[int]]
    body: dict[str, Any]

    def script(self, cut: list[int]) -> list[EngineDelta]:
        ends = sorted({*(at for at in cut if at < len(self.tokens)), len(self.tokens)})
        starts = [0, *ends[:-1]]
        return [
            EngineDelta(
                index=0,
                token_ids=self.tokens[start:end],
                logprobs=self.steps[start:end],
                finish_reason="length" if end == len(self.tokens) else None,
            )
            for start, end in zip(starts, ends, strict=True)
        ]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    tokens = tuple(token_id for piece in draw(PIECES) for token_id in piece)
    ends_at = draw(st.sets(st.integers(0, 60), max_size=2))
    cut = st.lists(st.integers(1, len(tokens)), max_size=10)
    body: dict[str, Any] = {
        "stop": draw(st.lists(st.sampled_from(STRINGS), max_size=3)) or None,
        "stop_token_ids": draw(st.lists(st.sampled_from([EOS, BOS, ord("b")]), max_size=2)),
        "skip_special_tokens": draw(st.booleans()),
        "include_stop_str_in_output": draw(st.booleans()),
        "ignore_eos": draw(st.booleans()),
        "min_tokens": draw(st.sampled_from([0, 0, 3])),
        "endturn": {"guards": draw(GUARDS)},
    }
    steps = tuple(ENDS if at in ends_at else GOES_ON for at in range(len(tokens)))
    return Case(tokens, steps, (draw(cut), draw(cut)), body)


@pytest.fixture
async def run(renderer: PromptRenderer) -> AsyncIterator[Running]:
    loops = {"near": {"prose": 512, "other": 512, "exact": 512, "min_ratio": 3.0}}
    made = profile(
        max_tokens={"default": 20_000}, guard={"repetition": loops, "role_markers_in_code": False}
    )
    async with running(renderer, served(profile=made, stop_head=HEAD)) as server:
        server.engine.max_model_len = 50_000
        yield server


def whole(reply: httpx.Response) -> tuple[str, dict[str, Any]]:
    choice = reply.json()["choices"][0]
    return choice["message"]["content"], {k: choice[k] for k in ENDS_WITH}


def streamed(reply: httpx.Response) -> tuple[str, dict[str, Any]]:
    *lines, done = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]
    assert done == "[DONE]"
    choices = [json.loads(line)["choices"][0] for line in lines]
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    return text, {key: choices[-1][key] for key in ENDS_WITH}


ENDS_WITH = ("finish_reason", "stop_reason", "stop_detail")


def without_counts(end: dict[str, Any]) -> dict[str, Any]:
    """The end, but for tokens of a merged delta that came after it."""
    detail = {k: v for k, v in end["stop_detail"].items() if k != "trimmed_tokens"}
    return {**end, "stop_detail": detail}


@given(case=cases())
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_stream_and_whole_answer_are_one_and_a_prefix(run: Running, case: Case) -> None:
    results = []
    for cut in case.cuts:
        run.engine.enqueue(*case.script(cut))
        answer = whole(await run.chat(**case.body))
        run.engine.enqueue(*case.script(cut))
        assert streamed(await run.chat(**case.body, stream=True)) == answer
        results.append((answer[0], without_counts(answer[1])))
    assert results[0] == results[1]
    said = chat_tokenizer().decode(
        list(case.tokens), skip_special_tokens=case.body["skip_special_tokens"]
    )
    text, end = results[0]
    event(end["stop_detail"]["kind"])
    assert said.startswith(text)
    if end["stop_detail"]["kind"] == "max_tokens":
        assert text == said
