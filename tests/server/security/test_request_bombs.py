"""Bodies that are small to send and dear to read: nested, huge, or wrong in a million places; and patterns that never end."""

import json
import resource
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.bounded_model import MAX_FIELDS, shown
from server.errors import InvalidRequest
from server.prompt import PromptRenderer
from server.schema.chat import ChatCompletionRequest, DetokenizeRequest
from server.schema.completions import CompletionRequest
from server.schema.messages_schema import MessagesRequest
from server.schema.request_body import parse_body
from server.schema.request_object import RequestPart
from server.schema.responses_schema import ResponsesRequest
from tests.fakes import EOS, delta
from tests.server.running import running

MAX_BODY = 8 << 20
CHAT = b'{"model":"chat","messages":[{"role":"user","content":"hi"}]'


def many(piece: bytes, *, before: bytes = b"[", after: bytes = b"]") -> bytes:
    """As many pieces as a body may hold."""
    return before + b",".join([piece] * (MAX_BODY // (len(piece) + 1))) + after


def keys(value: bytes) -> bytes:
    """An object of as many keys as a body may hold."""
    pieces = (b'"%d":%b' % (number, value) for number in range(MAX_BODY // (10 + len(value))))
    return b"{" + b",".join(pieces) + b"}"


BOMBS: Mapping[str, tuple[type[RequestPart], Callable[[], bytes]]] = {
    "token ids": (DetokenizeRequest, lambda: b'{"tokens":' + many(b'""') + b"}"),
    "prompt ids": (CompletionRequest, lambda: b'{"model":"a","prompt":' + many(b"-1") + b"}"),
    "prompt texts": (CompletionRequest, lambda: b'{"model":"a","prompt":' + many(b'"",0') + b"}"),
    "content parts": (
        ChatCompletionRequest,
        lambda: b'{"model":"a","messages":[{"role":"user","content":' + many(b"0") + b"}]}",
    ),
    "messages": (ChatCompletionRequest, lambda: b'{"model":"a","messages":' + many(b"0") + b"}"),
    "stops": (ChatCompletionRequest, lambda: CHAT + b',"stop":' + many(b"0") + b"}"),
    "stop ids": (ChatCompletionRequest, lambda: CHAT + b',"stop_token_ids":' + many(b'""') + b"}"),
    "biases": (ChatCompletionRequest, lambda: CHAT + b',"logit_bias":' + keys(b'""') + b"}"),
    "metadata": (ChatCompletionRequest, lambda: CHAT + b',"metadata":' + keys(b"0") + b"}"),
    "unknown options": (ChatCompletionRequest, lambda: CHAT + b',"endturn":' + keys(b"0") + b"}"),
    "constraints": (
        ChatCompletionRequest,
        lambda: CHAT + b',"structured_outputs":' + keys(b"0") + b"}",
    ),
    "choices": (
        ChatCompletionRequest,
        lambda: CHAT + b',"structured_outputs":{"choice":' + many(b"0") + b"}}",
    ),
    "tools": (ChatCompletionRequest, lambda: CHAT + b',"tools":' + many(b"0") + b"}"),
    "blocks": (
        MessagesRequest,
        lambda: (
            b'{"model":"a","max_tokens":1,"messages":[{"role":"user","content":'
            + many(b"0")
            + b"}]}"
        ),
    ),
    "items": (ResponsesRequest, lambda: b'{"model":"a","input":' + many(b"0") + b"}"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_million_errors_cost_as_much_as_one(bomb: str) -> None:
    """Each is told by pydantic at 6 µs and a kilobyte: a body of the largest size would take a minute and gigabytes."""
    kind, make = BOMBS[bomb]
    raw = make()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidRequest) as told:
        parse_body(raw, kind)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 1 << 20
    assert len(str(told.value)) < 1000
    if isinstance(errors := told.value.__cause__, ValidationError):
        assert errors.error_count() <= MAX_FIELDS


def test_an_object_of_too_many_fields_is_told() -> None:
    fields = {f"x{number}": 0 for number in range(MAX_FIELDS + 1)}
    body = {"model": "a", "messages": [{"role": "user", "content": "a"}]}
    for sent, says in (
        ({**body, **fields}, "at most 10,000 fields"),
        ({**body, "logit_bias": fields}, "'logit_bias' has 10,001 fields"),
    ):
        with pytest.raises(InvalidRequest, match=says):
            parse_body(json.dumps(sent).encode(), ChatCompletionRequest)


@pytest.mark.parametrize("depth", [*range(980, 1030, 5), 100_000])
@pytest.mark.parametrize("field", ["model", "stop", "tools", "logit_bias", "response_format"])
async def test_any_depth_is_refused_and_never_a_failure(
    renderer: PromptRenderer, field: str, depth: int
) -> None:
    """orjson reads deeper than Python writes: at 1,000 levels the message about it failed once."""
    async with running(renderer) as run:
        nested = b"[" * depth + b"]" * depth
        body = CHAT + b',"' + field.encode() + b'":' + nested + b"}"
        reply = await run.client.post("/v1/chat/completions", content=body)
        assert reply.status_code == 400
        assert len(reply.json()["error"]["message"]) < 500


def test_what_is_nested_too_deep_is_shown_by_its_kind() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep, 80) == "a list that is nested too deep"
    assert shown("x" * 100, 10) == "'xxxxxxxxx"
    while deep:  # level by level: letting go of all at once is deep, too
        deep = deep.pop()


NUMBERS = [
    b"9" * 5000,
    b"-" + b"9" * 5000,
    b"1" + b"0" * 400,
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"0.1",
]
WORDS = [b"NaN", b"Infinity", b"-Infinity", b"nan", b"0x10", b"01", b"1_000", b"+1", b".5", b"1."]


@pytest.mark.parametrize("number", [*NUMBERS, *WORDS], ids=lambda number: number[:12].decode())
@pytest.mark.parametrize("field", [b"max_tokens", b"seed", b"n", b"top_logprobs", b"priority"])
async def test_numbers_that_are_none_of_ours_are_refused(
    renderer: PromptRenderer, field: bytes, number: bytes
) -> None:
    async with running(renderer) as run:
        body = CHAT + b',"' + field + b'":' + number + b"}"
        reply = await run.client.post("/v1/chat/completions", content=body)
        assert reply.status_code == 400
        assert run.engine.requests == []


async def test_of_a_key_given_twice_the_last_counts_everywhere(renderer: PromptRenderer) -> None:
    """One reader in front of another that takes the first would let through what it checks."""
    async with running(renderer) as run:
        body = b'{"model":"chat",' + CHAT[1:] + b',"model":"nope","max_tokens":1,"max_tokens":7}'
        reply = await run.client.post("/v1/chat/completions", content=body)
        assert reply.status_code == 404
        body = CHAT + b',"max_tokens":1,"max_tokens":7}'
        assert (await run.client.post("/v1/chat/completions", content=body)).status_code == 200
        assert run.engine.requests[0].sampling.max_tokens == 7


LONE = [rb"\ud800", rb"\udfff", rb"\ud800\ud800", rb"a\ud83d", rb"\udc00\ud800"]


@pytest.mark.parametrize("lone", LONE)
@pytest.mark.parametrize("place", ["content", "stop", "user", "key", "regex", "tool"])
async def test_half_a_surrogate_pair_is_refused_everywhere(
    renderer: PromptRenderer, place: str, lone: bytes
) -> None:
    more = {
        "content": b"",
        "stop": b',"stop":"X"',
        "user": b',"user":"X"',
        "key": b',"X":1',
        "regex": b',"structured_outputs":{"regex":"X"}',
        "tool": b',"tools":[{"type":"function","function":{"name":"f","description":"X"}}]',
    }[place]
    body = CHAT.replace(b"hi", b"X" if place == "content" else b"hi") + more + b"}"
    async with running(renderer) as run:
        reply = await run.client.post("/v1/chat/completions", content=body.replace(b"X", lone))
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_json")


PATTERNS = [
    "(a+)+$",
    "(a|a)*b",
    "(.*)*x",
    "a{1,65535}{1,65535}",
    "(?:a?){9999}a{9999}",
    "[a-",
    "(?P<a",
    "x**+",
]


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_patterns_of_clients_are_compiled_by_the_engine_alone(
    renderer: PromptRenderer, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    """Python's `re` backtracks and holds the interpreter: what a client sends must never reach it as a pattern."""
    import re  # noqa: PLC0415

    compiled: list[str] = []
    compile_ = re._compiler.compile  # type: ignore[attr-defined]  # below re.compile's own cache

    def watched(given: Any, flags: int = 0) -> Any:
        compiled.append(str(given))
        return compile_(given, flags)

    monkeypatch.setattr(re._compiler, "compile", watched)  # type: ignore[attr-defined]
    re.purge()
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    asked: list[dict[str, Any]] = [
        {"structured_outputs": {"regex": pattern}},
        {"structured_outputs": {"json": schema}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": schema},
            }
        },
        {"structured_outputs": {"json_object": True, "whitespace_pattern": pattern}},
        {"stop": [pattern], "bad_words": [pattern]},
        {"tools": tools},
    ]
    async with running(renderer) as run:
        for fields in asked:
            run.engine.enqueue(delta("a" * 500 + "!"), delta([EOS], "stop"))
            assert (await run.chat(**fields)).status_code in {200, 400}
    assert compiled, "the watch was in place"
    assert not [given for given in compiled if pattern in given]


async def test_stop_strings_are_text(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("a" * 3000), delta("(a+)+$"), delta("x"), delta([EOS], "stop"))
        run.engine.max_model_len = 100_000
        reply = await run.chat(stop=["(a+)+$"], endturn={"guards": False}, max_tokens=5000)
        assert reply.json()["choices"][0]["message"]["content"] == "a" * 3000
