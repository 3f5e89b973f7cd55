"""The parts of an answer as they were given out, and what of a whole answer is still missing from them. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from .port import ParsedDelta, ToolCallDelta


@dataclass(slots=True)
class CallParts:
    """One tool call so far."""

    id: str | None = None
    name: str = ""
    pieces: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> str:
        """JSON text."""
        return "".join(self.pieces)


class AnswerParts:
    """Content, reasoning and calls of one choice, put together from deltas."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, CallParts] = {}

    @property
    def content(self) -> str:
        return "".join(self._content)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    @property
    def calls(self) -> dict[int, CallParts]:
        """The calls by their index."""
        return self._calls

    def add(self, delta: ParsedDelta) -> None:
        """Take in one delta."""
        self._content.append(delta.content)
        self._reasoning.append(delta.reasoning)
        for piece in delta.tool_calls:
            call = self._calls.setdefault(piece.index, CallParts())
            call.id = call.id or piece.id
            call.name = call.name or piece.name or ""
            call.pieces.append(piece.arguments)

    def missing_from(self, whole: ParsedDelta) -> ParsedDelta:
        """What must follow for these parts to be `whole`; nothing where they already say something else.

        What was given out cannot be taken back, so a part is only ever continued.
        """
        calls = tuple(self._missing_calls(whole.tool_calls))
        content, reasoning = self.content, self.reasoning
        agrees = whole.content.startswith(content) and whole.reasoning.startswith(reasoning)
        # A call that was cut off: a whole answer has its markup as content, a stream has the call so far.
        was_cut_off = self._calls and not whole.tool_calls
        if not agrees or was_cut_off:
            return ParsedDelta(tool_calls=calls)
        return ParsedDelta(
            content=whole.content[len(content) :],
            reasoning=whole.reasoning[len(reasoning) :],
            tool_calls=calls,
        )

    def _missing_calls(self, whole: tuple[ToolCallDelta, ...]) -> Iterator[ToolCallDelta]:
        for call in whole:
            given = self._calls.get(call.index)
            if given is None:
                yield call
                continue
            so_far = given.arguments
            agrees = given.name == call.name and call.arguments.startswith(so_far)
            if agrees and not _same_json(so_far, call.arguments):
                yield ToolCallDelta(index=call.index, arguments=call.arguments[len(so_far) :])


def _same_json(first: str, second: str) -> bool:
    try:
        return bool(json.loads(first) == json.loads(second))
    except ValueError:
        return False
