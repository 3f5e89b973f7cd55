"""How things are counted: shares with their intervals, lengths, and how much of a reference a text has. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from adapters.stop_curve import interval

_WORD = re.compile(r"\w+")
# Scripts written without spaces: each character is a word.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]")


@dataclass(frozen=True, slots=True)
class Rate:
    """A count out of a total, as a share with its 95% interval (Wilson). Of nothing, nothing is known: 0 to 1."""

    count: int
    total: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Lengths:
    """Answers by their number of tokens."""

    mean: float
    median: int
    p95: int
    longest: int


def rate(count: int, total: int) -> Rate:
    """`count` of `total`."""
    if total == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    found = interval(count, total)
    return Rate(count, total, found.share, found.low, found.high)


def quantile(values: Sequence[int], share: float) -> int:
    """The least value that at least `share` of all values do not exceed (nearest rank)."""
    return sorted(values)[max(1, ceil(share * len(values))) - 1]


def lengths(values: Sequence[int]) -> Lengths:
    """The distribution of at least one number of tokens."""
    return Lengths(
        mean=sum(values) / len(values),
        median=quantile(values, 0.5),
        p95=quantile(values, 0.95),
        longest=max(values),
    )


def words(text: str) -> list[str]:
    """Words in small letters, without punctuation."""
    spaced = _UNSPACED.sub(lambda found: f" {found[0]} ", text.lower())
    return _WORD.findall(spaced)


def word_f1(text: str, reference: str) -> float:
    """How much two texts have in common, 0 to 1: the F1 of their words, each counted as often as it occurs in both.

    The measure of SQuAD (Rajpurkar et al., 2016), articles kept. What runs on costs precision, what is cut costs recall.
    """
    said, wanted = Counter(words(text)), Counter(words(reference))
    if not said or not wanted:
        return float(said == wanted)
    return 2 * (said & wanted).total() / (said.total() + wanted.total())
