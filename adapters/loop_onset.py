"""Where a text begins to say again what it has said: word for word, or nearly so (a counter that goes up).

For whole texts that were let run, not for streams. Knows neither tokens nor models.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

# A sentence this long is hardly said twice by somebody who means to go on.
MIN_REPEATED_WORDS = 6
# What counts as nearly the same, by difflib's ratio over words.
MIN_SIMILARITY = 0.8
# Nearly equal sentences, one after another to the end of the text.
MIN_NEAR_REPEATS = 3
# A cycle without sentences: so many copies of a short one, so many words in all.
MIN_COPIES = 3
MIN_CYCLE_WORDS = 8
MAX_PERIOD = 200
# Each character of a script that is written without spaces is a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+|[^\w\s]")
_BREAK = re.compile(r"\s*\n\s*|(?<=[.!?\u2026])[ \t]+|(?<=[\u3002\uff01\uff1f])")
_CUT_WORD = re.compile(r"\w+\Z")
_NUMBER = re.compile(r"\d+")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


class _Sentence(NamedTuple):
    """A sentence, or a line without one. `words` as written, `shape` with all numbers as one."""

    start: int
    words: tuple[str, ...]
    shape: tuple[str, ...]

    @property
    def num_words(self) -> int:
        return sum(word[0].isalnum() for word in self.words)


def loop_onset(text: str, *, is_cut: bool) -> int | None:
    """Where the first repetition begins, as a character offset; None where nothing is said again.

    Args:
        is_cut: whether the text was ended from outside. Only such a text can be in a loop that goes on to its end; in one
            that ended by itself, whole sentences that were said before are all that counts.
    """
    sentences = _sentences(text)
    found = [_sentence_again(text, sentences)]
    if is_cut:
        whole = _CUT_WORD.sub("", text)
        found += [_near_repeats(_sentences(whole)), _cycle(whole, sentences)]
    return min((at for at in found if at is not None), default=None)


def in_code(text: str, at: int) -> bool:
    """Whether a place is in a fenced code block."""
    return len(_FENCE.findall(text, 0, at)) % 2 == 1


def words(text: str) -> tuple[str, ...]:
    """Words and punctuation, without white space."""
    return tuple(_WORD.findall(text))


def similarity(one: Sequence[str], other: Sequence[str]) -> float:
    """How alike two lists of words are, from 0 to 1."""
    # What cannot reach the bound is not compared in full.
    if 2 * min(len(one), len(other)) < MIN_SIMILARITY * (len(one) + len(other)):
        return 0.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _sentences(text: str) -> list[_Sentence]:
    found, start = [], 0
    for end, after in [*((m.start(), m.end()) for m in _BREAK.finditer(text)), (len(text), 0)]:
        body = text[start:end]
        if body.strip():
            first = start + len(body) - len(body.lstrip())
            said = words(body)
            found.append(_Sentence(first, said, tuple(_NUMBER.sub("0", word) for word in said)))
        start = after
    return found


def _sentence_again(text: str, sentences: Sequence[_Sentence]) -> int | None:
    """The first long sentence that was said before. Code repeats lines, so it does not count."""
    said = set()
    for sentence in sentences:
        if sentence.num_words >= MIN_REPEATED_WORDS and not in_code(text, sentence.start):
            if sentence.words in said:
                return sentence.start
            said.add(sentence.words)
    return None


def _near_repeats(sentences: Sequence[_Sentence]) -> int | None:
    """From where on every sentence, to the end, is nearly one before it."""
    onset = len(sentences)
    while onset > 1 and _was_said(sentences, onset - 1):
        onset -= 1
    # The last one was cut, and does not count by itself.
    return sentences[onset].start if len(sentences) - onset > MIN_NEAR_REPEATS else None


def _was_said(sentences: Sequence[_Sentence], at: int) -> bool:
    shape, is_last = sentences[at].shape, at == len(sentences) - 1
    for before in sentences[:at]:
        said = before.shape[: len(shape)] if is_last else before.shape
        if similarity(shape, said) >= MIN_SIMILARITY:
            return True
    return False


def _cycle(text: str, sentences: Sequence[_Sentence]) -> int | None:
    """The start of the second copy of what is repeated to the end, at a sentence's start where one is near."""
    said = [(match.start(), _NUMBER.sub("0", match.group())) for match in _WORD.finditer(text)]
    shapes = [shape for _, shape in said]
    number = len(shapes)
    best, best_period = number, 0
    for period in range(1, min(MAX_PERIOD, number // 2) + 1):
        first = number
        while first > period and shapes[first - 1] == shapes[first - 1 - period]:
            first -= 1
        copies = 2 if period >= MIN_CYCLE_WORDS else MIN_COPIES
        is_long = number - first >= max((copies - 1) * period, MIN_CYCLE_WORDS)
        if first < best and is_long and any(shape[0].isalpha() for shape in shapes[first:]):
            best, best_period = first, period
    if best == number:
        return None
    # The second copy may share its last words with what stands before the first: then it begins a little later.
    start, until = said[best][0], said[min(best + best_period, number - 1)][0]
    return next((s.start for s in sentences if start <= s.start < until), start)
