"""`POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's request bodies, and their translation into a chat request."""

from typing import Any, ClassVar, Literal

import orjson
from pydantic import Field

from ..errors import InvalidRequest
from .chat import MAX_MESSAGES, ChatCompletionRequest
from .request_body import as_request
from .request_object import RequestPart
from .tool_schema import ReasoningEffort
from .translation import (
    TranslatedRequest,
    add_tool_calls,
    chat_response_format,
    chat_tool_call,
    fields_named,
)

# Chat's fields, and what they are made of here.
FIELDS = {
    "messages": "messages",
    "stop": "stop_sequences",
    "response_format": "output_config.format",
    "reasoning_effort": "output_config.effort",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
}
OTHER_NAMES = {
    **{name: here for name, here in FIELDS.items() if name != here},
    "max_completion_tokens": "max_tokens",
    "n": "one answer a request",
    "logprobs": "no log-probabilities",
    "prompt_logprobs": "no log-probabilities",
}
# What a model thought before is no part of what it said.
THOUGHTS = frozenset({"thinking", "redacted_thinking"})
# Anthropic's, and nothing here: the prefix cache finds prompts by itself.
_IGNORED_IN_BLOCKS = frozenset(
    {"cache_control", "caller", "citations", "data", "is_error", "signature", "thinking"}
)
_TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


class TextBlock(RequestPart):
    """A block that may only be text: of `system`, or of a tool's result."""

    also_known: ClassVar[frozenset[str]] = _IGNORED_IN_BLOCKS

    type: str
    text: str | None = None


class Block(RequestPart):
    """A content block of a message; which fields it needs depends on its type."""

    also_known: ClassVar[frozenset[str]] = _IGNORED_IN_BLOCKS

    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[TextBlock] | None = None


class Turn(RequestPart):
    """One message."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Thinking(RequestPart):
    """`thinking`: whether a model that reasons is to think. It has no budget of its own here, only `max_tokens`."""

    also_known: ClassVar[frozenset[str]] = frozenset({"budget_tokens", "display"})

    type: Literal["enabled", "adaptive", "disabled", "between_tools"]


class OutputConfig(RequestPart):
    """`output_config`: the form of the answer, and how much a model that reasons is to think."""

    effort: ReasoningEffort | None = None
    format: dict[str, Any] | None = None


class CountTokensRequest(TranslatedRequest):
    """`POST /v1/messages/count_tokens`: everything that becomes the prompt."""

    continues: ClassVar[type[RequestPart] | None] = ChatCompletionRequest

    messages: list[Turn] = Field(min_length=1, max_length=MAX_MESSAGES)
    system: str | list[TextBlock] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    # Anthropic's, which is another than chat's: ignored.
    metadata: dict[str, Any] | None = None

    def as_chat(self) -> ChatCompletionRequest:
        """The same as a chat request.

        Raises:
            InvalidRequest: a value is wrong, or something is asked for that this server has not; `param` names our own field.
        """
        chat = {**self.extensions(OTHER_NAMES), **self._chat_fields()}
        with fields_named(FIELDS):
            return as_request(chat, ChatCompletionRequest)

    def _chat_fields(self) -> dict[str, Any]:
        messages = _chat_messages(self)
        fields: dict[str, Any] = {"model": self.model, "messages": messages}
        last = messages[-1]
        if last["role"] == "assistant" and last["content"] and "tool_calls" not in last:
            # Anthropic's way to say how the answer begins.
            fields["continue_final_message"] = True
        output = self.output_config or OutputConfig()
        if output.format is not None:
            fields["response_format"] = chat_response_format({"name": "output", **output.format})
        if self.thinking is not None and self.thinking.type == "disabled":
            fields |= {"reasoning_effort": "none", "include_reasoning": False}
        elif output.effort is not None:
            fields["reasoning_effort"] = output.effort
        if self.tools:
            fields["tools"] = [_chat_tool(i, tool) for i, tool in enumerate(self.tools)]
        if self.tool_choice is not None:
            fields["tool_choice"] = _chat_tool_choice(self.tool_choice)
            fields["parallel_tool_calls"] = not self.tool_choice.get("disable_parallel_tool_use")
        return fields


class MessagesRequest(CountTokensRequest):
    """`POST /v1/messages`."""

    max_tokens: int = Field(ge=1)
    stop_sequences: list[str] | None = None
    stream: bool | None = False

    def _chat_fields(self) -> dict[str, Any]:
        own = {"max_tokens": self.max_tokens, "stream": self.stream, "stop": self.stop_sequences}
        return {**super()._chat_fields(), **own}


def _chat_messages(request: CountTokensRequest) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if request.system is not None:
        messages.append({"role": "system", "content": _text(request.system, "system")})
    for index, turn in enumerate(request.messages):
        if isinstance(turn.content, str):
            messages.append({"role": turn.role, "content": turn.content})
        else:
            _add_blocks(messages, turn.role, turn.content, f"messages[{index}].content")
    return messages


def _add_blocks(messages: list[dict[str, Any]], role: str, blocks: list[Block], place: str) -> None:
    """Add one turn: text, an assistant's calls, and the results a user sends, which chat has as messages of their own."""
    texts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        at = f"{place}[{index}]"
        if block.type == "text":
            texts.append({"type": "text", "text": _needed(block.text, f"{at}.text")})
        elif block.type == "tool_use" and role == "assistant":
            call_id, name = _needed(block.id, f"{at}.id"), _needed(block.name, f"{at}.name")
            calls.append(chat_tool_call(call_id, name, orjson.dumps(block.input or {}).decode()))
        elif block.type == "tool_result" and role == "user":
            call_id = _needed(block.tool_use_id, f"{at}.tool_use_id")
            content = _text(block.content or "", f"{at}.content")
            results.append({"role": "tool", "tool_call_id": call_id, "content": content})
        elif block.type not in THOUGHTS:
            raise _not_served(block.type, at)
    messages += results
    if texts or not results:
        messages.append({"role": role, "content": texts})
    if calls:
        add_tool_calls(messages, calls)


def _text(content: str | list[TextBlock], place: str) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    parts = []
    for index, block in enumerate(content):
        at = f"{place}[{index}]"
        if block.type != "text":
            raise _not_served(block.type, at)
        parts.append({"type": "text", "text": _needed(block.text, f"{at}.text")})
    return parts


def _needed(value: str | None, place: str) -> str:
    if value is None:
        raise InvalidRequest(f"{place}: this field is required", param=place)
    return value


def _not_served(kind: str, place: str) -> InvalidRequest:
    return InvalidRequest(
        f"{place}.type: blocks of type {kind!r:.100} are not served here; send text",
        param=f"{place}.type",
    )


def _chat_tool(index: int, tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") not in (None, "custom"):
        raise InvalidRequest(
            f"tools[{index}].type: tools of type {tool['type']!r:.100} are not served; send your own",
            param=f"tools[{index}].type",
        )
    function: dict[str, Any] = {
        name: tool[name] for name in ("name", "description", "strict") if name in tool
    }
    if "input_schema" in tool:
        function["parameters"] = tool["input_schema"]
    return {"type": "function", "function": function}


def _chat_tool_choice(choice: dict[str, Any]) -> str | dict[str, Any]:
    kind = choice.get("type")
    if kind == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    if not isinstance(kind, str) or kind not in _TOOL_CHOICES:
        raise InvalidRequest(
            f"tool_choice.type: {kind!r:.100} is none of auto, any, tool and none",
            param="tool_choice.type",
        )
    return _TOOL_CHOICES[kind]
