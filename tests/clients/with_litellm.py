"""LiteLLM, by its provider for OpenAI-compatible servers and by the one for vLLM."""

import asyncio
import json
import os
from typing import Any

# Otherwise the first import asks for the prices of models.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from .calls import API_KEY, BASE_URL, MAX_TOKENS, MESSAGES, MODEL, WEATHER, City, make, refused

SERVER: dict[str, Any] = {"api_base": BASE_URL, "api_key": API_KEY}
ASKED: dict[str, Any] = {"model": f"openai/{MODEL}", "messages": MESSAGES, "temperature": 0}
ASKED |= {"max_tokens": MAX_TOKENS, **SERVER}


def completion() -> None:
    for provider in ("openai", "hosted_vllm"):
        whole = litellm.completion(**{**ASKED, "model": f"{provider}/{MODEL}"})
        assert whole.choices[0].message.content
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage.completion_tokens > 0


def completion_streamed() -> None:
    chunks = list(litellm.completion(stream=True, **ASKED))
    whole = litellm.completion(**ASKED)
    built = litellm.stream_chunk_builder(chunks, messages=MESSAGES)
    assert built.choices[0].message.content == whole.choices[0].message.content
    assert built.choices[0].finish_reason == "stop"


def acompletion_streamed() -> None:
    async def ask() -> str:
        stream = await litellm.acompletion(stream=True, **ASKED)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(ask())


def tools() -> None:
    for stream in (False, True):
        reply = litellm.completion(tools=[WEATHER], tool_choice="required", stream=stream, **ASKED)
        if stream:
            reply = litellm.stream_chunk_builder(list(reply), messages=MESSAGES)
        call, *_ = reply.choices[0].message.tool_calls
        assert call.function.name == "weather"
        assert json.loads(call.function.arguments)["city"] in {"Paris", "Lyon"}
        assert reply.choices[0].finish_reason == "tool_calls"


def structured_output() -> None:
    for stream in (False, True):
        reply = litellm.completion(response_format=City, stream=stream, **ASKED)
        if stream:
            reply = litellm.stream_chunk_builder(list(reply), messages=MESSAGES)
        City.model_validate_json(reply.choices[0].message.content)


def text_completion() -> None:
    asked = {"model": f"text-completion-openai/{MODEL}", "prompt": "Paris is", "max_tokens": 8}
    whole = litellm.text_completion(temperature=0, **asked, **SERVER)
    chunks = litellm.text_completion(temperature=0, stream=True, **asked, **SERVER)
    assert "".join(chunk.choices[0].text or "" for chunk in chunks) == whole.choices[0].text


def responses() -> None:
    asked: dict[str, Any] = {"model": f"openai/{MODEL}", "input": MESSAGES, **SERVER}
    whole = litellm.responses(max_output_tokens=MAX_TOKENS, temperature=0, **asked)
    assert whole.output[0].content[0].text
    events = list(
        litellm.responses(max_output_tokens=MAX_TOKENS, temperature=0, stream=True, **asked)
    )
    assert events[-1].type == "response.completed"


def messages() -> None:
    """Anthropic's Messages, with LiteLLM in between."""
    asked: dict[str, Any] = {"model": f"anthropic/{MODEL}", "messages": MESSAGES}
    server = {"api_base": BASE_URL.removesuffix("/v1"), "api_key": API_KEY}
    reply = litellm.completion(max_tokens=MAX_TOKENS, **asked, **server)
    assert reply.choices[0].message.content


def errors() -> None:
    def ask(**changed: Any) -> None:
        litellm.completion(**{**ASKED, **changed})

    refused(lambda: ask(temperature=-1), litellm.BadRequestError)
    refused(lambda: ask(model="openai/gpt-9"), litellm.NotFoundError)
    refused(lambda: ask(api_key="sk-wrong"), litellm.AuthenticationError)


if __name__ == "__main__":
    make(
        "litellm",
        [
            completion,
            completion_streamed,
            acompletion_streamed,
            tools,
            structured_output,
            text_completion,
            responses,
            messages,
            errors,
        ],
    )
