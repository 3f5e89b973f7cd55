"""Chat completions: answers and streams, messages and roles, and the fields of OpenAI that change nothing here."""

from collections.abc import Sequence
from typing import Any

from .choices import num_prompt_tokens, streamed, texts, whole
from .exchange import Call, Reply
from .feature import Endpoint, Feature, accepts, expect, works

QUESTION = "What does os.path.join do?"
# Few: a machine of two cores answers every row, twice.
MAX_TOKENS = 4
PREFILL = "It joins"


def said(*turns: tuple[str, Any], **fields: Any) -> dict[str, Any]:
    """A request with these messages, given as pairs of role and content."""
    return {"messages": [{"role": role, "content": content} for role, content in turns], **fields}


CHAT = Endpoint(
    name="chat",
    path="/v1/chat/completions",
    defaults={
        "model": "demo",
        **said(("user", QUESTION)),
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
    },
)


def _is_an_answer(replies: Sequence[Reply]) -> None:
    body = replies[0].body
    [choice], usage = body["choices"], body["usage"]
    expect(body["object"] == "chat.completion", f"object is {body['object']}")
    expect(body["id"].startswith("chatcmpl-"), "the id does not begin with chatcmpl-")
    expect(choice["message"]["role"] == "assistant", "no role")
    expect(bool(choice["message"]["content"]), "no content")
    expect(choice["finish_reason"] in {"stop", "length"}, f"ends by {choice['finish_reason']}")
    total = usage["prompt_tokens"] + usage["completion_tokens"]
    expect(usage["total_tokens"] == total, "the usage does not add up")


def _stream_is_whole(replies: Sequence[Reply]) -> None:
    asked, stream = replies
    first = stream.events[0]
    expect(first["object"] == "chat.completion.chunk", f"object is {first['object']}")
    expect(first["choices"][0]["delta"].get("role") == "assistant", "no role in the first chunk")
    [of_stream], [of_whole] = streamed(stream), whole(asked)
    expect(of_stream.text == of_whole.text, "another text than without a stream")
    expect(of_stream.finish_reason == of_whole.finish_reason, "another finish_reason")


def _usage_comes_last(replies: Sequence[Reply]) -> None:
    *others, last = replies[0].events
    expect(last["choices"] == [], "the last chunk has choices")
    expect(last["usage"]["completion_tokens"] == MAX_TOKENS, "the usage is wrong")
    expect(all(event.get("usage") is None for event in others), "usage in other chunks too")


def _usage_in_every_chunk(replies: Sequence[Reply]) -> str | None:
    counted = [event.get("usage") for event in replies[0].events]
    if None in counted[:-1]:
        return "ignored"
    numbers = [usage["completion_tokens"] for usage in counted]
    expect(
        numbers == sorted(numbers) and numbers[-1] == MAX_TOKENS,
        "the counts do not grow to the end",
    )
    return None


def _three_answers(replies: Sequence[Reply]) -> None:
    choices = streamed(replies[0]) if replies[0].events else whole(replies[0])
    expect(len(choices) == 3, f"{len(choices)} choices")
    expect(all(choice.finish_reason for choice in choices), "a choice does not end")
    expect(len({choice.text for choice in choices}) > 1, "the same answer three times")


def _same_prompt(replies: Sequence[Reply]) -> None:
    expect(len({num_prompt_tokens(reply) for reply in replies}) == 1, "another prompt")
    expect(len(set(texts(replies))) == 1, "another answer")


def _longer_prompt(replies: Sequence[Reply]) -> None:
    short, long = (num_prompt_tokens(reply) for reply in replies)
    expect(long > short, "it is not in the prompt")


def _prompt_ends_with_prefill(replies: Sequence[Reply]) -> None:
    answered, tokenized, prompt = replies
    expect(prompt.body["prompt"].endswith(PREFILL), "something follows it in the prompt")
    expect(num_prompt_tokens(answered) == tokenized.body["count"], "not the prompt of /tokenize")


def _found_in_cache(replies: Sequence[Reply]) -> None:
    details = replies[1].body["usage"].get("prompt_tokens_details") or {}
    expect(bool(details.get("cached_tokens")), "not counted")


def _detokenize(replies: Sequence[Reply]) -> Call:
    tokens = (replies[-1].body or {}).get("tokens", [])
    return Call(path="/detokenize", body={"model": "demo", "tokens": tokens})


def _prefilled(name: str, **fields: Any) -> Feature:
    """A row about an answer whose beginning is given."""
    asked = said(("user", QUESTION), ("assistant", PREFILL), continue_final_message=True, **fields)
    tokenize = Call(path="/tokenize", body={"model": "demo", **asked})
    field = "continue_final_message"
    return Feature(
        endpoint=CHAT.name,
        name=name,
        calls=(CHAT.call(**asked), tokenize, _detokenize),
        check=works(_prompt_ends_with_prefill, field),
        field=field,
    )


_VARIED = {"n": 3, "temperature": 1, "seed": 1, "max_tokens": 8}
_CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
_CALLED = [
    {"role": "user", "content": QUESTION},
    {"role": "assistant", "content": None, "tool_calls": [_CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "sunny"},
]
_PARTS = [{"type": "text", "text": "What does"}, {"type": "text", "text": "os.path.join do?"}]
_PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
_LONG = said(("user", "one two three four five " * 40))

ANSWERS = (
    CHAT.feature("an answer", _is_an_answer),
    CHAT.feature("an adapter's answer", _is_an_answer, {"model": "pydoc"}),
    CHAT.feature("stream: the same answer", _stream_is_whole, {}, {"stream": True}),
    CHAT.feature(
        "stream_options.include_usage",
        _usage_comes_last,
        {"stream": True, "stream_options": {"include_usage": True}},
    ),
    CHAT.feature(
        "stream_options.continuous_usage_stats",
        _usage_in_every_chunk,
        {
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        },
        field="continuous_usage_stats",
    ),
    CHAT.feature("n = 3", _three_answers, _VARIED),
    CHAT.feature("n = 3, streamed", _three_answers, {**_VARIED, "stream": True}),
    CHAT.feature("usage: cached tokens", _found_in_cache, _LONG, _LONG, field="usage"),
)

MESSAGES = (
    CHAT.feature(
        "system role",
        _longer_prompt,
        said(("user", QUESTION)),
        said(
            ("system", "You answer every question in one short sentence, and in a friendly way."),
            ("user", QUESTION),
        ),
    ),
    CHAT.feature(
        "developer role is a system role",
        _same_prompt,
        said(("system", "Be brief."), ("user", QUESTION)),
        said(("developer", "Be brief."), ("user", QUESTION)),
        field="developer",
    ),
    CHAT.feature(
        "assistant role: earlier turns",
        _longer_prompt,
        {},
        said(("user", "Hi."), ("assistant", "Hello."), ("user", QUESTION)),
    ),
    CHAT.feature(
        "tool calls and results",
        _longer_prompt,
        {"model": "smollm2"},
        {"messages": _CALLED, "model": "smollm2"},
        needs="smollm2",
    ),
    CHAT.feature(
        "names of participants",
        _same_prompt,
        {},
        {"messages": [{"role": "user", "name": "ann", "content": QUESTION}]},
        field="name",
    ),
    CHAT.feature(
        "content parts: text",
        _same_prompt,
        {},
        said(("user", [{"type": "text", "text": QUESTION}])),
    ),
    CHAT.feature(
        "content parts: texts are lines",
        _same_prompt,
        said(("user", "\n".join(part["text"] for part in _PARTS))),
        said(("user", _PARTS)),
    ),
    CHAT.refused("content parts: image", said(("user", [_PICTURE])), field="image|multimodal"),
    _prefilled("continue_final_message", add_generation_prompt=False),
    _prefilled("continue_final_message alone"),
    CHAT.feature(
        "add_generation_prompt: false",
        _longer_prompt,
        {"add_generation_prompt": False},
        {"add_generation_prompt": True},
    ),
    CHAT.feature(
        "chat_template_kwargs",
        _longer_prompt,
        {"chat_template_kwargs": {"default_system": ""}},
        {"chat_template_kwargs": {"default_system": "You are a friendly assistant."}},
    ),
    CHAT.refused(
        "chat_template in a request", {"chat_template": "{{ messages }}"}, field="chat.template"
    ),
)

_WITHOUT_EFFECT: tuple[dict[str, Any], ...] = (
    {"user": "ann"},
    {"metadata": {"team": "docs"}},
    {"store": True},
    {"service_tier": "auto"},
    {"prompt_cache_key": "docs"},
    {"safety_identifier": "ann"},
    {"reasoning_effort": "low"},
    {"no_such_field": 1},
)
ACCEPTED = tuple(
    CHAT.feature(
        "an unknown field" if "no_such_field" in fields else next(iter(fields)),
        accepts,
        fields,
        needs="scripted",
    )
    for fields in _WITHOUT_EFFECT
)

FEATURES = (*ANSWERS, *MESSAGES, *ACCEPTED)
