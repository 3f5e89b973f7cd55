"""Answers of a certain form: OpenAI's `response_format`, vLLM's `structured_outputs`, and tools."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .chat_features import CHAT
from .choices import streamed, whole
from .exchange import Reply
from .feature import Check, expect

_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z]{1,12}$"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
_JSON_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "person", "schema": _SCHEMA, "strict": True},
}
_TAG = {
    "type": "structural_tag",
    "format": {"type": "const_string", "value": "fixed"},
}
CITY = {"type": "string", "enum": ["Paris", "Bern"]}


def city_schema() -> dict[str, Any]:
    """The arguments of the tool that is offered."""
    properties = {"city": CITY}
    required = {"required": ["city"], "additionalProperties": False}
    return {"type": "object", "properties": properties, **required}


def _tool(name: str, **fields: Any) -> dict[str, Any]:
    function = {"name": name, "parameters": city_schema(), **fields}
    return {"type": "function", "function": function}


TOOLS = {
    "model": "smollm2",
    "tools": [_tool("weather", strict=True), _tool("clock", strict=True)],
    "messages": [{"role": "user", "content": "How is the weather in Bern?"}],
    "max_tokens": 120,
}


def matches(pattern: str) -> Check:
    """The text of the answer, streamed or not, has this form as a whole."""

    def check(replies: Sequence[Reply]) -> None:
        reply = replies[-1]
        [choice] = streamed(reply) if reply.events else whole(reply)
        expect(re.fullmatch(pattern, choice.text) is not None, f"says {choice.text[:20]!r}")

    return check


def _is_person(replies: Sequence[Reply]) -> None:
    [choice] = whole(replies[-1])
    expect(choice.finish_reason == "stop", f"ends by {choice.finish_reason}")
    try:
        person = json.loads(choice.text)
    except json.JSONDecodeError:
        person = {}
    expect(isinstance(person, dict) and sorted(person) == ["age", "name"], "not by the schema")


def _begins_an_object(replies: Sequence[Reply]) -> None:
    [choice] = whole(replies[-1])
    expect(choice.text.lstrip().startswith("{"), f"says {choice.text[:20]!r}")
    if choice.finish_reason == "stop":
        json.loads(choice.text)


def _is_free(replies: Sequence[Reply]) -> None:
    free, as_text = (whole(reply)[0].text for reply in replies)
    expect(free == as_text, "another answer")


def _calls(reply: Reply) -> list[tuple[str, Any]]:
    """Name and arguments of each call of the answer, streamed or not."""
    if not reply.events:
        calls = reply.body["choices"][0]["message"].get("tool_calls") or []
        return [(c["function"]["name"], _arguments(c["function"]["arguments"])) for c in calls]
    made: dict[int, list[str]] = {}
    for event in reply.events:
        for chunk in event["choices"]:
            for call in chunk["delta"].get("tool_calls") or []:
                parts = made.setdefault(call["index"], ["", ""])
                parts[0] += call["function"].get("name") or ""
                parts[1] += call["function"].get("arguments") or ""
    return [(name, _arguments(arguments)) for name, arguments in made.values()]


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def _finish_reason(reply: Reply) -> str | None:
    [choice] = streamed(reply) if reply.events else whole(reply)
    return choice.finish_reason


def calls_tool(*names: str, at_most: int = 120, finish_reason: str = "tool_calls") -> Check:
    """The answer is one or more calls of these tools, each with arguments by the schema."""

    def check(replies: Sequence[Reply]) -> None:
        calls = _calls(replies[-1])
        expect(0 < len(calls) <= at_most, f"{len(calls)} calls")
        for name, arguments in calls:
            expect(name in names, f"calls {name}")
            city = arguments.get("city") if isinstance(arguments, dict) else None
            expect(city in CITY["enum"], "arguments not by the schema")
        found = _finish_reason(replies[-1])
        expect(found == finish_reason, f"ends by {found}")

    return check


def _calls_or_says(replies: Sequence[Reply]) -> None:
    calls, [choice] = _calls(replies[-1]), whole(replies[-1])
    expect(bool(calls) or bool(choice.text), "neither text nor calls")
    expected = "tool_calls" if calls else choice.finish_reason
    expect(choice.finish_reason == expected, f"ends by {choice.finish_reason}")


def _only_says(replies: Sequence[Reply]) -> None:
    expect(_calls(replies[-1]) == [], "a call")
    expect(bool(whole(replies[-1])[0].text), "no text")


def _constrained(**constraint: Any) -> dict[str, Any]:
    return {"structured_outputs": constraint, "max_tokens": 60}


def _named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def _asked(**fields: Any) -> Mapping[str, Any]:
    return {**fields, **{name: value for name, value in TOOLS.items() if name not in fields}}


FORMS = (
    CHAT.feature("response_format: text", _is_free, {}, {"response_format": {"type": "text"}}),
    CHAT.feature(
        "response_format: json_object",
        _begins_an_object,
        {"response_format": {"type": "json_object"}, "max_tokens": 10},
    ),
    CHAT.feature(
        "response_format: json_schema, strict",
        _is_person,
        {"response_format": _JSON_SCHEMA, "max_tokens": 60},
    ),
    CHAT.feature("response_format: structural_tag", matches("fixed"), {"response_format": _TAG}),
    CHAT.feature("structured_outputs.json", _is_person, _constrained(json=_SCHEMA)),
    CHAT.feature(
        "structured_outputs.regex", matches("(ab|cd){2}"), _constrained(regex="(ab|cd){2}")
    ),
    CHAT.feature(
        "structured_outputs.choice", matches("yes|no"), _constrained(choice=["yes", "no"])
    ),
    CHAT.feature(
        "structured_outputs.choice, an adapter's answer",
        matches("yes|no"),
        {"model": "pydoc", **_constrained(choice=["yes", "no"])},
    ),
    CHAT.feature(
        "structured_outputs.choice, streamed",
        matches("yes|no"),
        {**_constrained(choice=["yes", "no"]), "stream": True},
    ),
    CHAT.feature(
        "structured_outputs.grammar",
        matches("a|bb"),
        _constrained(grammar='root ::= "a" | "bb"'),
    ),
    CHAT.refused(
        "structured_outputs: a regex that is none",
        _constrained(regex="("),
        field="regex",
        needs="demo",
    ),
    CHAT.refused(
        "structured_outputs: an unknown constraint",
        _constrained(regexp="a+"),
        field="structured.outputs",
    ),
    CHAT.refused("guided_json, of older vLLM", {"guided_json": _SCHEMA}),
)

TOOL_CALLS = (
    CHAT.feature(
        "tools: required",
        calls_tool("weather", "clock"),
        _asked(tool_choice="required"),
        needs="smollm2",
    ),
    CHAT.feature(
        "tools: required, streamed",
        calls_tool("weather", "clock"),
        _asked(tool_choice="required", stream=True),
        needs="smollm2",
    ),
    CHAT.feature(
        "tools: one by name",
        calls_tool("clock", finish_reason="stop"),
        _asked(tool_choice=_named("clock")),
        needs="smollm2",
    ),
    CHAT.feature(
        "tools: one by name, streamed",
        calls_tool("clock", finish_reason="stop"),
        _asked(tool_choice=_named("clock"), stream=True),
        needs="smollm2",
    ),
    CHAT.feature(
        "tools: required, strict left out",
        calls_tool("weather", "clock"),
        _asked(tool_choice="required", tools=[_tool("weather"), _tool("clock")]),
        needs="smollm2",
    ),
    CHAT.feature("tools: auto", _calls_or_says, _asked(tool_choice="auto"), needs="smollm2"),
    CHAT.feature("tools: none", _only_says, _asked(tool_choice="none"), needs="smollm2"),
    CHAT.feature(
        "parallel_tool_calls: false",
        calls_tool("weather", "clock", at_most=1),
        _asked(parallel_tool_calls=False, tool_choice="required"),
        needs="smollm2",
    ),
    CHAT.refused("tools: a name that is not offered", _asked(tool_choice=_named("train"))),
    CHAT.refused("tool_choice without tools", {"tool_choice": "required"}),
    CHAT.refused("functions, of older OpenAI", {"functions": [{"name": "weather"}]}),
)

FEATURES = (*FORMS, *TOOL_CALLS)
