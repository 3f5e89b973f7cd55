"""The output items of OpenAI's Responses: what each looks like, and the events that bring it into being.

Knows nothing of requests and engines. `responses_wire` opens one item after the other and feeds it.
"""

from collections.abc import Sequence
from typing import Any, Literal

import orjson

from .wire import named_event

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Logprobs = Sequence[dict[str, Any]]


class EventLog:
    """Writes the events of one stream, each with the next number."""

    def __init__(self) -> None:
        self._num_events = 0

    def next_number(self) -> int:
        """The number of the next event, which must be written with it."""
        number = self._num_events
        self._num_events += 1
        return number

    def write(self, kind: str, **fields: Any) -> bytes:
        """One event."""
        return named_event({"type": kind, "sequence_number": self.next_number(), **fields})


class OutputItem:
    """One item in the making. Subclasses say what is in it."""

    def __init__(self, log: EventLog, item_id: str, output_index: int, delta_event: str) -> None:
        self._log = log
        self._id = item_id
        self._output_index = output_index
        self._place: dict[str, Any] = {"item_id": item_id, "output_index": output_index}
        self._place |= self._place_inside()
        # What is the same in every event of a token is encoded once.
        same = orjson.dumps({"type": delta_event, **self._place})[:-1]
        self._before = b"event: " + delta_event.encode() + b"\ndata: " + same
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def opening(self) -> bytes:
        """The events that announce it, empty."""
        item = self.as_object("in_progress")
        return self._log.write(
            "response.output_item.added", output_index=self._output_index, item=item
        )

    def feed(self, text: str, logprobs: Logprobs = ()) -> bytes:
        """The event of new text, in a message with the log-probabilities of its tokens."""
        self._pieces.append(text)
        return b'%b,"sequence_number":%d,"delta":%b%b}\n\n' % (
            self._before,
            self._log.next_number(),
            orjson.dumps(text),
            self._more(logprobs),
        )

    def closing(self, status: ItemStatus) -> bytes:
        """The events that end it."""
        item = self.as_object(status)
        return self._log.write(
            "response.output_item.done", output_index=self._output_index, item=item
        )

    def as_object(self, status: ItemStatus) -> dict[str, Any]:
        """The item as far as it has come."""
        raise NotImplementedError

    def _place_inside(self) -> dict[str, int]:
        """Where its text is, inside the item."""
        return {"content_index": 0}

    def _more(self, logprobs: Logprobs) -> bytes:  # noqa: ARG002  (only messages have them)
        """What else the event of a text says."""
        return b""


class MessageItem(OutputItem):
    """What the assistant says: one text part. `with_logprobs`: its log-probabilities were asked for."""

    def __init__(
        self, log: EventLog, item_id: str, output_index: int, *, with_logprobs: bool
    ) -> None:
        super().__init__(log, item_id, output_index, "response.output_text.delta")
        self._with_logprobs = with_logprobs
        self._logprobs: list[dict[str, Any]] = []

    def opening(self) -> bytes:
        part = {**self._place, "part": self._part()}
        return super().opening() + self._log.write("response.content_part.added", **part)

    def closing(self, status: ItemStatus) -> bytes:
        done = {**self._place, "text": self.text, "logprobs": self._logprobs}
        part = {**self._place, "part": self._part()}
        return (
            self._log.write("response.output_text.done", **done)
            + self._log.write("response.content_part.done", **part)
            + super().closing(status)
        )

    def as_object(self, status: ItemStatus) -> dict[str, Any]:
        content = [] if status == "in_progress" else [self._part()]
        head = {"type": "message", "id": self._id, "role": "assistant"}
        return {**head, "status": status, "content": content}

    def _more(self, logprobs: Logprobs) -> bytes:
        self._logprobs += logprobs
        return b',"logprobs":%b' % orjson.dumps(list(logprobs))

    def _part(self) -> dict[str, Any]:
        part: dict[str, Any] = {"type": "output_text", "text": self.text, "annotations": []}
        return {**part, "logprobs": self._logprobs} if self._with_logprobs else part


class ReasoningItem(OutputItem):
    """What a model thought before it answered."""

    def __init__(self, log: EventLog, item_id: str, output_index: int) -> None:
        super().__init__(log, item_id, output_index, "response.reasoning_text.delta")

    def opening(self) -> bytes:
        part = {**self._place, "part": self._part()}
        return super().opening() + self._log.write("response.content_part.added", **part)

    def closing(self, status: ItemStatus) -> bytes:
        done = {**self._place, "text": self.text}
        part = {**self._place, "part": self._part()}
        return (
            self._log.write("response.reasoning_text.done", **done)
            + self._log.write("response.content_part.done", **part)
            + super().closing(status)
        )

    def as_object(self, status: ItemStatus) -> dict[str, Any]:
        content = [] if status == "in_progress" else [self._part()]
        head = {"type": "reasoning", "id": self._id, "summary": []}
        return {**head, "status": status, "content": content}

    def _part(self) -> dict[str, Any]:
        return {"type": "reasoning_text", "text": self.text}


class FunctionCallItem(OutputItem):
    """A call of one of the client's functions; its text is the arguments."""

    def __init__(
        self, log: EventLog, item_id: str, output_index: int, *, call_id: str, name: str
    ) -> None:
        self._call_id = call_id
        self._name = name
        super().__init__(log, item_id, output_index, "response.function_call_arguments.delta")

    def closing(self, status: ItemStatus) -> bytes:
        done = {**self._place, "name": self._name, "arguments": self.text}
        return self._log.write("response.function_call_arguments.done", **done) + super().closing(
            status
        )

    def as_object(self, status: ItemStatus) -> dict[str, Any]:
        head = {"type": "function_call", "id": self._id, "call_id": self._call_id}
        return {**head, "name": self._name, "arguments": self.text, "status": status}

    def _place_inside(self) -> dict[str, int]:
        return {}
