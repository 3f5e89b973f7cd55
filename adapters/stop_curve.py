"""What stopping at a threshold does to answers whose right end is known: exact, early, missed, and cut inside a sentence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959964
# Thresholds looked at: finer than the differences that a few hundred answers can show.
THRESHOLDS = tuple(round(0.01 * i, 2) for i in range(1, 100))


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its 95% interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Counts of answers at one threshold. `inside` are those of the `early` that end where no answer may end."""

    threshold: float
    exact: int
    early: int
    missed: int
    inside: int

    @property
    def num_answers(self) -> int:
        return self.exact + self.early + self.missed


def stop_curve(
    probabilities: Sequence[NDArray[np.float64]],
    may_end: Callable[[int, int], bool],
    thresholds: Sequence[float] = THRESHOLDS,
) -> tuple[CurvePoint, ...]:
    """One point a threshold, in the given order; an answer ends at its first probability over it.

    Args:
        probabilities: of each answer, after its first k tokens for k from 0 to all of them; the last is its right end.
        may_end: whether answer i may end after its first k tokens; asked for the places where one is cut.
    """
    exact, early, missed, inside = np.zeros((4, len(thresholds)), dtype=int)
    for i, values in enumerate(probabilities):
        # The first place over a threshold is where the running maximum passes it.
        first = np.searchsorted(np.maximum.accumulate(values), thresholds, side="right")
        last = len(values) - 1
        exact += first == last
        early += first < last
        missed += first > last
        for place in np.unique(first[first < last]):
            if not may_end(i, int(place)):
                inside += first == place
    return tuple(
        CurvePoint(threshold=t, exact=int(a), early=int(b), missed=int(c), inside=int(d))
        for t, a, b, c, d in zip(thresholds, exact, early, missed, inside, strict=True)
    )


def interval(count: int, total: int) -> Interval:
    """Share and 95% interval of `count` of `total`, by Wilson's score (E. B. Wilson, 1927): right for counts near 0 too."""
    if not 0 <= count <= total or total == 0:
        raise ValueError(f"{count} of {total} is no share")
    share = count / total
    z2 = Z_95**2 / total
    middle = (share + z2 / 2) / (1 + z2)
    half = Z_95 * sqrt(share * (1 - share) / total + z2 / (4 * total)) / (1 + z2)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))
