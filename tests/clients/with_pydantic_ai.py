"""Pydantic AI: an agent over chat completions and over responses."""

import asyncio
from typing import Any

from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from .calls import API_KEY, BASE_URL, MAX_TOKENS, MODEL, QUESTION, City, make, refused, weather

PROVIDER = OpenAIProvider(base_url=BASE_URL, api_key=API_KEY)
CHAT = OpenAIChatModel(MODEL, provider=PROVIDER)
RESPONSES = OpenAIResponsesModel(MODEL, provider=PROVIDER)
SETTINGS: Any = {"temperature": 0, "max_tokens": MAX_TOKENS}


def run() -> None:
    for model in (CHAT, RESPONSES):
        answer = Agent(model, model_settings=SETTINGS).run_sync(QUESTION)
        assert answer.output
        assert answer.usage.output_tokens > 0


def run_stream() -> None:
    async def ask(model: Any) -> str:
        async with Agent(model, model_settings=SETTINGS).run_stream(QUESTION) as answer:
            return "".join([text async for text in answer.stream_text(delta=True)])

    for model in (CHAT, RESPONSES):
        whole = Agent(model, model_settings=SETTINGS).run_sync(QUESTION)
        assert asyncio.run(ask(model)) == whole.output


def structured_output() -> None:
    for model in (CHAT, RESPONSES):
        for output in (ToolOutput(City), NativeOutput(City)):
            agent = Agent(model, output_type=output, model_settings=SETTINGS, retries=0)
            assert isinstance(agent.run_sync(QUESTION).output, City)


def structured_output_streamed() -> None:
    async def ask() -> Any:
        agent = Agent(CHAT, output_type=NativeOutput(City), model_settings=SETTINGS, retries=0)
        async with agent.run_stream(QUESTION) as answer:
            return await answer.get_output()

    assert isinstance(asyncio.run(ask()), City)


def tools() -> None:
    # The agent calls the tool, or answers with the schema: both are tools to the model, and one is demanded.
    agent = Agent(CHAT, output_type=ToolOutput(City), tools=[weather], model_settings=SETTINGS)
    with agent.parallel_tool_call_execution_mode("sequential"):
        assert isinstance(agent.run_sync(QUESTION).output, City)


def errors() -> None:
    missing = OpenAIChatModel("gpt-9", provider=PROVIDER)
    refused(lambda: Agent(missing).run_sync(QUESTION), ModelHTTPError)


if __name__ == "__main__":
    make(
        "pydantic-ai-slim",
        [run, run_stream, structured_output, structured_output_streamed, tools, errors],
    )
