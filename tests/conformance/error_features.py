"""Requests that must fail, and how: the status, OpenAI's shape and types, and the field that is named."""

from collections.abc import Sequence
from typing import Any

from .chat_features import CHAT, said
from .completion_features import COMPLETIONS
from .exchange import Call, Reply
from .feature import Check, Feature, Needs, expect, names, refusal

# Also that of the clients of SmolLM2's server in the engine tests.
KEY = "sk-test"
# The types of OpenAI's errors, in its documentation and from its servers.
_TYPES = frozenset(
    {"invalid_request_error", "authentication_error", "permission_error", "not_found_error"}
    | {"rate_limit_error", "server_error", "service_unavailable_error"}
)
_FIELDS = {"message", "type", "param", "code"}
# A body that both servers can read, and over what is accepted here.
_TOO_LARGE = 9 << 20


def fails(status: int, field: str = "") -> Check:
    """The request fails with `status`, in OpenAI's shape, and the error speaks of the field."""

    def check(replies: Sequence[Reply]) -> str | None:
        reply = replies[-1]
        if reply.status < 400:
            return "accepted"
        expect(reply.status == status, f"HTTP {reply.status}")
        error = reply.body.get("error") if isinstance(reply.body, dict) else None
        expect(isinstance(error, dict) and set(error) >= _FIELDS, "not OpenAI's shape")
        expect(names(reply, field), f"it does not name {field}")
        return None

    return check


def _errors(replies: Sequence[Reply], name: str) -> list[Any]:
    return [reply.body["error"][name] for reply in replies]


def _types_are_openai_s(replies: Sequence[Reply]) -> None:
    others = sorted(set(_errors(replies, "type")) - _TYPES)
    expect(not others, ", ".join(others))


def _codes_are_openai_s(replies: Sequence[Reply]) -> None:
    codes = _errors(replies, "code")
    expected = ["model_not_found", "context_length_exceeded"]
    expect(codes == expected, ", ".join(map(str, codes)))


def _params_are_the_fields(replies: Sequence[Reply]) -> None:
    params = _errors(replies, "param")
    expect(params == ["messages", "n"], ", ".join(map(str, params)))


def _anthropic(status: int, kind: str) -> Check:
    def check(replies: Sequence[Reply]) -> None:
        reply = replies[-1]
        expect(reply.status == status, f"HTTP {reply.status}")
        body = reply.body if isinstance(reply.body, dict) else {}
        expect(body.get("type") == "error", "not Anthropic's shape")
        expect(body["error"].get("type") == kind, f"its type is {body['error'].get('type')}")

    return check


def _error(
    name: str, call: Call, check: Check, *, needs: Needs = "scripted", endpoint: str = "errors"
) -> Feature:
    return Feature(endpoint=endpoint, name=name, calls=(call,), check=check, field="", needs=needs)


def _chat(name: str, check: Check, needs: Needs = "scripted", **fields: Any) -> Feature:
    return _error(name, CHAT.call(**fields), check, needs=needs)


def _post(body: str, **headers: str) -> Call:
    return Call(path=CHAT.path, body=body, headers=headers)


def _clamped(replies: Sequence[Reply]) -> str | None:
    reply = replies[-1]
    return "limited to the context" if reply.status < 400 else refusal(reply, "max_tokens")


_HUGE = '{"model": "demo", "messages": [{"role": "user", "content": "' + "a" * _TOO_LARGE + '"}]}'
_MESSAGE = {"model": "demo", "max_tokens": 8, "messages": [{"role": "user", "content": "Hi."}]}

_TOO_LONG = said(("user", "one two three " * 2000))


def _of_errors(*rows: tuple[str, Check, list[dict[str, Any]]]) -> list[Feature]:
    """Rows about what several errors have in common."""
    return [
        Feature(
            endpoint="errors",
            name=name,
            calls=tuple(CHAT.call(**fields) for fields in asked),
            check=check,
            field="",
            needs="scripted",
        )
        for name, check, asked in rows
    ]


OF_REQUESTS = (
    *_of_errors(
        ("types are OpenAI's", _types_are_openai_s, [{"model": "no-such-model"}, {"n": 0}]),
        ("codes are OpenAI's", _codes_are_openai_s, [{"model": "no-such-model"}, _TOO_LONG]),
        ("param is the field", _params_are_the_fields, [{"messages": ...}, {"n": 0}]),
    ),
    _chat("unknown model", fails(404), model="no-such-model"),
    _chat("no model", fails(400, "model"), model=...),
    _chat("no messages", fails(400, "messages"), messages=...),
    _chat("empty messages", fails(400, "messages?"), messages=[]),
    _chat("a number in a string", fails(400, "temperature"), temperature="0.5"),
    _chat("temperature out of range", fails(400, "temperature"), temperature=3),
    _chat("n of 0", fails(400, "n"), n=0),
    _chat("max_tokens of 0", fails(400, "max_tokens"), max_tokens=0),
    _chat("top_logprobs over 20", fails(400, "top_logprobs"), top_logprobs=21, logprobs=True),
    _chat(
        "a token id that is none",
        fails(400, "logit_bias"),
        needs="demo",
        logit_bias={"9999999": 1},
    ),
    _chat("max_tokens over the context", _clamped, max_tokens=1_000_000),
    _chat(
        "a prompt over the context",
        fails(400, "context|messages"),
        **_TOO_LONG,
    ),
    _chat("an error before a stream is no stream", fails(400, "n"), n=0, stream=True),
    _error("malformed JSON", _post('{"model": '), fails(400)),
    _error("JSON that is no object", _post("[1]"), fails(400)),
    _error("an empty body", _post(""), fails(400)),
    _error("a body over the limit: 413", _post(_HUGE), fails(413)),
    _error("another content type: 415", _post("a=b", **{"Content-Type": "text/plain"}), fails(415)),
    _error("completions: no prompt", COMPLETIONS.call(prompt=...), fails(400, "prompt")),
)

OF_PATHS = (
    _error("unknown path: 404", Call(method="GET", path="/v1/no-such-path"), fails(404)),
    _error("another method: 405", Call(method="GET", path="/v1/chat/completions"), fails(405)),
    _error(
        "an unknown model's page: 404", Call(method="GET", path="/v1/models/no-such"), fails(404)
    ),
)

OF_KEYS = (
    _error(
        "no key: 401",
        Call(path=CHAT.path, body=CHAT.call().body, headers={"Authorization": ""}),
        fails(401),
    ),
    _error(
        "a wrong key: 401",
        Call(path=CHAT.path, body=CHAT.call().body, headers={"Authorization": "Bearer no"}),
        fails(401),
    ),
)

OF_MESSAGES = (
    _error(
        "unknown model",
        Call(path="/v1/messages", body={**_MESSAGE, "model": "no-such-model"}),
        _anthropic(404, "not_found_error"),
        endpoint="messages",
    ),
    _error(
        "no max_tokens",
        Call(path="/v1/messages", body={"model": "demo", "messages": _MESSAGE["messages"]}),
        _anthropic(400, "invalid_request_error"),
        endpoint="messages",
    ),
    _error(
        "x-api-key: a wrong key",
        Call(path="/v1/messages", body=_MESSAGE, headers={"Authorization": "", "x-api-key": "no"}),
        _anthropic(401, "authentication_error"),
        endpoint="messages",
    ),
    _error(
        "x-api-key",
        Call(path="/v1/messages", body=_MESSAGE, headers={"Authorization": "", "x-api-key": KEY}),
        lambda replies: expect(replies[0].status == 200, f"HTTP {replies[0].status}"),
        endpoint="messages",
    ),
)

FEATURES = (*OF_REQUESTS, *OF_PATHS, *OF_KEYS)
