"""The events of a streamed response. Each has its number and, as the name of the event too, its type."""

from typing import Annotated, Literal

from pydantic import Field

from .plain_objects import Count, Error, ListedLogprob
from .responses_objects import OutputItem, OutputText, ReasoningText, Response
from .wire_object import WireObject


class NumberedEvent(WireObject):
    """An event, the first with number 0."""

    sequence_number: Count


class ResponseEvent(NumberedEvent):
    """The response as it is now; the last event but for errors."""

    type: Literal[
        "response.created",
        "response.in_progress",
        "response.completed",
        "response.incomplete",
        "response.failed",
    ]
    response: Response


class OutputItemEvent(NumberedEvent):
    """An item begins or ends."""

    type: Literal["response.output_item.added", "response.output_item.done"]
    output_index: Count
    item: OutputItem


class ItemEvent(NumberedEvent):
    """An event of one item."""

    item_id: str
    output_index: Count


class ContentPartEvent(ItemEvent):
    """A part of an item begins or ends."""

    type: Literal["response.content_part.added", "response.content_part.done"]
    content_index: Count
    part: Annotated[OutputText | ReasoningText, Field(discriminator="type")]


class OutputTextDelta(ItemEvent):
    """More text, with the log-probabilities of its tokens where they were asked for."""

    type: Literal["response.output_text.delta"]
    content_index: Count
    delta: str
    logprobs: list[ListedLogprob]


class OutputTextDone(ItemEvent):
    """The whole text of a part."""

    type: Literal["response.output_text.done"]
    content_index: Count
    text: str
    logprobs: list[ListedLogprob]


class ReasoningTextDelta(ItemEvent):
    """More thought."""

    type: Literal["response.reasoning_text.delta"]
    content_index: Count
    delta: str


class ReasoningTextDone(ItemEvent):
    """The whole thought."""

    type: Literal["response.reasoning_text.done"]
    content_index: Count
    text: str


class ArgumentsDelta(ItemEvent):
    """More of a call's arguments."""

    type: Literal["response.function_call_arguments.delta"]
    delta: str


class ArgumentsDone(ItemEvent):
    """The whole arguments."""

    type: Literal["response.function_call_arguments.done"]
    name: str
    arguments: str


class ErrorEvent(NumberedEvent):
    """The stream failed; it comes after `response.failed`, and says the same flat and nested."""

    type: Literal["error"]
    code: str | None
    message: str
    param: str | None
    error: Error


RESPONSE_EVENTS: tuple[type[WireObject], ...] = (
    ResponseEvent,
    OutputItemEvent,
    ContentPartEvent,
    OutputTextDelta,
    OutputTextDone,
    ReasoningTextDelta,
    ReasoningTextDone,
    ArgumentsDelta,
    ArgumentsDone,
    ErrorEvent,
)
