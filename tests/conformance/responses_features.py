"""The Responses API: input, the response object, the events of a stream, functions, and what needs stored answers."""

import json
from collections.abc import Sequence
from typing import Any

from .chat_features import MAX_TOKENS, QUESTION
from .exchange import Call, Reply
from .feature import Check, Endpoint, Feature, accepts, expect, refuses
from .output_features import CITY, TOOLS, city_schema

RESPONSES = Endpoint(
    name="responses",
    path="/v1/responses",
    defaults={
        "model": "demo",
        "input": QUESTION,
        "temperature": 0,
        "max_output_tokens": MAX_TOKENS,
    },
)
# Each event of a text answer, without repeats; OpenAI's order.
_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
_FORMAT = {
    "type": "json_schema",
    "name": "answer",
    "schema": {"type": "object", "properties": {"city": CITY}, "required": ["city"]},
    "strict": True,
}
_FUNCTIONS = {
    **{name: value for name, value in TOOLS.items() if name == "model"},
    "input": "How is the weather in Bern?",
    "max_output_tokens": 120,
    "tools": [
        {"type": "function", "name": name, "parameters": city_schema(), "strict": True}
        for name in ("weather", "clock")
    ],
}


def _text(body: Any) -> str:
    [message] = [item for item in body["output"] if item["type"] == "message"]
    text: str = message["content"][0]["text"]
    return text


def _is_a_response(replies: Sequence[Reply]) -> None:
    body = replies[0].body
    expect(body["object"] == "response", f"object is {body['object']}")
    expect(bool(_text(body)), "no text")
    usage = body["usage"]
    total = usage["input_tokens"] + usage["output_tokens"]
    expect(usage["total_tokens"] == total, "the usage does not add up")


def _is_incomplete(replies: Sequence[Reply]) -> None:
    body = replies[0].body
    expect(body["status"] == "incomplete", f"status is {body['status']}")
    expect(body["incomplete_details"] == {"reason": "max_output_tokens"}, "no reason")


def _events_in_order(replies: Sequence[Reply]) -> None:
    whole, stream = replies
    events = stream.events
    kinds = list(dict.fromkeys(event["type"] for event in events))
    missing = [kind for kind in _EVENTS if kind not in kinds]
    expect(not missing, f"no {', '.join(missing)}")
    expect([kind for kind in kinds if kind in _EVENTS] == _EVENTS, "the events are out of order")
    numbers = [event["sequence_number"] for event in events]
    expect(numbers == list(range(len(events))), "the events are not numbered")
    deltas = [e["delta"] for e in events if e["type"] == "response.output_text.delta"]
    expect("".join(deltas) == _text(whole.body), "another text than without a stream")


def _last_event_tells(replies: Sequence[Reply]) -> None:
    last = replies[0].events[-1]
    expect(last["type"] == "response.incomplete", f"ends with {last['type']}")


def _says_more(replies: Sequence[Reply]) -> None:
    short, long = (reply.body["usage"]["input_tokens"] for reply in replies)
    expect(long > short, "it is not in the prompt")


def _same_prompt(replies: Sequence[Reply]) -> None:
    counted = {reply.body["usage"]["input_tokens"] for reply in replies}
    expect(len(counted) == 1, "another prompt")


def _by_schema(replies: Sequence[Reply]) -> None:
    expect(json.loads(_text(replies[0].body))["city"] in CITY["enum"], "not by the schema")


def _calls(*names: str) -> Check:
    def check(replies: Sequence[Reply]) -> None:
        body = replies[-1].body
        if replies[-1].events:
            body = replies[-1].events[-1]["response"]
        calls = [item for item in body["output"] if item["type"] == "function_call"]
        expect(bool(calls), "no call")
        for call in calls:
            expect(call["name"] in names, f"calls {call['name']}")
            expect(json.loads(call["arguments"])["city"] in CITY["enum"], "not by the schema")

    return check


def _lists_logprobs(replies: Sequence[Reply]) -> None:
    [message] = [item for item in replies[0].body["output"] if item["type"] == "message"]
    listed = message["content"][0].get("logprobs")
    expect(bool(listed), "none")
    expect(len(listed[0]["top_logprobs"]) == 2, f"{len(listed[0]['top_logprobs'])} top_logprobs")


def _is_echoed(replies: Sequence[Reply]) -> None:
    expect(replies[0].body.get("metadata") == {"team": "docs"}, "not in the response")


def _is_not_kept(replies: Sequence[Reply]) -> str:
    kept = replies[-1]
    return "ignored" if kept.status == 404 else f"kept, HTTP {kept.status}"


def _fetch(replies: Sequence[Reply]) -> Call:
    made = (replies[0].body or {}).get("id", "none")
    return Call(method="GET", path=f"/v1/responses/{made}")


_TURNS = [
    {"role": "user", "content": "Hi."},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hello."}],
    },
    {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
]
_RESULTS = [
    {"role": "user", "content": QUESTION},
    {"type": "function_call", "call_id": "1", "name": "weather", "arguments": '{"city": "Bern"}'},
    {"type": "function_call_output", "call_id": "1", "output": "sunny"},
]
_PICTURE = [{"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}]
_STORED = "previous_response_id"

FEATURES = (
    RESPONSES.feature("an answer", _is_a_response),
    RESPONSES.feature("an adapter's answer", _is_a_response, {"model": "pydoc"}),
    RESPONSES.feature("max_output_tokens: incomplete", _is_incomplete, {"max_output_tokens": 3}),
    RESPONSES.feature("stream: events", _events_in_order, {}, {"stream": True}),
    RESPONSES.feature("stream: an incomplete answer", _last_event_tells, {"stream": True}),
    RESPONSES.feature("input: a list", _says_more, {}, {"input": _TURNS}),
    RESPONSES.feature(
        "input: calls and outputs",
        _says_more,
        {"model": "smollm2"},
        {"model": "smollm2", "input": _RESULTS},
        field="input",
        needs="smollm2",
    ),
    RESPONSES.refused(
        "input: an image",
        {"input": [{"role": "user", "content": _PICTURE}]},
        field="image|multimodal",
    ),
    RESPONSES.feature(
        "instructions are a system message",
        _same_prompt,
        {"instructions": "Be brief."},
        {
            "input": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": QUESTION},
            ]
        },
        field="instructions",
    ),
    RESPONSES.feature(
        "text.format: json_schema",
        _by_schema,
        {"text": {"format": _FORMAT}, "max_output_tokens": 30},
    ),
    RESPONSES.feature(
        "include logprobs",
        _lists_logprobs,
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    ),
    RESPONSES.feature(
        "tools: required",
        _calls("weather", "clock"),
        {"tool_choice": "required", **_FUNCTIONS},
        needs="smollm2",
    ),
    RESPONSES.feature(
        "tools: one by name",
        _calls("clock"),
        {"tool_choice": {"type": "function", "name": "clock"}, **_FUNCTIONS},
        needs="smollm2",
    ),
    RESPONSES.feature(
        "tools: required, streamed",
        _calls("weather", "clock"),
        {"tool_choice": "required", "stream": True, **_FUNCTIONS},
        needs="smollm2",
    ),
    RESPONSES.feature("metadata", _is_echoed, {"metadata": {"team": "docs"}}),
    RESPONSES.feature("user", accepts, {"user": "ann"}, needs="scripted"),
    Feature(
        endpoint="responses",
        name="store",
        calls=(RESPONSES.call(store=True), _fetch),
        check=_is_not_kept,
        field="store",
    ),
    RESPONSES.refused(_STORED, {_STORED: "resp_1"}, field=f"{_STORED}|resp_1"),
    RESPONSES.refused("background", {"background": True}),
    Feature(
        endpoint="responses",
        name="GET of a stored response",
        calls=(Call(method="GET", path="/v1/responses/resp_1"),),
        check=refuses("resp_1"),
        field="resp_1",
        needs="scripted",
    ),
)
