"""Demanded tool calls on the real engine, whole and streamed, by the openai client: SmolLM2-Instruct behind hermes' parser.

It was never trained for tools: what holds its calls to the tools' schemas is the engine.
"""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from .conftest import API_KEY, Process
from .smollm2 import NAME

NAMES = {"type": "string", "enum": ["Paris", "Bern"]}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {key: NAMES},
                "required": [key],
                "additionalProperties": False,
            },
        },
    }
    for name, key in (("weather", "city"), ("clock", "zone"))
]
MESSAGES: list[Any] = [{"role": "user", "content": "How is the weather in Bern?"}]


@pytest.fixture
def client(smollm2: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{smollm2.url}/v1", api_key=API_KEY, timeout=120) as made:
        yield made


def ask(client: openai.OpenAI, **fields: Any) -> tuple[list[tuple[str, Any]], str]:
    """Calls and finish reason; the stream must say the same as the whole answer."""
    body = {"model": NAME, "messages": MESSAGES, "tools": TOOLS, "temperature": 0, **fields}
    body |= {"max_tokens": 200}
    [choice] = client.chat.completions.create(**body).choices
    calls = [(c.function.name, c.function.arguments) for c in choice.message.tool_calls or []]
    with client.chat.completions.stream(**body) as stream:
        last = stream.get_final_completion().choices[0]
    streamed = [(c.function.name, c.function.arguments) for c in last.message.tool_calls or []]
    parsed = [(name, json.loads(arguments)) for name, arguments in calls]
    assert [(name, json.loads(arguments)) for name, arguments in streamed] == parsed
    assert last.finish_reason == choice.finish_reason
    return parsed, choice.finish_reason


def test_required_calls_fit_the_tools(client: openai.OpenAI) -> None:
    calls, reason = ask(client, tool_choice="required", parallel_tool_calls=False)
    [(name, arguments)] = calls
    [key] = arguments
    assert (name, key) in {("weather", "city"), ("clock", "zone")}
    assert arguments[key] in NAMES["enum"]
    assert reason == "tool_calls"


def test_a_tool_that_is_named_is_called(client: openai.OpenAI) -> None:
    named = {"type": "function", "function": {"name": "clock"}}
    [(name, arguments)], reason = ask(client, tool_choice=named)
    assert name == "clock"
    assert arguments["zone"] in NAMES["enum"]
    assert reason == "stop"


def test_a_result_goes_back_to_the_model_and_auto_may_answer_in_text(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": NAME, "tools": TOOLS, "max_tokens": 64, "temperature": 0}
    called = client.chat.completions.create(messages=MESSAGES, tool_choice="required", **asked)
    message = called.choices[0].message
    [call, *_] = message.tool_calls or []
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    # As the documentation does it: the SDK's own message is sent back.
    history: list[Any] = [*MESSAGES, message, result]
    [choice] = client.chat.completions.create(messages=history, **asked).choices
    assert choice.message.content or choice.message.tool_calls
