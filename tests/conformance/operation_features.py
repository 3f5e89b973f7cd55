"""Everything but generation: tokens, models, health, metrics, ids of requests, and clients that leave."""

from collections.abc import Sequence
from typing import Any

from .chat_features import CHAT, QUESTION
from .exchange import Call, Reply
from .feature import Check, Endpoint, Feature, expect, works

TOKENIZE = Endpoint(
    name="tokenize", path="/tokenize", defaults={"model": "demo", "prompt": QUESTION}
)
_MANY_TOKENS = 1500


def _get(endpoint: str, name: str, path: str, check: Check, **headers: str) -> Feature:
    return Feature(
        endpoint=endpoint,
        name=name,
        calls=(Call(method="GET", path=path, headers=headers),),
        check=works(check, path),
        field=path,
    )


def _counts_tokens(replies: Sequence[Reply]) -> None:
    body = replies[0].body
    expect(body["count"] == len(body["tokens"]) > 0, "the count is not that of the tokens")
    expect(body["max_model_len"] == 2048, f"max_model_len is {body['max_model_len']}")


def _one_less(replies: Sequence[Reply]) -> None:
    with_them, without = (reply.body["count"] for reply in replies)
    expect(with_them == without + 1, "ignored")


def _has_strings(replies: Sequence[Reply]) -> None:
    body = replies[0].body
    expect(len(body["token_strs"] or []) == body["count"], "not one a token")


def _is_the_prompt_of_chat(replies: Sequence[Reply]) -> None:
    tokenized, answered = replies
    found = tokenized.body["count"]
    expect(found == answered.body["usage"]["prompt_tokens"], "another prompt than chat's")


def _there_and_back(replies: Sequence[Reply]) -> None:
    expect(replies[1].body["prompt"] == QUESTION, f"is {replies[1].body['prompt'][:20]!r}")


def _back(replies: Sequence[Reply]) -> Call:
    tokens = (replies[0].body or {}).get("tokens", [])
    return Call(path="/detokenize", body={"model": "demo", "tokens": tokens})


def _lists_models(replies: Sequence[Reply]) -> None:
    body = replies[0].body
    expect(body["object"] == "list", f"object is {body['object']}")
    models = {model["id"]: model for model in body["data"]}
    expect({"demo", "pydoc"} <= set(models), "a model is missing")
    expect(models["pydoc"]["parent"] == "demo", f"parent is {models['pydoc']['parent']}")
    expect(models["demo"]["max_model_len"] == 2048, "no max_model_len")


def _context_of_adapter(replies: Sequence[Reply]) -> None:
    [model] = [model for model in replies[0].body["data"] if model["id"] == "pydoc"]
    expect(model["max_model_len"] == 2048, f"max_model_len is {model['max_model_len']}")


def _is_the_model(replies: Sequence[Reply]) -> None:
    expect((replies[0].body or {}).get("id") == "pydoc", "another model")


def _is_empty(replies: Sequence[Reply]) -> None:
    expect(replies[0].text == "", "a body")


def _has_version(replies: Sequence[Reply]) -> None:
    expect(isinstance(replies[0].body.get("version"), str), "no version")


def _has_metrics(*names: str) -> Check:
    def check(replies: Sequence[Reply]) -> None:
        missing = [name for name in names if f"\n{name}" not in replies[0].text]
        expect(not missing, f"no {', '.join(missing)}")

    return check


def _describes(replies: Sequence[Reply]) -> None:
    expect("/v1/chat/completions" in replies[0].body["paths"], "no path of chat")


def _is_a_page(replies: Sequence[Reply]) -> None:
    expect("<html" in replies[0].text.lower(), "no page")


def _returns_id(replies: Sequence[Reply]) -> None:
    found = replies[0].headers.get("X-Request-Id")
    expect(found == "a-client-s-id", "not returned" if found is None else "another one")


def _is_in_response(replies: Sequence[Reply]) -> None:
    expect("a-client-s-id" in replies[0].body["id"], "not in the id of the answer")


def _metric(page: str, name: str) -> float:
    lines = (line for line in page.splitlines() if line.startswith(f"{name}{{"))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def _is_idle(reply: Reply) -> bool:
    return _metric(reply.text, "vllm:num_requests_running") == 0


def _was_aborted(replies: Sequence[Reply]) -> None:
    before, _, after = replies
    expect(_is_idle(after), "it runs on")
    made = [_metric(reply.text, "vllm:generation_tokens_total") for reply in (before, after)]
    expect(made[1] - made[0] < _MANY_TOKENS, "it ran to its end")


_METRICS = Call(method="GET", path="/metrics")
_ID = {"X-Request-Id": "a-client-s-id"}
_ENDLESS: dict[str, Any] = {"ignore_eos": True, "max_tokens": _MANY_TOKENS}
_CHAT_PROMPT: dict[str, Any] = {"messages": CHAT.defaults["messages"], "prompt": ...}

TOKENS = (
    TOKENIZE.feature("a prompt", _counts_tokens),
    TOKENIZE.feature("add_special_tokens: false", _one_less, {}, {"add_special_tokens": False}),
    TOKENIZE.feature("return_token_strs", _has_strings, {"return_token_strs": True}),
    Feature(
        endpoint="tokenize",
        name="messages",
        calls=(TOKENIZE.call(**_CHAT_PROMPT), CHAT.call()),
        check=works(_is_the_prompt_of_chat, "messages"),
        field="messages",
    ),
    Feature(
        endpoint="tokenize",
        name="and /detokenize",
        calls=(TOKENIZE.call(add_special_tokens=False), _back),
        check=works(_there_and_back, "tokens"),
        field="tokens",
    ),
)

MODELS = (
    _get("models", "list: base, adapters, parents", "/v1/models", _lists_models),
    _get("models", "context length of an adapter", "/v1/models", _context_of_adapter),
    _get("models", "GET /v1/models/{id}", "/v1/models/pydoc", _is_the_model),
)

OPERATIONS = (
    _get("operations", "/health", "/health", _is_empty),
    _get("operations", "/version", "/version", _has_version),
    _get("operations", "/metrics: vLLM's", "/metrics", _has_metrics("vllm:num_requests_running")),
    _get("operations", "/openapi.json", "/openapi.json", _describes),
    _get("operations", "/docs", "/docs", _is_a_page),
    _get("operations", "X-Request-Id is returned", "/v1/models", _returns_id, **_ID),
    Feature(
        endpoint="operations",
        name="X-Request-Id is in the answer's id",
        calls=(Call(path=CHAT.path, body=CHAT.call().body, headers=_ID),),
        check=works(_is_in_response, "id"),
        field="id",
    ),
    Feature(
        endpoint="operations",
        name="a client that leaves its stream",
        calls=(
            _METRICS,
            Call(path=CHAT.path, body=CHAT.call(stream=True, **_ENDLESS).body, leaves=True),
            Call(method="GET", path="/metrics", until=_is_idle),
        ),
        check=works(_was_aborted, "stream"),
        field="stream",
    ),
)

FEATURES = (*TOKENS, *MODELS, *OPERATIONS)
