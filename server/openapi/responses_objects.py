"""OpenAI's Responses on the wire: the response object and its output items."""

from typing import Annotated, Any, Literal

from pydantic import Field

from .plain_objects import Count, ListedLogprob, StopDetail, Timestamp
from .wire_object import WireObject, absent

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class OutputText(WireObject):
    """What the assistant says."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any] = Field(max_length=0)
    logprobs: list[ListedLogprob] = absent("Where they were asked for.")


class ReasoningText(WireObject):
    """What the model thought."""

    type: Literal["reasoning_text"]
    text: str


class OutputMessage(WireObject):
    """A message; it has no content while it is in progress."""

    type: Literal["message"]
    id: str
    role: Literal["assistant"]
    status: ItemStatus
    content: list[OutputText] = Field(max_length=1)


class ReasoningOutput(WireObject):
    """What the model thought before it answered; nothing summarises it."""

    type: Literal["reasoning"]
    id: str
    summary: list[Any] = Field(max_length=0)
    status: ItemStatus
    content: list[ReasoningText] = Field(max_length=1)


class FunctionCallOutput(WireObject):
    """A call of one of the client's functions; the arguments are JSON text."""

    type: Literal["function_call"]
    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus


OutputItem = Annotated[
    OutputMessage | ReasoningOutput | FunctionCallOutput, Field(discriminator="type")
]


class ResponseError(WireObject):
    """Why a stream failed."""

    code: Literal["server_error"]
    message: str


class IncompleteDetails(WireObject):
    """The answer was cut off: by a limit, a deadline or a guard against loops. `stop_detail` says which."""

    reason: Literal["max_output_tokens"]


class InputTokens(WireObject):
    """Of the prompt's tokens: those found in the prefix cache, 0 where the engine does not say."""

    cached_tokens: Count
    cache_write_tokens: Count


class OutputTokens(WireObject):
    """Of the answer's tokens: what the model thought, 0 where no parser tells."""

    reasoning_tokens: Count


class ResponseUsage(WireObject):
    """Tokens of prompt and answer."""

    input_tokens: Count
    input_tokens_details: InputTokens
    output_tokens: Count
    output_tokens_details: OutputTokens
    total_tokens: Count


class ResponseReasoning(WireObject):
    """What was asked of a model that reasons."""

    effort: str | None
    summary: None


class ResponseText(WireObject):
    """The form of the answer that was asked for."""

    format: dict[str, Any]


class Response(WireObject):
    """The answer to a conversation, with what was asked or is in effect. Nothing is stored."""

    id: str
    object: Literal["response"]
    created_at: Timestamp
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    model: str
    output: list[OutputItem]
    background: Literal[False]
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: None
    reasoning: ResponseReasoning
    store: Literal[False]
    temperature: float
    text: ResponseText
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: Count
    top_p: float
    truncation: Literal["disabled"]
    user: str | None
    usage: ResponseUsage | None
    stop_detail: StopDetail = absent("Once the answer has ended.")
