"""A guard against near loops: text that goes on and brings nothing new, whatever its counters say.

vLLM's `repetition_detection` sees exact cycles of tokens. This guard measures, as Whisper does, how well text compresses: the
last characters of the stream against what stands before them, with counted numbers written as differences, so that "12. Wash
the plate." after "11. Wash the plate." says nothing new. It never looks at what the text is about.
"""

import re
import zlib
from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import Literal

_NUMBER = re.compile(r"\d+")
_SINGLE_SPACE = re.compile(r"(?<=\S) (?=\S)")
_SENTENCE_MARK = re.compile(r"[.,:;?!'()\n\u3001\u3002\uff0c\uff01\uff1f\uff1a]")
# What of a separator tells one column of numbers from another.
_KEY_CHARS = 6
# Longer runs of digits are no counters.
_MAX_DIGITS = 9
_MAX_COLUMNS = 1000
# No loop ends with a stride that compresses less than this.
_STALE_RATIO = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """When a stream counts as a loop. Lengths are in characters, rounded up to whole strides.

    The last characters are a loop where they compress well enough, given up to `history` characters before them. How many
    and how well depends on what they are, because what was asked for must never be cut:

    - `exact`: the same characters again and again compress `min_ratio` times as they are; `word_share` of them are letters
      (not an empty board or table);
    - `prose`: sentences in which only numbers count compress `prose_ratio` times; letters, single spaces and sentence marks
      are `prose_share` of them. Less is reached by sixty answers that are yes or no;
    - `other`: anything else, such as markup, tables and code in which only numbers count, compresses `min_ratio` times.

    Counting to 200 and the hundred options of a select differ from a list that goes on for ever in nothing but length. So a
    list on request that is longer than these is cut, as is a sentence that is to be written fifty times, and a loop that is
    shorter, or whose turns differ by a few words, is let pass.
    """

    stride: int = 256
    history: int = 1536
    exact: int = 768
    prose: int = 1280
    other: int = 4096
    min_ratio: float = 32.0
    prose_ratio: float = 75.0
    prose_share: float = 0.85
    word_share: float = 0.25

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ValueError(f"stride is {self.stride}: it must be at least 1 character")
        for name in ("exact", "prose", "other"):
            if getattr(self, name) < self.stride:
                raise ValueError(
                    f"{name} is {getattr(self, name)}: it must be at least stride, {self.stride}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFound:
    """The evidence: of the stream's first `num_chars` characters the last `num_stale` compress `ratio` times."""

    num_chars: int
    num_stale: int
    ratio: float


@dataclass(frozen=True, slots=True)
class _Stride:
    """One piece of the stream, as it is and with counted numbers, and its shares of prose and letters."""

    plain: bytes
    coded: bytes
    prose: float
    letters: float


@dataclass(frozen=True, slots=True)
class _Rule:
    """So many strides, in this form, of at least this share of something, are a loop where they compress `min_ratio` times."""

    num_strides: int
    form: Literal["plain", "coded"]
    min_ratio: float
    share: Literal["prose", "letters"] = "letters"
    min_share: float = 0.0


def _rules(settings: LoopSettings) -> tuple[_Rule, ...]:
    exact, prose, other = (
        ceil(length / settings.stride)
        for length in (settings.exact, settings.prose, settings.other)
    )
    return (
        _Rule(exact, "plain", settings.min_ratio, "letters", settings.word_share),
        _Rule(prose, "coded", settings.prose_ratio, "prose", settings.prose_share),
        _Rule(other, "coded", settings.min_ratio),
    )


class LoopGuard:
    """Watches one stream; after a loop was found, nothing more is to be fed.

    Looks only where a multiple of `stride` characters is complete, so the result does not depend on how text is cut.
    Asked questions that repeat are a loop like any other; those that do not are for role markers and the stop head.
    """

    def __init__(self, settings: LoopSettings) -> None:
        self._stride = settings.stride
        self._rules = _rules(settings)
        self._unread: list[str] = []
        self._num_unread = 0
        self._num_chars = 0
        self._numbers = _NumberCoder()
        self._num_history = ceil(settings.history / settings.stride)
        longest = max(rule.num_strides for rule in self._rules)
        self._strides: deque[_Stride] = deque(maxlen=longest + self._num_history)

    def feed(self, text: str) -> LoopFound | None:
        """The loop that `text` completes, or None."""
        self._unread.append(text)
        self._num_unread += len(text)
        if self._num_unread < self._stride:
            return None
        unread = "".join(self._unread)
        num_whole = len(unread) - len(unread) % self._stride
        self._unread, self._num_unread = [unread[num_whole:]], len(unread) - num_whole
        for start in range(0, num_whole, self._stride):
            self._add(unread[start : start + self._stride])
            if (found := self._look()) is not None:
                return found
        return None

    def _add(self, text: str) -> None:
        self._num_chars += len(text)
        num_letters = sum(map(str.isalpha, text))
        num_marks = len(_SINGLE_SPACE.findall(text)) + len(_SENTENCE_MARK.findall(text))
        stride = _Stride(
            plain=text.encode(),
            coded=self._numbers.feed(text).encode(),
            prose=(num_letters + num_marks) / len(text),
            letters=num_letters / len(text),
        )
        self._strides.append(stride)

    def _look(self) -> LoopFound | None:
        strides = list(self._strides)
        if self._ratio(strides, 1, "coded") < _STALE_RATIO:
            return None
        for rule in self._rules:
            last = strides[-rule.num_strides :]
            if len(last) < rule.num_strides:
                continue
            if sum(getattr(stride, rule.share) for stride in last) < rule.min_share * len(last):
                continue
            ratio = self._ratio(strides, rule.num_strides, rule.form)
            if ratio >= rule.min_ratio:
                return LoopFound(
                    num_chars=self._num_chars,
                    num_stale=rule.num_strides * self._stride,
                    ratio=round(ratio, 1),
                )
        return None

    def _ratio(self, strides: list[_Stride], number: int, form: Literal["plain", "coded"]) -> float:
        """How many times the last strides compress for a reader who has those before."""
        pieces = [stride.plain if form == "plain" else stride.coded for stride in strides]
        history = b"".join(pieces[-number - self._num_history : -number])
        data = b"".join(pieces[-number:])
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, history)
        return number * self._stride / (len(deflate.compress(data)) + len(deflate.flush()))


class _NumberCoder:
    """Writes a number as its difference to the last one in the same column: after the same separators."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}
        self._separator = ""  # before the last number
        self._gap = ""  # after it, its last characters
        self._digits = ""

    def feed(self, text: str) -> str:
        """The coded text; digits at its end wait for those that may follow."""
        text = self._digits + text
        end = len(text)
        while end > 0 and text[end - 1].isdecimal() and len(text) - end < _MAX_DIGITS:
            end -= 1
        self._digits = text[end:]
        pieces: list[str] = []
        done = 0
        for found in _NUMBER.finditer(text, 0, end):
            between = text[done : found.start()]
            pieces += (between, self._difference((self._gap + between)[-_KEY_CHARS:], found[0]))
            self._gap, done = "", found.end()
        self._gap = (self._gap + text[done:end])[-_KEY_CHARS:]
        return "".join((*pieces, text[done:end]))

    def _difference(self, separator: str, digits: str) -> str:
        column = (self._separator, separator)
        self._separator = separator
        if len(digits) > _MAX_DIGITS:
            return digits
        if len(self._last) > _MAX_COLUMNS:
            self._last.clear()
        number, last = int(digits), self._last.get(column)
        self._last[column] = number
        return digits if last is None else f"\x01{number - last}\x02"
