"""Stop strings in a stream of text.

The match that completes first wins; of those completing at one character the longest. That makes the result the same
however the text is cut into deltas. Text that may be the beginning of a stop is held back until it is or is not.
"""

from dataclasses import dataclass

from ..finish import StopKind

FENCE = "```"


@dataclass(frozen=True, slots=True)
class StopText:
    """One text that ends an answer, and the kind of stop it makes; `outside_code` spares fenced code blocks."""

    text: str
    kind: StopKind
    outside_code: bool = False


@dataclass(frozen=True, slots=True)
class StopMatch:
    """A stop found; `start` is its offset in characters from the beginning of the stream."""

    stop: StopText
    start: int


class StopMatcher:
    """Watches one stream. After a match, nothing more is to be fed.

    Invariant: what was returned so far never contains a stop, nor the beginning of one that is still possible.
    """

    def __init__(self, stops: tuple[StopText, ...]) -> None:
        self._stops = stops
        self._first_characters = frozenset(stop.text[0] for stop in stops)
        self._longest = max(len(stop.text) for stop in stops)
        self._held = ""
        self._num_returned = 0
        # Where the released text ends: whether its last line began inside a fenced block, and that line so far.
        self._sees_code = any(stop.outside_code for stop in stops)
        self._in_code = False
        self._line = ""
        self.match: StopMatch | None = None

    @property
    def num_returned(self) -> int:
        """Characters handed out so far."""
        return self._num_returned

    def feed(self, delta: str) -> str:
        """The text that is safe to show now; `match` is set once a stop was found, the text then ends before it."""
        text = self._held + delta
        found = self._first_completed(text)
        if found is not None:
            start, stop = found
            self.match = StopMatch(stop, self._num_returned + start)
            return self._release(text, start)
        return self._release(text, self._possible_start(text))

    def flush(self) -> str:
        """The text held back, at an end of another kind."""
        return self._release(self._held, len(self._held))

    def _release(self, text: str, end: int) -> str:
        self._held = "" if self.match is not None else text[end:]
        self._num_returned += end
        if self._sees_code:
            self._in_code, self._line = self._code_state(text[:end])
        return text[:end]

    def _code_state(self, text: str) -> tuple[bool, str]:
        """Whether the line on which `text` ends began inside a fenced code block, and that line so far."""
        *lines, last = (self._line + text).split("\n")
        in_code = self._in_code
        for line in lines:
            if line.lstrip().startswith(FENCE):
                in_code = not in_code
        return in_code, last

    def _is_in_code(self, text: str) -> bool:
        in_code, line = self._code_state(text)
        return in_code or line.lstrip().startswith(FENCE)

    def _first_completed(self, text: str) -> tuple[int, StopText] | None:
        best: tuple[int, int, StopText] | None = None
        for stop in self._stops:
            start = text.find(stop.text)
            while stop.outside_code and start >= 0 and self._is_in_code(text[:start]):
                start = text.find(stop.text, start + 1)
            if start >= 0:
                end = start + len(stop.text)
                if best is None or (end, start) < best[:2]:
                    best = (end, start, stop)
        return None if best is None else (best[1], best[2])

    def _possible_start(self, text: str) -> int:
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start] in self._first_characters:
                tail = text[start:]
                if any(stop.text.startswith(tail) for stop in self._stops):
                    return start
        return len(text)
