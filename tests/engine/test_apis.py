"""The Responses and Messages APIs on real weights: the same answer as chat gives, by the SDKs of their makers."""

from typing import Any

import anthropic
import openai

from tests.engine.conftest import Process

QUESTION = "What does os.path.join do?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]


def chat_answer(process: Process) -> str:
    with openai.OpenAI(base_url=f"{process.url}/v1", api_key="none", max_retries=0) as api:
        reply = api.chat.completions.create(model="pydoc", messages=MESSAGES)
    return reply.choices[0].message.content or ""


def test_responses_say_what_chat_says(process: Process) -> None:
    with openai.OpenAI(base_url=f"{process.url}/v1", api_key="none", max_retries=0) as api:
        whole = api.responses.create(model="pydoc", input=QUESTION)
        with api.responses.stream(model="pydoc", input=QUESTION) as stream:
            streamed = stream.until_done().get_final_response()
    assert whole.output_text == streamed.output_text == chat_answer(process)
    assert whole.usage == streamed.usage
    assert whole.status == "completed"
    assert whole.model_extra is not None
    assert whole.model_extra["stop_detail"]["kind"] == "calibrated"


def test_messages_say_what_chat_says(process: Process) -> None:
    asked: Any = {"model": "pydoc", "messages": MESSAGES}
    with anthropic.Anthropic(base_url=process.url, api_key="none", max_retries=0) as api:
        whole = api.messages.create(max_tokens=256, **asked)
        with api.messages.stream(max_tokens=256, **asked) as stream:
            streamed = stream.get_final_text()
        counted = api.messages.count_tokens(**asked)
    [block] = whole.content
    assert block.type == "text"
    assert block.text == streamed == chat_answer(process)
    assert whole.stop_reason == "end_turn"
    assert counted.input_tokens == whole.usage.input_tokens
