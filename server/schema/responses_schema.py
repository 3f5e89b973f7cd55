"""`POST /v1/responses`: OpenAI's request body, and its translation into a chat request. Nothing is kept between requests.

What names a stored answer is refused; what only tunes OpenAI's own service (store, service_tier, prompt_cache_key, ...) is ignored.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .chat import MAX_MESSAGES, ChatCompletionRequest
from .generation_request import MAX_LOGPROBS
from .request_body import as_request
from .request_object import RequestPart
from .request_parts import Metadata, RefusedFields
from .tool_schema import ReasoningEffort
from .translation import (
    TranslatedRequest,
    add_tool_calls,
    chat_response_format,
    chat_tool_call,
    fields_named,
)

LOGPROBS_INCLUDE = "message.output_text.logprobs"
TEXT_PARTS = frozenset({"input_text", "output_text", "text"})
# Chat's fields, and what they are made of here.
FIELDS = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
}
OTHER_NAMES = {
    **FIELDS,
    "max_tokens": "max_output_tokens",
    "logprobs": "include and top_logprobs",
    "n": "one answer a request",
    "prompt_logprobs": "no log-probabilities of the prompt",
}
STATEFUL = (
    "previous_response_id",
    "previous_input_messages",
    "conversation",
    "background",
    "prompt",
)


class ContentPart(RequestPart):
    """A part of a message or of a function's output."""

    also_known: ClassVar[frozenset[str]] = frozenset({"annotations", "logprobs"})

    type: str
    text: str | None = None


class InputItem(RequestPart):
    """One item of `input`; which fields it needs depends on its type."""

    also_known: ClassVar[frozenset[str]] = frozenset(
        {"encrypted_content", "id", "namespace", "phase", "summary"}
    )

    type: str | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[ContentPart] | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[ContentPart] | None = None


class TextOptions(RequestPart):
    """`text`: the form of the answer; its verbosity is ignored."""

    also_known: ClassVar[frozenset[str]] = frozenset({"verbosity"})

    format: dict[str, Any] | None = None


class ReasoningOptions(RequestPart):
    """`reasoning`: how much a model that reasons is to think; a summary is never made."""

    also_known: ClassVar[frozenset[str]] = frozenset({"generate_summary", "summary"})

    effort: ReasoningEffort | None = None


class ResponsesRequest(RefusedFields, TranslatedRequest):
    """`POST /v1/responses`."""

    continues: ClassVar[type[RequestPart] | None] = ChatCompletionRequest
    refused: ClassVar[Mapping[str, tuple[Any, ...]]] = {"enable_response_messages": (None, False)}
    also_known: ClassVar[frozenset[str]] = frozenset(
        {*STATEFUL, *refused, "max_tool_calls", "truncation"}
    )

    input: str | list[InputItem] = Field(min_length=1)
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    stream: bool | None = False
    metadata: Metadata | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    include: list[str] | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=MAX_LOGPROBS)
    user: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _keeps_nothing(cls, data: Any) -> Any:
        for name in STATEFUL:
            if isinstance(data, dict) and data.get(name) not in (None, False):
                raise InvalidRequest(
                    f"{name}: this server keeps no answers; send the whole conversation as input",
                    param=name,
                )
        return data

    def as_chat(self) -> ChatCompletionRequest:
        """The same as a chat request.

        Raises:
            InvalidRequest: a value is wrong, or something is asked for that this server has not; `param` names our own field.
        """
        chat: dict[str, Any] = {
            **self.extensions(OTHER_NAMES),
            "model": self.model,
            "stream": self.stream,
            "messages": _chat_messages(self),
            "max_completion_tokens": self.max_output_tokens,
        }
        if _ends_unfinished(self.input):
            chat.setdefault("continue_final_message", True)
        if self.text is not None and self.text.format is not None:
            chat["response_format"] = chat_response_format(self.text.format)
        if self.reasoning is not None and self.reasoning.effort is not None:
            chat["reasoning_effort"] = self.reasoning.effort
        if self.tools:
            chat["tools"] = [_chat_tool(i, tool) for i, tool in enumerate(self.tools)]
            chat["parallel_tool_calls"] = self.parallel_tool_calls is not False
        if self.tool_choice is not None:
            chat["tool_choice"] = _chat_tool_choice(self.tool_choice)
        if self.top_logprobs or LOGPROBS_INCLUDE in (self.include or ()):
            chat |= {"logprobs": True, "top_logprobs": self.top_logprobs or 0}
        with fields_named(FIELDS):
            return as_request(chat, ChatCompletionRequest)


def _chat_messages(request: ResponsesRequest) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if request.instructions is not None:
        messages.append({"role": "system", "content": request.instructions})
    if isinstance(request.input, str):
        return [*messages, {"role": "user", "content": request.input}]
    if len(request.input) > MAX_MESSAGES:
        raise InvalidRequest(
            f"input: at most {MAX_MESSAGES} items are accepted, found {len(request.input)}",
            param="input",
        )
    for index, item in enumerate(request.input):
        _add_item(messages, item, f"input[{index}]")
    return messages


def _add_item(messages: list[dict[str, Any]], item: InputItem, place: str) -> None:
    kind = item.type or "message"
    if kind == "message":
        role = _needed(item.role, f"{place}.role")
        content = _chat_content(item.content, f"{place}.content")
        # Chat templates know the older name.
        messages.append({"role": "system" if role == "developer" else role, "content": content})
    elif kind == "function_call":
        call_id = _needed(item.call_id, f"{place}.call_id")
        name = _needed(item.name, f"{place}.name")
        add_tool_calls(messages, [chat_tool_call(call_id, name, item.arguments or "{}")])
    elif kind == "function_call_output":
        call_id = _needed(item.call_id, f"{place}.call_id")
        content = _chat_content(item.output, f"{place}.output")
        messages.append({"role": "tool", "tool_call_id": call_id, "content": content})
    elif kind != "reasoning":  # what a model thought before is no part of what it said
        raise InvalidRequest(
            f"{place}.type: items of type {kind!r:.100} are not served; send messages, function calls and their outputs",
            param=f"{place}.type",
        )


def _needed(value: str | None, place: str) -> str:
    if value is None:
        raise InvalidRequest(f"{place}: this field is required", param=place)
    return value


def _chat_content(
    content: str | list[ContentPart] | None, place: str
) -> str | list[dict[str, Any]]:
    if not isinstance(content, list):
        return _needed(content, place)
    parts = []
    for index, part in enumerate(content):
        if part.type not in TEXT_PARTS or part.text is None:
            raise InvalidRequest(
                f"{place}[{index}].type: parts of type {part.type!r:.100} are not served; send text",
                param=f"{place}[{index}].type",
            )
        parts.append({"type": "text", "text": part.text})
    return parts


def _ends_unfinished(given: str | list[InputItem]) -> bool:
    """Whether `input` ends with an answer of ours that was cut off, which vLLM continues."""
    if isinstance(given, str):
        return False
    last = given[-1]
    return last.role == "assistant" and last.status in ("in_progress", "incomplete")


def _chat_tool(index: int, tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function":
        raise InvalidRequest(
            f"tools[{index}].type: tools of type {tool.get('type')!r:.100} are not served; send functions",
            param=f"tools[{index}].type",
        )
    names = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {name: tool[name] for name in names if name in tool}}


def _chat_tool_choice(choice: str | dict[str, Any]) -> str | dict[str, Any]:
    if isinstance(choice, str):
        return choice
    if choice.get("type") != "function":
        raise InvalidRequest(
            f"tool_choice.type: {choice.get('type')!r:.100} is not served; send auto, none, required or a function",
            param="tool_choice.type",
        )
    return {"type": "function", "function": {"name": choice.get("name")}}
