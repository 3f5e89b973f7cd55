"""Anthropic's Messages on the wire: the message, the events of a stream, and errors in Anthropic's shape.

The answer becomes content blocks: what the model thought, text, uses of tools. An answer of nothing is an empty text block.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import orjson

from ..errors import RequestError
from ..finish import Finish
from ..generation import ChoiceDelta
from .answer_sequence import AnswerSequence, Piece, whole_delta
from .wire import AnswerHead, WholeChoice, named_event

# Where Anthropic's clients look for the id of a request.
REQUEST_ID_HEADER = "request-id"
StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]

_ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
# For each kind of piece: the type of its deltas, and the field with their text.
_DELTAS = {
    "content": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "call": ("input_json_delta", "partial_json"),
}


def error_type(status: int) -> str:
    """Anthropic's name for an error with that status."""
    default = "api_error" if status >= 500 else "invalid_request_error"
    return _ERROR_TYPES.get(status, default)


def error_body(exc: RequestError, request_id: str | None = None) -> dict[str, Any]:
    """Anthropic's error object; our code, where there is one, is its `error_code`."""
    error: dict[str, Any] = {"type": error_type(exc.status), "message": exc.message}
    if exc.code is not None:
        error["details"] = {"error_code": exc.code}
    body: dict[str, Any] = {"type": "error", "error": error}
    return body if request_id is None else {**body, "request_id": request_id}


class MessagesWire:
    """Writes the answer to one request, whole or as a stream."""

    def __init__(self, head: AnswerHead) -> None:
        self._head = head
        self._sequence = AnswerSequence()
        self._num_blocks = 0
        self._part: tuple[str, int | None] | None = None
        self._before = b""
        self._finish: Finish | None = None
        self._uses_tool = False

    def opening(self) -> bytes:
        """The message, empty."""
        message = self._message([], None)
        return named_event({"type": "message_start", "message": message})

    def delta(self, delta: ChoiceDelta) -> bytes:
        """New text; nothing where there is none, as in the last delta often."""
        self._finish = delta.finish
        if delta.parsed is not None:
            return self._write_all(self._sequence.feed(delta.parsed))
        if not delta.text:
            return b""
        return self._write(Piece(kind="content", text=delta.text))

    def closing(self) -> bytes:
        """The end of the last block, why the answer ended, and the end."""
        events = self._write_all(self._sequence.flush())
        if self._num_blocks == 0:
            events += self._begin(Piece(kind="content", text=""))
        last = {"type": "message_delta", "delta": self._stop_fields(self._finish)}
        return (
            events
            + self._block_stop()
            + named_event({**last, "usage": self._usage()})
            + named_event({"type": "message_stop"})
        )

    def error(self, exc: RequestError) -> bytes:
        """One last event."""
        return named_event(error_body(exc))

    def whole(self, choices: Sequence[WholeChoice]) -> dict[str, Any]:
        """The message object."""
        [choice] = choices
        if choice.parts is None:
            content = [{"type": "text", "text": "".join(choice.pieces)}]
        else:
            pieces = [
                *self._sequence.feed(whole_delta(choice.parts)),
                *self._sequence.flush(),
            ]
            content = [_whole_block(piece, self._call_id(piece)) for piece in pieces]
            self._uses_tool = any(piece.kind == "call" for piece in pieces)
        return self._message(content or [{"type": "text", "text": ""}], choice.finish)

    def _write_all(self, pieces: Iterable[Piece]) -> bytes:
        return b"".join([self._write(piece) for piece in pieces])

    def _write(self, piece: Piece) -> bytes:
        events = b"" if piece.part == self._part else self._begin(piece)
        return events + self._before + orjson.dumps(piece.text) + b"}}\n\n"

    def _begin(self, piece: Piece) -> bytes:
        """End the block before, and open one for `piece`."""
        events = self._block_stop() if self._num_blocks else b""
        index = self._num_blocks
        self._num_blocks += 1
        self._part = piece.part
        self._uses_tool = self._uses_tool or piece.kind == "call"
        kind, field = _DELTAS[piece.kind]
        # What is the same in every event of a token is encoded once.
        self._before = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
            b'"delta":{"type":"%b","%b":' % (index, kind.encode(), field.encode())
        )
        block = _empty_block(piece, self._call_id(piece))
        return events + named_event(
            {"type": "content_block_start", "index": index, "content_block": block}
        )

    def _block_stop(self) -> bytes:
        return named_event({"type": "content_block_stop", "index": self._num_blocks - 1})

    def _call_id(self, piece: Piece) -> str:
        return piece.call_id or f"toolu_{self._head.id}_{piece.call_index}"

    def _message(self, content: list[dict[str, Any]], finish: Finish | None) -> dict[str, Any]:
        return {
            "id": f"msg_{self._head.id}",
            "type": "message",
            "role": "assistant",
            "model": self._head.model,
            "content": content,
            **self._stop_fields(finish),
            "usage": self._usage(),
        }

    def _stop_fields(self, finish: Finish | None) -> dict[str, Any]:
        """Anthropic's two fields and our own; Anthropic's are null until the answer has ended."""
        if finish is None:
            return {"stop_reason": None, "stop_sequence": None}
        by_client = finish.cause.kind == "stop_string"
        return {
            "stop_reason": _stop_reason(finish, uses_tool=self._uses_tool),
            "stop_sequence": finish.cause.text if by_client else None,
            "stop_detail": finish.stop_detail(),
        }

    def _usage(self) -> dict[str, int]:
        """Anthropic's counts: input tokens are those that were not read from the cache."""
        counts = self._head.counts
        num_cached = counts.num_cached_tokens or 0
        return {
            "input_tokens": counts.num_prompt_tokens - num_cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": num_cached,
            "output_tokens": counts.num_generated_tokens,
        }


def _empty_block(piece: Piece, call_id: str) -> dict[str, Any]:
    if piece.kind == "reasoning":
        return {"type": "thinking", "thinking": "", "signature": ""}
    if piece.kind == "call":
        return {"type": "tool_use", "id": call_id, "name": piece.name or "", "input": {}}
    return {"type": "text", "text": ""}


def _whole_block(piece: Piece, call_id: str) -> dict[str, Any]:
    block = _empty_block(piece, call_id)
    if piece.kind == "call":
        return {**block, "input": _input(piece.text)}
    return {**block, _DELTAS[piece.kind][1]: piece.text}


def _input(arguments: str) -> dict[str, Any]:
    """A call's arguments as an object; what is none, as an answer that was cut off leaves it, stays text."""
    if not arguments.strip():
        return {}
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {"invalid_arguments": arguments}


def _stop_reason(finish: Finish, *, uses_tool: bool) -> StopReason:
    if finish.finish_reason == "length":
        return "max_tokens"
    if finish.cause.kind == "stop_string":
        return "stop_sequence"
    # A call of the tool that was named ends as `stop` in chat; here every use of a tool is one.
    return "tool_use" if uses_tool else "end_turn"
