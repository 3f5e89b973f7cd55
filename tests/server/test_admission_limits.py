"""Each list, text and number of a request has a limit, and the refusal names the field."""

from typing import Any

import pytest

from server.prompt import PromptRenderer
from server.schema.body_objects import MAX_OBJECTS
from server.schema.chat import MAX_DETOKENIZED, MAX_MESSAGES
from tests.server.running import running

USER: Any = {"role": "user", "content": "hi"}
TOOL: Any = {"type": "function", "function": {"name": "look"}}
CALL: Any = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": "chat", "messages": [USER]}),
    "text": ("/v1/completions", {"model": "chat", "prompt": "hi"}),
    "responses": ("/v1/responses", {"model": "chat", "input": "hi"}),
    "messages": ("/v1/messages", {"model": "chat", "messages": [USER], "max_tokens": 9}),
    "tokenize": ("/tokenize", {"model": "chat", "prompt": "hi"}),
    "detokenize": ("/detokenize", {"model": "chat", "tokens": [97]}),
}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


# (api, the field that the refusal names, what is too much)
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("chat", "messages", {"messages": [USER] * (MAX_MESSAGES + 1)}),
    ("chat", "messages", {"messages": [{"role": "user", "content": [
        {"type": "text", "text": ""}] * MAX_OBJECTS}]}),
    ("chat", "messages[0].tool_calls", {"messages": [
        {"role": "assistant", "tool_calls": [CALL] * 129}]}),
    ("chat", "messages[0].role", {"messages": [{"role": "r" * 65, "content": ""}]}),
    ("chat", "model", {"model": "m" * 257}),
    ("chat", "n", {"n": 129}),
    ("chat", "stop", {"stop": ["a"] * 65}),
    ("chat", "stop", {"stop": "a" * 513}),
    ("chat", "stop_token_ids", {"stop_token_ids": [1] * 257}),
    ("chat", "bad_words", {"bad_words": ["a"] * 257}),
    ("chat", "allowed_token_ids", {"allowed_token_ids": [1] * ((64 << 10) + 1)}),
    ("chat", "logit_bias", {"logit_bias": {str(i): 1 for i in range(1025)}}),
    ("chat", "top_logprobs", {"logprobs": True, "top_logprobs": 21}),
    ("chat", "tools", {"tools": [TOOL] * 129}),
    ("chat", "tools[0].function.parameters", {"tools": [
        {"type": "function", "function": {"name": "a", "parameters": nested(40)}}]}),
    ("chat", "metadata", {"metadata": {str(i): "" for i in range(17)}}),
    ("chat", "chat_template_kwargs", {"chat_template_kwargs": {"a": [[]] * MAX_OBJECTS}}),
    ("chat", "cache_salt", {"cache_salt": "a" * 1025}),
    ("chat", "structured_outputs.regex", {"structured_outputs": {"regex": "a" * (17 << 10)}}),
    ("chat", "structured_outputs.choice", {"structured_outputs": {"choice": ["a"] * 1025}}),
    ("text", "prompt", {"prompt": ["a"] * 1025}),
    ("text", "prompt", {"prompt": ["a"] * 1024, "n": 3}),
    ("text", "best_of", {"best_of": 129}),
    ("text", "logprobs", {"logprobs": 21}),
    ("responses", "input", {"input": [USER] * (MAX_MESSAGES + 1)}),
    ("responses", "input", {"input": [{}] * MAX_OBJECTS}),
    ("responses", "tools", {"tools": [{"type": "function", "name": "a"}] * 129}),
    ("messages", "messages", {"messages": [USER] * (MAX_MESSAGES + 1)}),
    ("messages", "messages", {"messages": [
        {"role": "user", "content": [{"type": "text", "text": ""}] * MAX_OBJECTS}]}),
    ("messages", "system", {"system": [{"type": "text", "text": ""}] * MAX_OBJECTS}),
    ("messages", "stop_sequences", {"stop_sequences": ["a"] * 65}),
    ("messages", "tools", {"tools": [{"name": "a"}] * 129}),
    ("detokenize", "tokens", {"tokens": [1] * (MAX_DETOKENIZED + 1)}),
]  # fmt: skip


async def test_too_much_is_refused_by_name(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    async with running(renderer) as run:
        for api, field, fields in CASES:
            path, body = PATHS[api]
            with subtests.test(api=api, field=field):
                reply = await run.client.post(path, json={**body, **fields})
                assert reply.status_code == 400, reply.text[:300]
                error = reply.json()["error"]
                assert field in error["message"]
                assert len(error["message"]) < 500
                if api != "messages":
                    assert error["param"] == field


async def test_many_brackets_in_a_text_are_no_objects(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        prompt = "{[" * MAX_OBJECTS
        reply = await run.client.post("/tokenize", json={"model": "chat", "prompt": prompt})
        assert reply.status_code == 200
        assert reply.json()["count"] == 2 * MAX_OBJECTS + 1


@pytest.mark.parametrize("api", PATHS)
async def test_a_text_is_limited_by_the_body(renderer: PromptRenderer, api: str) -> None:
    async with running(renderer, max_body_bytes=2000) as run:
        path, body = PATHS[api]
        reply = await run.client.post(path, json={**body, "user": "x" * 2000})
        assert reply.status_code == 413
        assert "2,000" in reply.text
