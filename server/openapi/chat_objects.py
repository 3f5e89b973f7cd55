"""`POST /v1/chat/completions` on the wire: the whole completion, and the chunks of a stream."""

from typing import Literal

from pydantic import Field

from .plain_objects import Count, Ended, ListedLogprob, PromptLogprobs, Timestamp, Usage
from .wire_object import WireObject, absent, without_default


class CalledTool(WireObject):
    """A tool's name and its arguments: JSON text, which an answer that was cut off leaves unfinished."""

    name: str
    arguments: str


class ToolCall(WireObject):
    """A call of one of the client's tools."""

    id: str
    type: Literal["function"]
    function: CalledTool


class AssistantMessage(WireObject):
    """What the assistant says."""

    role: Literal["assistant"]
    content: str | None = Field(description="Null where the answer is calls only.")
    refusal: None
    reasoning: str | None = absent("What the model thought, where a parser tells it apart.")
    tool_calls: list[ToolCall] = Field(default=[], min_length=1, json_schema_extra=without_default)


class ChatLogprobs(WireObject):
    """Log-probabilities of the tokens of the answer."""

    content: list[ListedLogprob]
    refusal: None


class ChatChoice(Ended):
    """One answer."""

    index: Count
    message: AssistantMessage
    logprobs: ChatLogprobs | None


class ChatCompletion(WireObject):
    """The whole answer to a conversation."""

    id: str
    object: Literal["chat.completion"]
    created: Timestamp
    model: str
    choices: list[ChatChoice]
    usage: Usage
    prompt_logprobs: PromptLogprobs = absent("Where they were asked for.")


class CalledToolDelta(WireObject):
    """The name comes once; arguments come in pieces."""

    name: str = absent()
    arguments: str


class ToolCallDelta(WireObject):
    """More of a call; the first piece has its id and type."""

    index: Count
    id: str = absent()
    type: Literal["function"] = absent()
    function: CalledToolDelta


class Delta(WireObject):
    """What is new."""

    role: Literal["assistant"] = absent()
    content: str = absent()
    reasoning: str = absent()
    tool_calls: list[ToolCallDelta] = absent()


class OpenChunkChoice(WireObject):
    """More of an answer."""

    index: Count
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: None


class LastChunkChoice(Ended):
    """The last of an answer."""

    index: Count
    delta: Delta
    logprobs: ChatLogprobs | None


class ChatChunk(WireObject):
    """One event of a stream. With `stream_options.include_usage`, `usage` is null but in the last chunk, which has no choices.

    With `continuous_usage_stats` too, it is never null.
    """

    id: str
    object: Literal["chat.completion.chunk"]
    created: Timestamp
    model: str
    choices: list[OpenChunkChoice | LastChunkChoice]
    usage: Usage | None = absent()
