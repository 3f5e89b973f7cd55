"""Stop strings in a stream of text.

The match that completes first wins; of those completing at one character the longest. That makes the result the same
however the text is cut into deltas. Text that may be the beginning of a stop is held back until it is or is not.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from ..finish import StopKind

FENCE = "```"
# Stand for special tokens that are not shown: half surrogate pairs, which no decoded text ever holds.
MARKS = range(0xD800, 0xE000)
_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_EMOJI_TAGS = range(0xE0020, 0xE0080)


@dataclass(frozen=True, slots=True)
class StopText:
    """One text that ends an answer, and the kind of stop it makes.

    `outside_code` spares fenced code blocks, `at_start` matches at the beginning of the stream only, and `is_shown`
    leaves the stop itself in the text. `text` may hold MARKS; `name` is then how people write it.
    """

    text: str
    kind: StopKind
    outside_code: bool = False
    at_start: bool = False
    is_shown: bool = False
    name: str | None = None


@dataclass(frozen=True, slots=True)
class StopMatch:
    """A stop found. `start` is where it begins in the stream, `shown_end` where the shown text ends: characters, MARKS
    left out."""

    stop: StopText
    start: int
    shown_end: int


class StopMatcher:
    """Watches one stream. After a match, nothing more is to be fed.

    Invariant: what was returned so far never contains a stop, nor the beginning of one that is still possible. A stop
    never begins inside a letter with its accents or an emoji with its modifiers: cutting there would change what is shown.
    """

    def __init__(self, stops: tuple[StopText, ...]) -> None:
        self._plain = tuple(stop for stop in stops if not _has_mark(stop.text))
        self._marked = tuple(stop for stop in stops if _has_mark(stop.text))
        self._held = ""
        self._num_returned = 0
        self._last_returned = ""
        # Where the released text ends: whether its last line began inside a fenced block, and how that line begins.
        self._sees_code = any(stop.outside_code for stop in stops)
        self._in_code = False
        self._line = ""
        self._plain_starts = _Starts(self._plain)
        self._marked_starts = _Starts(self._marked)
        self._opening = _opening(stops)
        self.match: StopMatch | None = None

    @property
    def num_returned(self) -> int:
        """Characters handed out so far."""
        return self._num_returned

    def feed(self, delta: str) -> str:
        """The text that is safe to show now; `match` is set once a stop was found, the text then ends before it."""
        if not self._held and self._num_returned and not self._opening(delta):
            # Nearly every token: no stop begins here, and none had begun.
            return self._release(delta, "")
        text = self._held + delta
        visible = _without_marks(text) if self._marked else text
        found = self._first_completed(text, visible)
        if found is not None:
            start, end, stop = found
            shown_end = end if stop.is_shown else start
            before = self._num_returned
            self.match = StopMatch(stop, before + start, before + shown_end)
            return self._release(visible[:shown_end], "")
        safe = self._plain_starts.first_possible(visible, is_start=self._num_returned == 0)
        if not self._marked:
            return self._release(visible[:safe], text[safe:])
        # The place in `text` before which there are `safe` characters that show.
        at = _index_of_visible(text, safe)
        at = min(at, self._marked_starts.first_possible(text, is_start=False))
        return self._release(_without_marks(text[:at]), text[at:])

    def flush(self) -> str:
        """The text held back, at an end of another kind."""
        return self._release(_without_marks(self._held), "")

    def _release(self, shown: str, held: str) -> str:
        self._held = held
        self._num_returned += len(shown)
        self._last_returned = shown[-1:] or self._last_returned
        if self._sees_code:
            self._in_code, self._line = self._code_state(shown)
        return shown

    def _code_state(self, text: str) -> tuple[bool, str]:
        """Whether the line on which `text` ends began inside a fenced code block, and the beginning of that line."""
        line, in_code = self._line + text, self._in_code
        if "\n" in text:
            *lines, line = line.split("\n")
            for whole in lines:
                if whole.lstrip().startswith(FENCE):
                    in_code = not in_code
        # A fence is told by how the line begins.
        return in_code, line.lstrip()[: len(FENCE)]

    def _is_in_code(self, text: str) -> bool:
        in_code, line = self._code_state(text)
        return in_code or line.startswith(FENCE)

    def _first_completed(self, text: str, visible: str) -> tuple[int, int, StopText] | None:
        """Start and end in `visible` of the stop that completes first."""
        best: tuple[int, int, int, StopText] | None = None
        for stop in self._plain:
            start = self._find(stop, visible)
            if start >= 0:
                end = start + len(stop.text)
                # Completed with its last character: a mark right after that is not waited for.
                place = end if text is visible else _index_of_visible(text, end - 1) + 1
                if best is None or (place, start) < best[:2]:
                    best = (place, start, end, stop)
        for stop in self._marked:
            at = text.find(stop.text)
            if at >= 0:
                place = at + len(stop.text)
                start = len(_without_marks(text[:at]))
                if best is None or (place, start) < best[:2]:
                    best = (place, start, len(_without_marks(text[:place])), stop)
        return None if best is None else best[1:]

    def _find(self, stop: StopText, visible: str) -> int:
        if stop.at_start:
            return 0 if self._num_returned == 0 and visible.startswith(stop.text) else -1
        start = visible.find(stop.text)
        while start >= 0 and not self._may_begin(stop, visible, start):
            start = visible.find(stop.text, start + 1)
        return start

    def _may_begin(self, stop: StopText, visible: str, start: int) -> bool:
        before = visible[start - 1] if start else self._last_returned
        if before == _JOINER or (before and _extends(visible[start])):
            return False
        return not (stop.outside_code and self._is_in_code(visible[:start]))


class _Starts:
    """Where the first of some stops could begin at the end of a text."""

    def __init__(self, stops: tuple[StopText, ...]) -> None:
        self._texts = tuple(stop.text for stop in stops if not stop.at_start)
        self._first_characters = frozenset(text[0] for text in self._texts)
        self._longest = max((len(text) for text in self._texts), default=0)
        self._at_start = tuple(stop.text for stop in stops if stop.at_start)

    def first_possible(self, text: str, *, is_start: bool) -> int:
        """The first index from which on `text` is the beginning of a stop; its length where there is none."""
        if is_start and any(stop.startswith(text) for stop in self._at_start):
            return 0
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start] in self._first_characters:
                tail = text[start:]
                if any(stop.startswith(tail) for stop in self._texts):
                    return start
        return len(text)


def _opening(stops: tuple[StopText, ...]) -> Callable[[str], object]:
    """Finds a character with which a stop may begin after the first text, or a mark."""
    first = "".join({re.escape(stop.text[0]) for stop in stops if not stop.at_start})
    return re.compile(f"[{first}\\ud800-\\udfff]").search


def _has_mark(text: str) -> bool:
    return any(ord(char) in MARKS for char in text)


def _without_marks(text: str) -> str:
    return "".join(char for char in text if ord(char) not in MARKS)


def _index_of_visible(text: str, number: int) -> int:
    """Index in `text` of its visible character `number`, its length where there are not so many."""
    for at, char in enumerate(text):
        if ord(char) not in MARKS:
            if number == 0:
                return at
            number -= 1
    return len(text)


def _extends(char: str) -> bool:
    """Whether `char` belongs to the character before it: an accent, a vowel sign, an emoji's modifier."""
    if char < "\u0300":
        return False
    code = ord(char)
    return (
        char == _JOINER
        or unicodedata.category(char)[0] == "M"
        or code in _SKIN_TONES
        or code in _EMOJI_TAGS
    )
