"""OpenAI's Responses on the wire: the response object, and the events of a stream, each with its number.

The answer becomes output items: what the model thought, a message, calls of functions. An answer of nothing is an empty message.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from ..choice import TokenLogprobs
from ..errors import RequestError
from ..finish import Finish
from ..generation import ChoiceDelta
from ..schema.responses_schema import ResponsesRequest
from .answer_sequence import AnswerSequence, Piece, whole_delta
from .responses_items import (
    EventLog,
    FunctionCallItem,
    Logprobs,
    MessageItem,
    OutputItem,
    ReasoningItem,
)
from .wire import AnswerHead, WholeChoice


class ResponsesWire:
    """Writes the answer to one request, whole or as a stream."""

    def __init__(self, head: AnswerHead, asked: ResponsesRequest) -> None:
        self._head = head
        self._asked = asked
        self._log = EventLog()
        self._sequence = AnswerSequence()
        self._output: list[dict[str, Any]] = []
        self._item: OutputItem | None = None
        self._part: tuple[str, int | None] | None = None
        self._finish: Finish | None = None

    def opening(self) -> bytes:
        """The response, in progress."""
        response = self._response("in_progress")
        return self._log.write("response.created", response=response) + self._log.write(
            "response.in_progress", response=response
        )

    def delta(self, delta: ChoiceDelta) -> bytes:
        """New text; nothing where there is none, as in the last delta often."""
        self._finish = delta.finish
        logprobs = self._written_logprobs(delta.logprobs)
        if delta.parsed is not None:
            return self._write_all(self._sequence.feed(delta.parsed), logprobs)
        if not (delta.text or logprobs):
            return b""
        return self._write(Piece(kind="content", text=delta.text), logprobs)

    def closing(self) -> bytes:
        """The end of the last item, and the response as it would be without a stream."""
        events = self._finish_output()
        response = self._response(self._status, with_usage=True)
        return events + self._log.write(f"response.{self._status}", response=response)

    def error(self, exc: RequestError) -> bytes:
        """The failed response, and the error: documented flat, sent by OpenAI (and raised by its SDKs) nested."""
        if self._item is not None:
            self._output.append(self._item.as_object("incomplete"))
        failed = self._response("failed")
        failed["error"] = {"code": "server_error", "message": exc.message}
        nested = exc.body()["error"]
        return self._log.write("response.failed", response=failed) + self._log.write(
            "error", code=exc.code, message=exc.message, param=exc.param, error=nested
        )

    def whole(self, choices: Sequence[WholeChoice]) -> dict[str, Any]:
        """The response object."""
        [choice] = choices
        self._finish = choice.finish
        logprobs = self._written_logprobs(choice.logprobs)
        if choice.parts is not None:
            self._write_all(self._sequence.feed(whole_delta(choice.parts)), logprobs)
        else:
            self._write(Piece(kind="content", text="".join(choice.pieces)), logprobs)
        self._finish_output()
        return self._response(self._status, with_usage=True)

    @property
    def _status(self) -> Literal["completed", "incomplete"]:
        is_cut = self._finish is None or self._finish.finish_reason == "length"
        return "incomplete" if is_cut else "completed"

    def _finish_output(self) -> bytes:
        events = self._write_all(self._sequence.flush())
        if self._item is None:
            events += self._begin(Piece(kind="content", text=""))
        return events + self._end(self._status)

    def _write_all(self, pieces: Iterable[Piece], logprobs: Logprobs = ()) -> bytes:
        events = b""
        for piece in pieces:
            events += self._write(piece, logprobs if piece.kind == "content" else ())
        return events

    def _write(self, piece: Piece, logprobs: Logprobs) -> bytes:
        events = b"" if piece.part == self._part else self._begin(piece)
        if self._item is not None and (piece.text or logprobs):
            events += self._item.feed(piece.text, logprobs)
        return events

    def _begin(self, piece: Piece) -> bytes:
        """End the item before, and open one for `piece`."""
        events = self._end("completed")
        self._part, self._item = piece.part, self._new_item(piece)
        return events + self._item.opening()

    def _end(self, status: Literal["completed", "incomplete"]) -> bytes:
        if self._item is None:
            return b""
        events = self._item.closing(status)
        self._output.append(self._item.as_object(status))
        self._item = None
        return events

    def _new_item(self, piece: Piece) -> OutputItem:
        index = len(self._output)
        place = f"{self._head.id}_{index}"
        if piece.kind == "reasoning":
            return ReasoningItem(self._log, f"rs_{place}", index)
        if piece.kind == "call":
            call_id, name = piece.call_id or f"call_{place}", piece.name or ""
            return FunctionCallItem(self._log, f"fc_{place}", index, call_id=call_id, name=name)
        with_logprobs = self._head.logprobs is not None
        return MessageItem(self._log, f"msg_{place}", index, with_logprobs=with_logprobs)

    def _written_logprobs(self, logprobs: Sequence[TokenLogprobs]) -> Logprobs:
        return () if self._head.logprobs is None else self._head.logprobs.chat(logprobs)

    def _response(self, status: str, *, with_usage: bool = False) -> dict[str, Any]:
        """The response object; its usage is known at the end."""
        return {
            "id": f"resp_{self._head.id}",
            "object": "response",
            "created_at": self._head.created,
            "status": status,
            "error": None,
            "incomplete_details": (
                {"reason": "max_output_tokens"} if status == "incomplete" else None
            ),
            "model": self._head.model,
            "output": self._output,
            **self._echo(),
            "usage": self._usage() if with_usage else None,
            **({} if self._finish is None else {"stop_detail": self._finish.stop_detail()}),
        }

    def _echo(self) -> dict[str, Any]:
        """What was asked, or is in effect."""
        asked, sampling = self._asked, self._head.plan.sampling
        text_format = None if asked.text is None else asked.text.format
        effort = None if asked.reasoning is None else asked.reasoning.effort
        return {
            "background": False,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": asked.metadata or {},
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "reasoning": {"effort": effort, "summary": None},
            "store": False,
            "temperature": sampling.temperature,
            "text": {"format": text_format or {"type": "text"}},
            "tool_choice": "auto" if asked.tool_choice is None else asked.tool_choice,
            "tools": asked.tools or [],
            "top_logprobs": asked.top_logprobs or 0,
            "top_p": sampling.top_p,
            "truncation": "disabled",
            "user": asked.user,
        }

    def _usage(self) -> dict[str, Any]:
        """OpenAI's SDKs want every field: what is not known is 0."""
        counts = self._head.counts
        num_prompt, num_generated = counts.num_prompt_tokens, counts.num_generated_tokens
        num_cached, num_thought = counts.num_cached_tokens or 0, counts.num_reasoning_tokens or 0
        return {
            "input_tokens": num_prompt,
            "input_tokens_details": {"cached_tokens": num_cached, "cache_write_tokens": 0},
            "output_tokens": num_generated,
            "output_tokens_details": {"reasoning_tokens": num_thought},
            "total_tokens": num_prompt + num_generated,
        }
