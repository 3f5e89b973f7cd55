"""Anthropic's Messages: the message, the events of a stream, tools, counting, and errors in Anthropic's shape."""

import json
from collections.abc import Sequence
from typing import Any

from .chat_features import MAX_TOKENS, PREFILL, QUESTION
from .exchange import Call, Reply
from .feature import Check, Endpoint, Feature, accepts, expect, works
from .output_features import CITY, city_schema

_DEFAULTS = {"model": "demo", "messages": [{"role": "user", "content": QUESTION}]}
MESSAGES = Endpoint(
    name="messages",
    path="/v1/messages",
    defaults={**_DEFAULTS, "max_tokens": MAX_TOKENS, "temperature": 0},
)
COUNT = Endpoint(name="messages", path="/v1/messages/count_tokens", defaults=_DEFAULTS)
_EVENTS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
]
_TOOLS = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "How is the weather in Bern?"}],
    "max_tokens": 120,
    "tools": [
        {"name": name, "input_schema": city_schema(), "strict": True}
        for name in ("weather", "clock")
    ],
}


def _text(reply: Reply) -> str:
    [block] = reply.body["content"]
    text: str = block["text"]
    return text


def _is_a_message(replies: Sequence[Reply]) -> None:
    body = replies[0].body
    expect((body["type"], body["role"]) == ("message", "assistant"), "not a message")
    expect(bool(_text(replies[0])), "no text")
    expect(body["stop_reason"] == "max_tokens", f"stop_reason is {body['stop_reason']}")
    expect(body["usage"]["output_tokens"] == MAX_TOKENS, "the usage is wrong")


def _events_in_order(replies: Sequence[Reply]) -> None:
    whole, stream = replies
    events = [event for event in stream.events if event["type"] != "ping"]
    kinds = list(dict.fromkeys(event["type"] for event in events))
    expect(kinds == _EVENTS, f"the events are {', '.join(kinds)}")
    deltas = [event["delta"]["text"] for event in events if event["type"] == _EVENTS[2]]
    expect("".join(deltas) == _text(whole), "another text than without a stream")
    [last] = [event for event in events if event["type"] == "message_delta"]
    expect(last["delta"]["stop_reason"] == "max_tokens", "no stop_reason")
    expect(last["usage"]["output_tokens"] == MAX_TOKENS, "the usage is wrong")


def _num_input_tokens(reply: Reply) -> int:
    """Those that were read from the cache among them, which Anthropic counts apart."""
    usage = reply.body["usage"]
    counted: int = usage["input_tokens"] + (usage.get("cache_read_input_tokens") or 0)
    return counted


def _longer_prompt(replies: Sequence[Reply]) -> None:
    short, long = (_num_input_tokens(reply) for reply in replies)
    expect(long > short, "it is not in the prompt")


def _same_prompt(replies: Sequence[Reply]) -> None:
    counted = {_num_input_tokens(reply) for reply in replies}
    expect(len(counted) == 1, "another prompt")


def _a_piece(replies: Sequence[Reply]) -> str:
    """A few characters of the answer."""
    return _text(replies[0])[4:7]


def _stop_at_it(replies: Sequence[Reply]) -> Call:
    return MESSAGES.call(stop_sequences=[_a_piece(replies)])


def _stops(replies: Sequence[Reply]) -> None:
    body = replies[1].body
    expect(body["stop_reason"] == "stop_sequence", f"stop_reason is {body['stop_reason']}")
    expect(body["stop_sequence"] == _a_piece(replies), f"stop_sequence is {body['stop_sequence']}")


def _uses(*names: str) -> Check:
    def check(replies: Sequence[Reply]) -> None:
        body = replies[-1].body
        uses = [block for block in body["content"] if block["type"] == "tool_use"]
        expect(bool(uses), "no tool is used")
        for use in uses:
            expect(use["name"] in names, f"uses {use['name']}")
            expect(use["input"].get("city") in CITY["enum"], "input not by the schema")
        expect(body["stop_reason"] == "tool_use", f"stop_reason is {body['stop_reason']}")

    return check


def _streams_a_use(replies: Sequence[Reply]) -> None:
    events = replies[0].events
    starts = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    expect(starts[-1]["type"] == "tool_use", f"the last block is {starts[-1]['type']}")
    deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    pieces = [delta["partial_json"] for delta in deltas if delta["type"] == "input_json_delta"]
    expect(json.loads("".join(pieces)).get("city") in CITY["enum"], "input not by the schema")
    [last] = [event for event in events if event["type"] == "message_delta"]
    expect(last["delta"]["stop_reason"] == "tool_use", "another stop_reason")


def _counts(replies: Sequence[Reply]) -> None:
    counted = replies[0].body["input_tokens"]
    expect(counted > 0, "no tokens")


def _counts_more(replies: Sequence[Reply]) -> None:
    short, long = (reply.body["input_tokens"] for reply in replies)
    expect(long > short, "the tools are not counted")


_PREFILLED: dict[str, Any] = {
    "messages": [*_DEFAULTS["messages"], {"role": "assistant", "content": PREFILL}]
}
_BLOCKS = {"messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]}
_SOURCE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
_PICTURE = {"messages": [{"role": "user", "content": [{"type": "image", "source": _SOURCE}]}]}
_RESULTS = [
    {"role": "user", "content": QUESTION},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "1", "name": "weather", "input": {"city": "Bern"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "sunny"}]},
]

FEATURES = (
    MESSAGES.feature("an answer", _is_a_message),
    MESSAGES.feature("stream: events", _events_in_order, {}, {"stream": True}),
    MESSAGES.feature(
        "system",
        _longer_prompt,
        {"system": "Be brief."},
        {"system": "Be brief, and answer every question in one short sentence."},
    ),
    MESSAGES.feature(
        "system: blocks",
        _same_prompt,
        {"system": "Be brief."},
        {"system": [{"type": "text", "text": "Be brief."}]},
    ),
    MESSAGES.feature("content blocks: text", _same_prompt, {}, _BLOCKS),
    MESSAGES.refused("content blocks: image", _PICTURE, field="image|multimodal"),
    MESSAGES.feature("the assistant's turn is continued", _longer_prompt, {}, _PREFILLED),
    Feature(
        endpoint="messages",
        name="stop_sequences",
        calls=(MESSAGES.call(), _stop_at_it),
        check=works(_stops, "stop_sequences"),
        field="stop_sequences",
    ),
    MESSAGES.feature(
        "tool_choice: any",
        _uses("weather", "clock"),
        {"tool_choice": {"type": "any"}, **_TOOLS},
        needs="smollm2",
    ),
    MESSAGES.feature(
        "tool_choice: one by name",
        _uses("clock"),
        {"tool_choice": {"type": "tool", "name": "clock"}, **_TOOLS},
        needs="smollm2",
    ),
    MESSAGES.feature(
        "tool_choice: one by name, streamed",
        _streams_a_use,
        {"tool_choice": {"type": "tool", "name": "clock"}, "stream": True, **_TOOLS},
        needs="smollm2",
    ),
    MESSAGES.feature(
        "tool uses and results",
        _longer_prompt,
        {"model": "smollm2"},
        {"model": "smollm2", "messages": _RESULTS},
        field="messages",
        needs="smollm2",
    ),
    MESSAGES.feature(
        "metadata.user_id", accepts, {"metadata": {"user_id": "ann"}}, needs="scripted"
    ),
    MESSAGES.feature(
        "thinking: disabled", accepts, {"thinking": {"type": "disabled"}}, needs="scripted"
    ),
    MESSAGES.feature("top_k and top_p", accepts, {"top_k": 1, "top_p": 0.5}, needs="scripted"),
    COUNT.feature("count_tokens", _counts),
    COUNT.feature(
        "count_tokens with tools",
        _counts_more,
        {"model": "smollm2"},
        {"model": "smollm2", "tools": _TOOLS["tools"]},
        needs="smollm2",
    ),
)
