"""LangChain's ChatOpenAI, over chat completions and over responses."""

from functools import partial
from typing import Any

import openai
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI

from .calls import API_KEY, BASE_URL, MAX_TOKENS, MODEL, QUESTION, City, make, refused, weather

SERVER: dict[str, Any] = {"base_url": BASE_URL, "api_key": API_KEY, "max_retries": 0}
Chat = partial(ChatOpenAI, model=MODEL, temperature=0, max_tokens=MAX_TOKENS, **SERVER)


def invoke() -> None:
    for chat in (Chat(), Chat(use_responses_api=True)):
        reply = chat.invoke(QUESTION)
        assert reply.text
        assert reply.usage_metadata["output_tokens"] > 0


def stream() -> None:
    for chat in (Chat(stream_usage=True), Chat(use_responses_api=True)):
        whole = AIMessageChunk(content="")
        for chunk in chat.stream(QUESTION):
            whole += chunk
        assert whole.text == chat.invoke(QUESTION).text
        assert whole.usage_metadata["output_tokens"] > 0


def batch() -> None:
    assert all(reply.text for reply in Chat().batch([QUESTION, "Say hello."]))


def bind_tools() -> None:
    bound = Chat().bind_tools([tool(weather)], tool_choice="required")
    called = bound.invoke(QUESTION)
    [call, *_] = called.tool_calls
    assert call["name"] == "weather"
    assert call["args"]["city"] in {"Paris", "Lyon"}
    streamed = AIMessageChunk(content="")
    for chunk in bound.stream(QUESTION):
        streamed += chunk
    assert streamed.tool_calls[0]["args"] == call["args"]


def tool_results() -> None:
    bound = Chat().bind_tools([tool(weather)], tool_choice="required")
    called = bound.invoke(QUESTION)
    results = [
        ToolMessage(tool(weather).invoke(call["args"]), tool_call_id=call["id"])
        for call in called.tool_calls
    ]
    assert Chat().invoke([HumanMessage(QUESTION), called, *results]).text


def with_structured_output() -> None:
    for method in ("json_schema", "function_calling"):
        model = Chat().with_structured_output(City, method=method)
        assert isinstance(model.invoke(QUESTION), City)
        [*_, last] = model.stream(QUESTION)
        assert isinstance(last, City)


def with_json_mode() -> None:
    # JSON mode goes on for as long as the model does: this one has to be told what to say.
    asked = 'Answer with exactly this JSON object and nothing else: {"city": "Paris"}'
    model = Chat().with_structured_output(method="json_mode")
    assert isinstance(model.invoke(asked), dict)


def completions() -> None:
    model = OpenAI(model=MODEL, temperature=0, max_tokens=8, **SERVER)
    assert "".join(model.stream("Paris is")) == model.invoke("Paris is")
    assert len(model.generate(["Paris is", "Lyon is"]).generations) == 2


def errors() -> None:
    refused(lambda: Chat(model="gpt-9").invoke(QUESTION), openai.NotFoundError)
    refused(lambda: Chat(temperature=-1).invoke(QUESTION), openai.BadRequestError)
    refused(lambda: Chat(api_key="sk-wrong").invoke(QUESTION), openai.AuthenticationError)


if __name__ == "__main__":
    make(
        "langchain-openai",
        [
            invoke,
            stream,
            batch,
            bind_tools,
            tool_results,
            with_structured_output,
            with_json_mode,
            completions,
            errors,
        ],
    )
