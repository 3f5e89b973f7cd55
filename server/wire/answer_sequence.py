"""The parts of an answer one after the other, as the event streams of the Responses and Messages APIs want them. Pure.

A parser may still add to a tool call when the answer ends. So the first call is written as it comes, and everything that comes
after it began is held back to the end, whole; text and reasoning before it are never held.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..parsing.answer_parts import AnswerParts
from ..parsing.port import ParsedDelta, ToolCallDelta


@dataclass(slots=True, kw_only=True)
class Piece:
    """New text of one part: content, reasoning, or the arguments of the call `call_index`."""

    kind: Literal["content", "reasoning", "call"]
    text: str
    call_index: int | None = None
    call_id: str | None = None
    name: str | None = None

    @property
    def part(self) -> tuple[str, int | None]:
        """What tells this part from others; a part never comes back once another one has begun."""
        return self.kind, self.call_index


class AnswerSequence:
    """Puts the pieces of one choice into order: `feed` each delta, then `flush`."""

    def __init__(self) -> None:
        self._open_call: int | None = None
        self._held: dict[tuple[str, int | None], Piece] = {}

    def feed(self, delta: ParsedDelta) -> Iterator[Piece]:
        """What can be written now."""
        for piece in _pieces(delta):
            if self._open_call is None:
                self._open_call = piece.call_index
                yield piece
            elif piece.call_index == self._open_call:
                yield piece
            else:
                self._hold(piece)

    def flush(self) -> Iterator[Piece]:
        """What was held back, each part in one piece."""
        yield from self._held.values()

    def _hold(self, piece: Piece) -> None:
        held = self._held.setdefault(piece.part, piece)
        if held is not piece:
            held.text += piece.text
            held.call_id = held.call_id or piece.call_id
            held.name = held.name or piece.name


def whole_delta(parts: AnswerParts) -> ParsedDelta:
    """A whole answer as if it had come at once."""
    calls = tuple(
        ToolCallDelta(index=index, id=call.id, name=call.name, arguments=call.arguments)
        for index, call in parts.calls.items()
    )
    return ParsedDelta(content=parts.content, reasoning=parts.reasoning, tool_calls=calls)


def _pieces(delta: ParsedDelta) -> Iterator[Piece]:
    if delta.reasoning:
        yield Piece(kind="reasoning", text=delta.reasoning)
    if delta.content:
        yield Piece(kind="content", text=delta.content)
    for call in delta.tool_calls:
        yield Piece(
            kind="call",
            text=call.arguments,
            call_index=call.index,
            call_id=call.id,
            name=call.name,
        )
