"""Text completions: several prompts in one request, each with choices, guards and a finish of its own."""

import asyncio
import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import pytest

from server.engine import EngineDelta, PromptFacts
from server.errors import EngineDeadError
from server.prompt import PromptRenderer
from tests.fakes import BOS, EOS, IM_END, delta, ids
from tests.server.running import Running, running


async def complete(run: Running, **fields: Any) -> httpx.Response:
    return await run.client.post("/v1/completions", json={"model": "chat", **fields})


def events(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def cached(number: int, text: str = "ok") -> EngineDelta:
    """A whole answer to a prompt of which so many tokens were found in the prefix cache."""
    facts = PromptFacts(num_cached_tokens=number)
    return replace(delta([*ids(text), EOS], "stop"), prompt=facts)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a", [[BOS, 97]]),
        (["a"], [[BOS, 97]]),
        (["a", "bc", ""], [[BOS, 97], [BOS, 98, 99], [BOS]]),
        ([97], [[97]]),
        ([97, 98], [[97, 98]]),
        ([[97, 98]], [[97, 98]]),
        ([[97], [98, 99]], [[97], [98, 99]]),
    ],
)
async def test_a_prompt_is_text_or_ids_and_there_may_be_several(
    renderer: PromptRenderer, prompt: Any, expected: list[list[int]]
) -> None:
    async with running(renderer) as run:
        reply = (await complete(run, prompt=prompt)).json()
        assert [request.prompt_token_ids for request in run.engine.requests] == expected
        assert len({request.request_id for request in run.engine.requests}) == len(expected)
        assert [(c["index"], c["text"]) for c in reply["choices"]] == [
            (index, "ok") for index in range(len(expected))
        ]
        assert reply["usage"]["prompt_tokens"] == sum(map(len, expected))
        assert reply["usage"]["completion_tokens"] == 3 * len(expected)


async def test_choices_stand_in_the_order_of_their_prompts(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for prompt in "ab":
            run.engine.enqueue(
                delta(f"{prompt}1", index=1),
                delta(f"{prompt}0"),
                delta([EOS], "stop"),
                delta([IM_END], "stop", index=1),
            )
        reply = (await complete(run, prompt=["x", "y"], n=2)).json()
        assert [c["text"] for c in reply["choices"]] == ["a0", "a1", "b0", "b1"]
        assert [c["index"] for c in reply["choices"]] == [0, 1, 2, 3]
        kinds = [c["stop_detail"]["kind"] for c in reply["choices"]]
        assert kinds == ["eos", "stop_token"] * 2


async def test_each_prompt_ends_by_itself(renderer: PromptRenderer) -> None:
    """By its own guard and its own limit: what the context leaves differs from prompt to prompt."""
    async with running(renderer) as run:
        run.engine.max_model_len = 30
        run.engine.enqueue(delta("a\n\n### Human:"), delta("never"))
        run.engine.enqueue(delta("b", "length"))
        run.engine.enqueue(cached(0, "c"))
        reply = (await complete(run, prompt=["x", "y" * 26, "z"], max_tokens=9)).json()
        assert [c["text"] for c in reply["choices"]] == ["a", "b", "c"]
        details = [c["stop_detail"] for c in reply["choices"]]
        assert [d["kind"] for d in details] == ["role_marker", "max_tokens", "eos"]
        assert [d["limit"]["value"] for d in details] == [9, 3, 9]
        assert [request.sampling.max_tokens for request in run.engine.requests] == [9, 3, 9]
        assert run.engine.requests[0].request_id in run.engine.aborted, "the marker ended it"
        assert run.metric("endturn_rescued_total", adapter="chat", kind="role_marker") == 1
        assert run.metric("endturn_stops_total", adapter="chat", kind="eos") == 1


async def test_a_stream_interleaves_the_prompts(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("a"), 0.05, delta("A"), delta([EOS], "stop"))
        run.engine.enqueue(delta("b"), 0.02, delta("B"), delta([EOS], "stop"))
        fields = {"stream": True, "stream_options": {"include_usage": True}}
        *chunks, usage = events((await complete(run, prompt=["x", "yz"], **fields)).text)
        texts: dict[int, str] = defaultdict(str)
        finished = []
        for chunk in chunks:
            [choice] = chunk["choices"]
            texts[choice["index"]] += choice["text"]
            if choice["finish_reason"] is not None:
                finished.append(choice["index"])
        assert texts == {0: "aA", 1: "bB"}
        assert sorted(finished) == [0, 1]
        order = [chunk["choices"][0]["index"] for chunk in chunks]
        assert order != sorted(order), "they come as they are made"
        assert usage["usage"]["prompt_tokens"] == 5
        assert usage["usage"]["completion_tokens"] == 6


async def test_greedy_copies_keep_their_places(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(cached(0, "a"))
        run.engine.enqueue(cached(0, "b"))
        reply = (await complete(run, prompt=["x", "y"], n=2, temperature=0)).json()
        assert [c["text"] for c in reply["choices"]] == ["a", "a", "b", "b"]
        assert [request.sampling.n for request in run.engine.requests] == [1, 1]
        assert reply["usage"]["completion_tokens"] == 8


async def test_cached_tokens_are_those_of_each_prompt_once(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(cached(2), replace(cached(3), index=1))
        run.engine.enqueue(cached(1), replace(cached(3), index=1))
        usage = (await complete(run, prompt=["abc", "def"], n=2)).json()["usage"]
        assert usage["prompt_tokens_details"] == {"cached_tokens": 3}
        silent = (await complete(run, prompt="abc")).json()["usage"]
        assert "prompt_tokens_details" not in silent


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failing_prompt_fails_the_request(
    renderer: PromptRenderer, *, stream: bool
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(30.0)
        run.engine.enqueue(EngineDeadError("gone"))
        reply = await complete(run, prompt=["x", "y"], stream=stream)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "engine_dead")
        await run.until(lambda: not run.engine.open)
        assert run.engine.aborted == [run.engine.requests[0].request_id]


async def test_a_prompt_that_fails_in_a_stream_is_its_last_event(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("a"), 30.0)
        run.engine.enqueue(delta("b"), 0.05, RuntimeError("secret"))
        *chunks, failed = events((await complete(run, prompt=["x", "y"], stream=True)).text)
        assert {chunk["choices"][0]["index"] for chunk in chunks} == {0, 1}
        assert failed["error"]["type"] == "server_error"
        assert "secret" not in failed["error"]["message"]
        await run.until(lambda: not run.engine.open)


async def test_a_client_that_leaves_ends_every_prompt(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for _ in range(3):
            run.engine.enqueue(delta("a"), 30.0)
        asking = asyncio.create_task(complete(run, prompt=["x", "y", "z"]))
        await run.until(lambda: len(run.engine.open) == 3)
        asking.cancel()
        await run.until(lambda: not run.engine.open)
        assert len(run.engine.aborted) == 3
        await run.until(lambda: run.metric("endturn_requests_in_flight") == 0)
        assert run.metric("endturn_stops_total", adapter="chat", kind="abort") == 3


async def test_a_server_that_stops_ends_every_prompt(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for _ in range(2):
            run.engine.enqueue(delta("a"), 30.0)
        asking = asyncio.create_task(complete(run, prompt=["x", "y"]))
        await run.until(lambda: len(run.engine.open) == 2)
        run.server.lifecycle.start_draining()
        await run.server.lifecycle.abort_all(run.engine)
        assert not await run.server.lifecycle.wait_until_idle(5)
        assert (await asking).json()["error"]["code"] == "aborted"


async def test_a_prompt_without_room_is_named(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        error = (await complete(run, prompt=["x", "y" * 2000])).json()["error"]
        assert (error["param"], error["code"]) == ("prompt[1]", "context_length_exceeded")
        assert "2001 tokens" in error["message"]
        assert run.engine.requests == []


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({}, "prompt", "required"),
    ({"prompt": None}, "prompt", "must be text"),
    ({"prompt": 5}, "prompt", "must be text"),
    ({"prompt": {}}, "prompt", "must be text"),
    ({"prompt": []}, "prompt", "not empty"),
    ({"prompt": [[]]}, "prompt[0]", "not empty"),
    ({"prompt": [True]}, "prompt[0]", "token ids"),
    ({"prompt": [1.5]}, "prompt[0]", "token ids"),
    ({"prompt": [-1]}, "prompt[0]", "token ids"),
    ({"prompt": [1, "a"]}, "prompt[0]", "token ids"),
    ({"prompt": ["a", 1]}, "prompt[1]", "text like the first"),
    ({"prompt": [[1], "a"]}, "prompt[1]", "token ids"),
    ({"prompt": [[1], [2, -3]]}, "prompt[1]", "token ids"),
    ({"prompt": [259]}, "prompt", "below 259"),
    ({"prompt": [[1], [259]]}, "prompt[1]", "below 259"),
    ({"prompt": "", "add_special_tokens": False}, "prompt", "no tokens"),
    ({"prompt": ["a", ""], "add_special_tokens": False}, "prompt[1]", "no tokens"),
    ({"prompt": ["a"] * 1025}, "prompt", "at most 1,024"),
    ({"prompt": ["a"] * 1000, "n": 3}, "prompt", "3,000"),
    ({"prompt": "a", "logprobs": 21}, "logprobs", "less than or equal to 20"),
    ({"prompt": "a", "logprobs": True}, "logprobs", "valid integer"),
    ({"prompt": "a", "max_tokens": 0}, "max_tokens", "echo"),
    ({"prompt": "a", "max_tokens": -1}, "max_tokens", "greater than or equal to 0"),
    ({"prompt": "a", "suffix": "b"}, "suffix", "not supported"),
    ({"prompt": "a", "best_of": 2, "n": 3}, "best_of", "less than n"),
    ({"prompt": "a", "best_of": 129}, "best_of", "less than or equal to 128"),
    ({"prompt": "a", "best_of": 2, "stream": True}, "best_of", "streamed"),
    ({"prompt": "a", "prompt_logprobs": 1, "stream": True}, "prompt_logprobs", "stream"),
    ({"prompt": "a", "guided_regex": "a+"}, "guided_regex", "structured_outputs"),
    ({"prompt": "a", "use_beam_search": True}, "use_beam_search", "not supported"),
]


@pytest.mark.parametrize(
    ("fields", "param", "message"), BAD, ids=[f"{i}-{row[1]}" for i, row in enumerate(BAD)]
)
async def test_bad_fields_are_named(
    renderer: PromptRenderer, fields: dict[str, Any], param: str, message: str
) -> None:
    async with running(renderer) as run:
        reply = await complete(run, **fields)
        error = reply.json()["error"]
        assert (reply.status_code, error["param"]) == (400, param)
        assert message in error["message"]
        assert run.engine.requests == []


@pytest.mark.parametrize("fields", [{"suffix": ""}, {"suffix": None}, {"best_of": 1}, {"n": None}])
async def test_values_that_ask_for_nothing_pass(
    renderer: PromptRenderer, fields: dict[str, Any]
) -> None:
    async with running(renderer) as run:
        assert (await complete(run, prompt="a", stream=True, **fields)).status_code == 200


async def test_a_salt_reaches_the_engine(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        await complete(run, prompt=["a", "b"], cache_salt="s")
        assert [request.cache_salt for request in run.engine.requests] == ["s", "s"]
