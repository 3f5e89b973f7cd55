"""Text completions that return their prompt: its text, its tokens' log-probabilities, and where each token begins."""

import json
from collections.abc import Sequence
from typing import Any

import httpx2 as httpx
import pytest

from server.engine import EngineDelta, PromptFacts, StepLogprobs
from server.prompt import PromptRenderer
from tests.fakes import BOS, EOS, delta, ids
from tests.server.running import Running, running

LIKELY = 66


def step(token_id: int, logprob: float = -1.0) -> StepLogprobs:
    """The token at -1, third of all, and one that is likelier."""
    return StepLogprobs({LIKELY: -0.5}, logprob, 3)


def facts(prompt: Sequence[int]) -> PromptFacts:
    steps = (None, *(step(token_id) for token_id in prompt[1:]))
    return PromptFacts(num_cached_tokens=0, logprobs=steps)


def said(
    token_ids: Sequence[int], prompt: Sequence[int] | None = None, **fields: Any
) -> EngineDelta:
    return EngineDelta(
        **{
            "index": 0,
            "token_ids": tuple(token_ids),
            "logprobs": tuple(map(step, token_ids)),
            "prompt": None if prompt is None else facts(prompt),
            **fields,
        }
    )


async def complete(run: Running, **fields: Any) -> httpx.Response:
    return await run.client.post("/v1/completions", json={"model": "chat", **fields})


async def answered(run: Running, *, stream: bool, **fields: Any) -> dict[int, dict[str, Any]]:
    """Each choice with its text and its log-probabilities put together, streamed or not."""
    reply = await complete(run, stream=stream, **fields)
    assert reply.status_code == 200, reply.text
    if not stream:
        return {choice["index"]: choice for choice in reply.json()["choices"]}
    lines = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]
    choices: dict[int, dict[str, Any]] = {}
    for line in lines[:-1]:
        for choice in json.loads(line)["choices"]:
            known = choices.setdefault(choice["index"], {"text": "", "logprobs": None})
            known["text"] += choice.pop("text")
            logprobs = choice.pop("logprobs")
            if logprobs is not None:
                before = known["logprobs"] or {name: [] for name in logprobs}
                known["logprobs"] = {name: before[name] + logprobs[name] for name in logprobs}
            known |= choice
    return choices


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("How é?", "How é?"),
        ("<bos>x", "<bos>x"),
        ([BOS, 104, 105], "<bos>hi"),
        ([104, *"é".encode()], "hé"),
    ],
)
async def test_the_prompt_stands_before_the_answer(
    renderer: PromptRenderer, prompt: Any, text: str, *, stream: bool
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta(" I"), delta(" am"), delta([EOS], "stop"))
        [choice] = (await answered(run, stream=stream, prompt=prompt, echo=True)).values()
        assert choice["text"] == text + " I am"
        assert choice["logprobs"] is None
        assert choice["finish_reason"] == "stop"
        assert run.engine.requests[0].sampling.num_prompt_logprobs is None


@pytest.mark.parametrize("stream", [False, True])
async def test_each_choice_has_the_prompt_it_answers(
    renderer: PromptRenderer, *, stream: bool
) -> None:
    async with running(renderer) as run:
        for text in "ab":
            run.engine.enqueue(
                delta(f"{text}1", index=1),
                delta(f"{text}0"),
                delta([EOS], "stop"),
                delta([EOS], "stop", index=1),
            )
        choices = await answered(run, stream=stream, prompt=["x:", "y:"], n=2, echo=True)
        texts = [choice["text"] for _, choice in sorted(choices.items())]
        assert texts == ["x:a0", "x:a1", "y:b0", "y:b1"]


@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_begin_with_the_prompts(
    renderer: PromptRenderer, *, stream: bool
) -> None:
    """The first token has none. The end is listed too, and begins where the text ends; what was added begins at 0."""
    async with running(renderer) as run:
        prompt = [BOS, *ids("hé")]
        run.engine.enqueue(
            said(ids("ü")[:1], prompt),
            said([*ids("ü")[1:], *ids("!")]),
            said([EOS], finish_reason="stop"),
        )
        fields = {"prompt": "hé", "echo": True, "logprobs": 1}
        [choice] = (await answered(run, stream=stream, **fields)).values()
        assert run.engine.requests[0].sampling.num_prompt_logprobs == 1
        logprobs = choice["logprobs"]
        assert choice["text"] == "héü!"
        tokens = ["<bos>", "h", "�", "�", "�", "�", "!", "<eos>"]
        assert logprobs["tokens"] == tokens
        assert logprobs["text_offset"] == [0, 0, 1, 1, 2, 2, 3, 4]
        assert logprobs["token_logprobs"] == [None, *[-1.0] * 7]
        assert logprobs["top_logprobs"][0] is None
        assert logprobs["top_logprobs"][1:] == [{"B": -0.5, token: -1.0} for token in tokens[1:]]


@pytest.mark.parametrize("stream", [False, True])
async def test_offsets_of_an_answer_alone_count_from_its_beginning(
    renderer: PromptRenderer, *, stream: bool
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(said(ids("é")), said(ids("b\n\n##")), said([EOS], finish_reason="stop"))
        [choice] = (await answered(run, stream=stream, prompt="xyz", logprobs=0)).values()
        assert choice["text"] == "éb\n\n##"
        assert choice["logprobs"]["text_offset"] == [0, 0, 1, 2, 3, 4, 5, 6]
        assert choice["logprobs"]["top_logprobs"][2] == {"b": -1.0}, "the token itself"


async def test_what_a_text_stop_took_back_is_listed_after_the_text(
    renderer: PromptRenderer,
) -> None:
    """As vLLM lists it: who counts tokens finds as many as the engine made up to the end."""
    async with running(renderer) as run:
        run.engine.enqueue(said(ids("ok STOP and more")))
        [choice] = (await complete(run, prompt="x", logprobs=0, stop="STOP")).json()["choices"]
        assert choice["text"] == "ok "
        assert "".join(choice["logprobs"]["tokens"]) == "ok STOP"


@pytest.mark.parametrize("fields", [{"max_tokens": 1}, {"max_tokens": 1, "temperature": 0}])
async def test_scoring_a_prompt_finds_one_token_after_it(
    renderer: PromptRenderer, fields: dict[str, Any]
) -> None:
    """lm-eval leaves the last token out and sums the others, whatever that token is."""
    async with running(renderer) as run:
        prompts = [[BOS, *ids("ab")], [BOS, *ids("cde")]]
        run.engine.enqueue(said([EOS], prompts[0], finish_reason="stop"))
        run.engine.enqueue(said(ids("x"), prompts[1], finish_reason="length"))
        body = {"prompt": prompts, "echo": True, "logprobs": 1, "seed": 1, **fields}
        choices = (await complete(run, **body)).json()["choices"]
        for prompt, choice in zip(prompts, choices, strict=True):
            assert len(choice["logprobs"]["token_logprobs"]) == len(prompt) + 1
            assert sum(choice["logprobs"]["token_logprobs"][1:-1]) == -(len(prompt) - 1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("logprobs", [None, 1])
async def test_no_tokens_and_an_echo_return_the_prompt_alone(
    renderer: PromptRenderer, logprobs: int | None, *, stream: bool
) -> None:
    async with running(renderer) as run:
        prompt = [BOS, *ids("hi")]
        run.engine.enqueue(said(ids("x"), prompt, finish_reason="length"))
        fields = {"prompt": "hi", "echo": True, "max_tokens": 0, "logprobs": logprobs, "n": 2}
        choices = await answered(run, stream=stream, **fields)
        assert [choices[index]["text"] for index in (0, 1)] == ["hi", "hi"]
        assert choices[0]["finish_reason"] == "length"
        assert choices[0]["stop_detail"]["limit"] == {"value": 0, "set_by": "client"}
        if logprobs is not None:
            assert choices[1]["logprobs"]["token_logprobs"] == [None, -1.0, -1.0]
        [request] = run.engine.requests
        assert (request.sampling.max_tokens, request.sampling.n) == (1, 1)
        stops = {"adapter": "chat", "kind": "max_tokens"}
        assert run.metric("endturn_stops_total", **stops) == 0, "there was no answer to end"
        assert run.metric("endturn_request_seconds_count", adapter="chat") == 1


async def test_no_tokens_are_counted_where_none_are_wanted(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        reply = (await complete(run, prompt="hi", echo=True, max_tokens=0)).json()
        assert reply["usage"] == {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}


async def test_an_engine_that_leaves_the_prompts_out_is_an_error(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(said(ids("x"), finish_reason="length"))
        reply = await complete(run, prompt="hi", echo=True, logprobs=1)
        assert (reply.status_code, reply.json()["error"]["type"]) == (500, "server_error")
        assert run.metric("endturn_missing_logprobs_total", adapter="chat") == 1


RANKED = {"66": {"logprob": -0.5, "rank": 1, "decoded_token": "B"}}


async def test_vllms_prompt_logprobs_of_a_completion(renderer: PromptRenderer) -> None:
    """Of each choice, by token id, whether the prompt is returned or not."""
    async with running(renderer) as run:
        for text in ("a", "b"):
            run.engine.enqueue(said([EOS], [BOS, *ids(text)], finish_reason="stop"))
        reply = (await complete(run, prompt=["a", "b"], prompt_logprobs=1)).json()
        assert run.engine.requests[0].sampling.num_prompt_logprobs == 1
        for token, choice in zip("ab", reply["choices"], strict=True):
            own = {"logprob": -1.0, "rank": 3, "decoded_token": token}
            assert choice["prompt_logprobs"] == [None, {str(ord(token)): own, **RANKED}]
            assert choice["logprobs"] is None


async def test_more_are_asked_for_than_an_echo_shows(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(said([EOS], [BOS, 97], finish_reason="stop"))
        fields = {"echo": True, "logprobs": 0, "prompt_logprobs": 5}
        [choice] = (await complete(run, prompt="a", **fields)).json()["choices"]
        assert run.engine.requests[0].sampling.num_prompt_logprobs == 5
        assert choice["logprobs"]["top_logprobs"] == [None, {"a": -1.0}, {"<eos>": -1.0}]
        assert len(choice["prompt_logprobs"][1]) == 2


async def test_vllms_prompt_logprobs_of_a_chat(renderer: PromptRenderer) -> None:
    """Beside the choices, as in vLLM."""
    async with running(renderer) as run:
        prompt = [BOS, *ids("user: hi\nassistant: ")]
        run.engine.enqueue(said([EOS], prompt, finish_reason="stop"))
        reply = (await run.chat(prompt_logprobs=0)).json()
        assert len(reply["prompt_logprobs"]) == len(prompt)
        assert reply["prompt_logprobs"][0] is None
        last = {"logprob": -1.0, "rank": 3, "decoded_token": " "}
        assert reply["prompt_logprobs"][-1] == {"32": last}
        assert "prompt_logprobs" not in (await run.chat()).json()
