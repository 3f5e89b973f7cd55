"""A client's own log-probabilities: for the tokens it is shown, as many as it asked for, beside a stop head or not."""

import json
from typing import Any

import pytest

from adapters.stop_features import NUM_LISTED
from server.choice import TokenLogprobs
from server.engine import EngineDelta, StepLogprobs
from server.prompt import PromptRenderer
from server.wire.logprobs import LogprobsWriter
from tests.fakes import EOS, chat_tokenizer, ids, served
from tests.server.running import running
from tests.server.test_calibrated import HEAD


def step(token_id: int) -> StepLogprobs:
    """The sampled token at -1, and three likelier or less likely ones."""
    return StepLogprobs({65: -3.0, 66: -0.5, 67: -2.0, token_id: -1.0}, -1.0)


def said(text: str, **fields: Any) -> EngineDelta:
    token_ids = ids(text)
    return EngineDelta(
        **{"index": 0, "token_ids": token_ids, "logprobs": tuple(map(step, token_ids)), **fields}
    )


END = EngineDelta(index=0, token_ids=(EOS,), logprobs=(step(EOS),), finish_reason="stop")


def streamed(text: str) -> list[dict[str, Any]]:
    lines = [
        line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")
    ]
    return [json.loads(line)["choices"][0] for line in lines]


@pytest.mark.parametrize("head", [None, HEAD])
async def test_chat_lists_what_was_asked_for(renderer: PromptRenderer, head: Any) -> None:
    async with running(renderer, served(stop_head=head)) as run:
        run.engine.enqueue(said("hi"), END)
        choice = (await run.chat(logprobs=True, top_logprobs=2)).json()["choices"][0]
        assert run.engine.requests[0].sampling.num_logprobs == (2 if head is None else NUM_LISTED)
        content = choice["logprobs"]["content"]
        assert [entry["token"] for entry in content] == ["h", "i"], "the end token is not shown"
        assert content[0]["logprob"] == -1.0
        assert content[0]["bytes"] == [104]
        assert [top["token"] for top in content[0]["top_logprobs"]] == ["B", "h"]


async def test_none_are_written_unless_asked_for(renderer: PromptRenderer) -> None:
    async with running(renderer, served(stop_head=HEAD)) as run:
        run.engine.enqueue(said("hi"), END)
        assert (await run.chat()).json()["choices"][0]["logprobs"] is None


async def test_tokens_that_a_stop_took_back_have_none(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for stream in (False, True):
            run.engine.enqueue(said("ok\n\n###"), said(" Human: x"))
            reply = await run.chat(logprobs=True, stream=stream)
            if stream:
                parts = [c["logprobs"] for c in streamed(reply.text) if c["logprobs"]]
                tokens = [entry["token"] for part in parts for entry in part["content"]]
            else:
                tokens = [e["token"] for e in reply.json()["choices"][0]["logprobs"]["content"]]
            assert tokens == ["o", "k"]


async def test_text_completion_has_the_older_form(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for stream in (False, True):
            run.engine.enqueue(said("hi"), END)
            body = {"model": "chat", "prompt": "x", "logprobs": 1, "stream": stream}
            reply = await run.client.post("/v1/completions", json=body)
            choices = streamed(reply.text) if stream else reply.json()["choices"]
            first = choices[0]["logprobs"]
            assert first["tokens"][0] == "h"
            assert first["token_logprobs"][0] == -1.0
            assert first["top_logprobs"][0] == {"B": -0.5, "h": -1.0}, "one more: the token itself"
            assert first["text_offset"][0] == 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": 5}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
    ],
)
async def test_wrong_numbers_are_named(
    renderer: PromptRenderer, fields: dict[str, Any], param: str
) -> None:
    async with running(renderer) as run:
        reply = await run.chat(**fields)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


def test_half_a_character_is_bytes_and_minus_infinity_is_json() -> None:
    writer = LogprobsWriter(chat_tokenizer(), 0)
    half = TokenLogprobs("é".encode()[0], StepLogprobs({}, float("-inf")))
    [entry] = writer.chat([half])
    assert entry["bytes"] == [0xC3]
    assert entry["logprob"] == -9999.0
