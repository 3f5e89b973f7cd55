"""The SDKs of OpenAI and Anthropic as their documentation shows them, with the base URL and the key swapped, on SmolLM2-Instruct.

Its wording is not judged, only what the SDKs make of it. Tools in chat: test_tool_calls. More clients: tests/clients.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import openai
import pytest
from pydantic import BaseModel, ConfigDict

from .conftest import API_KEY, Process
from .smollm2 import NAME

MESSAGES: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris", "Lyon"]}},
    "required": ["city"],
    "additionalProperties": False,
}
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 64}


class City(BaseModel):
    """What answers are to be."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["Paris", "Lyon"]
    country: Literal["France", "Italy"]


@pytest.fixture
def api(smollm2: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{smollm2.url}/v1", api_key=API_KEY, max_retries=0) as made:
        yield made


@pytest.fixture
def claude(smollm2: Process) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=smollm2.url, api_key=API_KEY, max_retries=0) as made:
        yield made


def test_chat(api: openai.OpenAI) -> None:
    asked: Any = {"model": NAME, "messages": MESSAGES, **GREEDY}
    whole = api.chat.completions.create(**asked)
    options: Any = {"include_usage": True}
    chunks = list(api.chat.completions.create(**asked, stream=True, stream_options=options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "stop"
    assert whole.object == "chat.completion"
    assert whole.model == NAME
    assert whole._request_id
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage == whole.usage


def test_the_asynchronous_client(smollm2: Process) -> None:
    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=f"{smollm2.url}/v1", api_key=API_KEY) as api:
            asked = api.chat.completions.create
            replies = [asked(model=NAME, messages=MESSAGES, **GREEDY) for _ in range(2)]
            answers = [reply.choices[0].finish_reason for reply in await asyncio.gather(*replies)]
            stream = await asked(model=NAME, messages=MESSAGES, stream=True, **GREEDY)
            return [*answers, [c.choices[0].finish_reason async for c in stream][-1]]

    assert asyncio.run(ask()) == ["stop"] * 3


def test_structured_output_is_parsed(api: openai.OpenAI) -> None:
    asked: Any = {"model": NAME, "messages": MESSAGES, "response_format": City, **GREEDY}
    whole = api.chat.completions.parse(**asked).choices[0]
    with api.chat.completions.stream(**asked) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert isinstance(whole.message.parsed, City)
    assert streamed.message.parsed == whole.message.parsed
    assert whole.finish_reason == streamed.finish_reason == "stop"


def test_responses(api: openai.OpenAI) -> None:
    asked: Any = {"model": NAME, "input": MESSAGES, "temperature": 0, "max_output_tokens": 64}
    parsed = api.responses.parse(text_format=City, **asked)
    assert isinstance(parsed.output_parsed, City)
    tool: Any = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": True}
    called = api.responses.create(tools=[tool], tool_choice="required", **asked)
    call = called.output[0]
    assert call.type == "function_call"
    assert json.loads(call.arguments)["city"] in {"Paris", "Lyon"}
    events = list(api.responses.create(stream=True, **asked))
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == api.responses.create(**asked).output_text


def test_completions(api: openai.OpenAI) -> None:
    asked: Any = {"model": NAME, "prompt": "The capital of France is", "logprobs": 2}
    asked |= {"temperature": 0, "max_tokens": 8}
    whole = api.completions.create(**asked).choices[0]
    chunks = list(api.completions.create(stream=True, **asked))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.text
    assert whole.finish_reason == "length"
    assert whole.logprobs is not None
    assert "".join(whole.logprobs.tokens or []) == whole.text


def test_models(api: openai.OpenAI) -> None:
    [listed] = api.models.list()
    assert listed == api.models.retrieve(NAME)
    assert (listed.id, listed.object) == (NAME, "model")


@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks_own(smollm2: Process, api: openai.OpenAI, stream: bool) -> None:
    asked: Any = {"model": NAME, "messages": MESSAGES, "stream": stream, **GREEDY}
    with pytest.raises(openai.BadRequestError) as wrong:
        api.chat.completions.create(**{**asked, "temperature": -1})
    assert wrong.value.param == "temperature"
    assert wrong.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError) as missing:
        api.chat.completions.create(**{**asked, "model": "gpt-9"})
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        api.with_options(api_key="sk-wrong").chat.completions.create(**asked)
    with pytest.raises(openai.NotFoundError):
        api.embeddings.create(model=NAME, input="text")


def test_messages(claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": NAME, "messages": MESSAGES, "max_tokens": 64}
    tool: Any = {"name": "weather", "input_schema": PARAMETERS}
    any_tool = {"type": "any", "disable_parallel_tool_use": True}
    tools: Any = {"tools": [tool], "tool_choice": any_tool}
    called = claude.messages.create(**asked, **tools)
    [block] = called.content
    assert block.type == "tool_use"
    assert block.input["city"] in {"Paris", "Lyon"}
    assert called.stop_reason == "tool_use"
    with claude.messages.stream(**asked, **tools) as stream:
        [streamed] = stream.get_final_message().content
    assert streamed.type == "tool_use"
    assert streamed.input["city"] in {"Paris", "Lyon"}
    counted = claude.messages.count_tokens(model=NAME, messages=MESSAGES, tools=[tool])
    # What the engine's prefix cache had is told apart, as Anthropic's own.
    cached = called.usage.cache_read_input_tokens or 0
    assert counted.input_tokens == called.usage.input_tokens + cached


def test_messages_are_parsed(claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": NAME, "messages": MESSAGES, "max_tokens": 64, "output_format": City}
    whole = claude.messages.parse(**asked)
    assert isinstance(whole.parsed_output, City)
    assert whole.stop_reason == "end_turn"
    assert whole._request_id
    with claude.messages.stream(**asked) as stream:
        assert isinstance(stream.get_final_message().parsed_output, City)


def test_errors_of_messages_are_the_sdks_own(claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": NAME, "messages": MESSAGES, "max_tokens": 8}
    with pytest.raises(anthropic.BadRequestError) as wrong:
        claude.messages.create(**asked, extra_body={"temperature": -1})
    assert wrong.value.type == "invalid_request_error"
    assert wrong.value.request_id
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(**{**asked, "model": "claude-9"})
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="sk-wrong").messages.create(**asked)
