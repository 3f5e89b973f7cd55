"""What an answer cost, in every API's words: tokens found in the prefix cache, and tokens that were thought."""

import json
from dataclasses import replace
from typing import Any

import pytest

from server.engine import EngineDelta, PromptFacts
from server.prompt import PromptRenderer
from tests.fakes import EOS, delta, ids, served
from tests.server.running import Running, running
from tests.server.tag_parser import TagParsers

QUESTION = [{"role": "user", "content": "hi"}]
NUM_PROMPT_TOKENS = 21
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": QUESTION, "stream_options": {"include_usage": True}},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"messages": QUESTION, "max_tokens": 50},
}


def thinking(num_cached: int | None) -> list[EngineDelta]:
    """`ab` is thought, and the tag that ends it is part of the thought; then `no` and the end."""
    first = replace(delta("ab["), prompt=PromptFacts(num_cached_tokens=num_cached))
    return [first, delta("/r]n"), delta([*ids("o"), EOS], "stop")]


async def usages(run: Running, path: str, *, stream: bool) -> list[dict[str, Any]]:
    """Every usage object of the answer, in their order."""
    body = {"model": "chat", "stream": stream, **PATHS[path]}
    reply = await run.client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    if not stream:
        return [reply.json()["usage"]]
    data = [
        json.loads(line.removeprefix("data: "))
        for line in reply.text.splitlines()
        if line.startswith("data: {")
    ]
    holders = [
        holder for event in data for holder in (event, *map(event.get, ("message", "response")))
    ]
    return [holder["usage"] for holder in holders if holder and holder.get("usage")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
async def test_cached_and_thought_tokens_are_told(
    renderer: PromptRenderer, path: str, *, stream: bool
) -> None:
    async with running(renderer, served(parsers=TagParsers(reasons=True))) as run:
        run.engine.enqueue(*thinking(num_cached=16))
        usage = (await usages(run, path, stream=stream))[-1]
        if path == "/v1/messages":
            assert usage["input_tokens"] == NUM_PROMPT_TOKENS - 16, "the others were read"
            assert usage["cache_read_input_tokens"] == 16
            assert usage["output_tokens"] == 9
            return
        prompt, completion = (
            ("prompt_tokens", "completion_tokens")
            if path == "/v1/chat/completions"
            else ("input_tokens", "output_tokens")
        )
        assert usage[prompt] == NUM_PROMPT_TOKENS
        assert usage[f"{prompt}_details"]["cached_tokens"] == 16
        assert usage[completion] == 9
        assert usage[f"{completion}_details"]["reasoning_tokens"] == 6
        assert usage["total_tokens"] == NUM_PROMPT_TOKENS + 9


async def test_a_streamed_message_begins_with_what_was_read(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(*thinking(num_cached=16))
        first, last = await usages(run, "/v1/messages", stream=True)
        for usage in (first, last):
            assert usage["cache_read_input_tokens"] == 16
            assert usage["input_tokens"] == NUM_PROMPT_TOKENS - 16
        assert first["output_tokens"] <= last["output_tokens"] == 9


@pytest.mark.parametrize("stream", [False, True])
async def test_what_nobody_knows_is_left_out(renderer: PromptRenderer, *, stream: bool) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(*thinking(num_cached=None))
        [usage] = await usages(run, "/v1/chat/completions", stream=stream)
        assert usage == {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}


async def test_an_answer_without_thoughts_has_none(renderer: PromptRenderer) -> None:
    async with running(renderer, served(parsers=TagParsers(reasons=True))) as run:
        run.engine.enqueue(delta("[/r]yes"), delta([EOS], "stop"))
        [usage] = await usages(run, "/v1/chat/completions", stream=False)
        assert usage["completion_tokens_details"] == {"reasoning_tokens": 4}, "the tag alone"


async def test_thoughts_of_every_choice_are_summed(renderer: PromptRenderer) -> None:
    async with running(renderer, served(parsers=TagParsers(reasons=True))) as run:
        run.engine.enqueue(*thinking(0), *(replace(d, index=1) for d in thinking(8)))
        reply = (await run.chat(n=2, temperature=1)).json()
        assert reply["usage"]["completion_tokens_details"] == {"reasoning_tokens": 12}
        assert reply["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}, "the first one's"
