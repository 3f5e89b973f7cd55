"""Anthropic's Messages on the wire: the message, the events of a stream, counts and errors."""

from typing import Annotated, Any, Literal

from pydantic import Field

from .plain_objects import Count, StopDetail
from .wire_object import WireObject, absent

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class TextContent(WireObject):
    """Text."""

    type: Literal["text"]
    text: str


class ThinkingContent(WireObject):
    """What the model thought; nothing signs it."""

    type: Literal["thinking"]
    thinking: str
    signature: Literal[""]


class ToolUseContent(WireObject):
    """A use of a tool. An input that is no object, as an answer that was cut off leaves it, is `{"invalid_arguments": TEXT}`."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


Content = Annotated[TextContent | ThinkingContent | ToolUseContent, Field(discriminator="type")]


class MessageUsage(WireObject):
    """Tokens of prompt and answer. As Anthropic counts, those found in the prefix cache are not among `input_tokens`."""

    input_tokens: Count
    cache_creation_input_tokens: Count
    cache_read_input_tokens: Count
    output_tokens: Count


class MessageAnswer(WireObject):
    """The answer to a conversation."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Content] = Field(min_length=1)
    stop_reason: StopReason
    stop_sequence: str | None
    stop_detail: StopDetail
    usage: MessageUsage


class EmptyMessage(WireObject):
    """The message a stream begins with."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Content] = Field(max_length=0)
    stop_reason: None
    stop_sequence: None
    usage: MessageUsage


class MessageStart(WireObject):
    """The first event."""

    type: Literal["message_start"]
    message: EmptyMessage


class ContentBlockStart(WireObject):
    """A block begins, empty."""

    type: Literal["content_block_start"]
    index: Count
    content_block: Content


class TextDelta(WireObject):
    """More text."""

    type: Literal["text_delta"]
    text: str


class ThinkingDelta(WireObject):
    """More thought."""

    type: Literal["thinking_delta"]
    thinking: str


class InputJsonDelta(WireObject):
    """More of a tool's input, as JSON text."""

    type: Literal["input_json_delta"]
    partial_json: str


class ContentBlockDelta(WireObject):
    """More of a block."""

    type: Literal["content_block_delta"]
    index: Count
    delta: Annotated[TextDelta | ThinkingDelta | InputJsonDelta, Field(discriminator="type")]


class ContentBlockStop(WireObject):
    """A block ends."""

    type: Literal["content_block_stop"]
    index: Count


class MessageEnd(WireObject):
    """Why the message ended."""

    stop_reason: StopReason
    stop_sequence: str | None
    stop_detail: StopDetail


class MessageDelta(WireObject):
    """The message ended."""

    type: Literal["message_delta"]
    delta: MessageEnd
    usage: MessageUsage


class MessageStop(WireObject):
    """The last event."""

    type: Literal["message_stop"]


class TokenCount(WireObject):
    """How many tokens the prompt has."""

    input_tokens: Count


class MessagesErrorDetails(WireObject):
    """endturn's word for the error."""

    error_code: str


class MessagesError(WireObject):
    """What went wrong."""

    type: Literal[
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "not_found_error",
        "rate_limit_error",
        "overloaded_error",
        "api_error",
    ]
    message: str
    details: MessagesErrorDetails = absent()


class MessagesErrorBody(WireObject):
    """Anthropic's error; as an event of a stream it has no request id."""

    type: Literal["error"]
    error: MessagesError
    request_id: str = absent()


MESSAGE_EVENTS: tuple[type[WireObject], ...] = (
    MessageStart,
    ContentBlockStart,
    ContentBlockDelta,
    ContentBlockStop,
    MessageDelta,
    MessageStop,
)
