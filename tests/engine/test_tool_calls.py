"""Demanded tool calls on the real engine, whole and streamed, by the openai client: the demo's model behind hermes' parser.

It was never trained for tools: what holds its calls to the tools' schemas is the engine.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from .conftest import Process, start

TEMPLATE = (
    "{{ bos_token }}{% for tool in tools or [] %}Tool: {{ tool | tojson }}\n{% endfor %}"
    "{% for m in messages %}{{ m.role }}: {{ m.content or '' }}{% for call in m.tool_calls or [] %}<tool_call>\n"
    "{{ call.function | tojson }}\n</tool_call>{% endfor %}{{ '\\n' }}{% endfor %}assistant: "
)
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


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    path: Path = tmp_path_factory.mktemp("tools")
    (path / "tools.jinja").write_text(TEMPLATE)
    flags = ["--chat-template", str(path / "tools.jinja"), "--tool-call-parser", "hermes"]
    process: Process = start(path / "log", *flags, "--enable-auto-tool-choice")
    with openai.OpenAI(base_url=f"{process.url}/v1", api_key="none", timeout=120) as made:
        yield made
    process.popen.terminate()
    process.popen.wait(60)


def ask(client: openai.OpenAI, **fields: Any) -> tuple[list[tuple[str, Any]], str]:
    """Calls and finish reason; the stream must say the same as the whole answer."""
    body = {"model": "demo", "messages": MESSAGES, "tools": TOOLS, "temperature": 0, **fields}
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
    call = {"name": "weather", "arguments": '{"city": "Bern"}'}
    history = [
        *MESSAGES,
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": call}]},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
    ]
    [choice] = client.chat.completions.create(
        model="demo", messages=history, tools=TOOLS, max_tokens=8, temperature=0
    ).choices
    assert choice.message.content or choice.message.tool_calls
