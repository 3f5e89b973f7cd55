"""The geometry of the report's charts: numbers in, positions out. Pure; the template draws them as SVG.

Units are those of a viewBox WIDTH wide, about the pixels of a phone, so that text in a chart stays readable on one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..finish import RESCUED_KINDS, RUNAWAY_KINDS
from .example import Example
from .figures import RunFigures

WIDTH = 360
MARGIN = 8
INNER = WIDTH - 2 * MARGIN
ROW_HEIGHT = 46
BAR_HEIGHT = 18
CURVE_HEIGHT = 96
# A share is written into its bar where it fits.
LEAST_LABELLED = 0.09


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A rectangle; `label` is written into it, empty where there is no room, and `kind` gives it its colour."""

    x: float
    y: float
    width: float
    height: float
    kind: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of bars with a caption above."""

    caption: str
    y: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on the axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Rows of bars over one axis."""

    height: float
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """P(stop) token by token, the threshold, and where the answer was cut (None where it was not)."""

    height: float
    points: str
    threshold_y: float
    cut_x: float | None
    ticks: tuple[Tick, ...]


def length_chart(num_tokens: Mapping[str, Sequence[int]]) -> Bars:
    """One histogram a series, on one logarithmic axis; the bars are shares of the answers, to one scale."""
    longest = max(max(values) for values in num_tokens.values())
    edges = _half_octaves(longest)
    counted = {
        name: [
            sum(low <= value < high for value in values) / len(values)
            for low, high in pairwise(edges)
        ]
        for name, values in num_tokens.items()
    }
    scale = (ROW_HEIGHT - 6) / max(max(shares) for shares in counted.values())
    step = INNER / (len(edges) - 1)
    rows = []
    for at, (name, shares) in enumerate(counted.items()):
        y = at * (ROW_HEIGHT + 20) + 16
        bars = tuple(
            Bar(
                x=MARGIN + i * step + 0.5,
                y=y + ROW_HEIGHT - share * scale,
                width=step - 1,
                height=share * scale,
                kind=f"series-{at}",
            )
            for i, share in enumerate(shares)
            if share
        )
        mean = sum(num_tokens[name]) / len(num_tokens[name])
        rows.append(Row(caption=f"{name}: {mean:.0f} tokens on average", y=y, bars=bars))
    ticks = tuple(
        Tick(MARGIN + i * step, str(edge))
        for i, edge in enumerate(edges[:-1])
        if (len(edges) - i) % 2 == 0
    )
    return Bars(height=len(rows) * (ROW_HEIGHT + 20) + 18, rows=tuple(rows), ticks=ticks)


def kind_chart(runs: Sequence[RunFigures]) -> Bars:
    """One bar a way to ask, cut into stop kinds: those that ended by themselves, then rescued ones, then runaways."""
    rows = []
    for at, run in enumerate(runs):
        y, x = at * (BAR_HEIGHT + 24) + 16, float(MARGIN)
        bars = []
        for kind in sorted(run.kinds, key=_kind_order):
            share = run.kinds[kind] / run.num_answers
            label = f"{share:.0%}" if share >= LEAST_LABELLED else ""
            bars.append(
                Bar(
                    x=x,
                    y=y,
                    width=share * INNER,
                    height=BAR_HEIGHT,
                    kind=kind_class(kind),
                    label=label,
                )
            )
            x += share * INNER
        rows.append(Row(caption=run.name, y=y, bars=tuple(bars)))
    return Bars(height=len(rows) * (BAR_HEIGHT + 24) + 4, rows=tuple(rows))


def kind_class(kind: str) -> str:
    """How a stop kind is coloured: by what it means, then by which it is."""
    group = "itself"
    if kind in RESCUED_KINDS:
        group = "rescued"
    elif kind in RUNAWAY_KINDS:
        group = "runaway"
    return f"{group} {kind.replace('_', '-')}"


def stop_curve(example: Example) -> Curve | None:
    """The stop head along one answer; None where there is no head."""
    values = example.probabilities
    if example.threshold is None or not values:
        return None
    step = INNER / max(1, len(values) - 1)
    points = " ".join(
        f"{MARGIN + i * step:.1f},{_curve_y(value):.1f}" for i, value in enumerate(values)
    )
    cut = MARGIN + example.num_shown * step if example.num_shown < len(values) else None
    every = max(1, len(values) // 5)
    return Curve(
        height=CURVE_HEIGHT + 18,
        points=points,
        threshold_y=_curve_y(example.threshold),
        cut_x=cut,
        ticks=tuple(Tick(MARGIN + i * step, str(i)) for i in range(0, len(values), every)),
    )


def _curve_y(probability: float) -> float:
    return CURVE_HEIGHT - probability * (CURVE_HEIGHT - 12)


def _kind_order(kind: str) -> tuple[int, str]:
    group = kind_class(kind).split()[0]
    return ("itself", "rescued", "runaway").index(group), kind


def _half_octaves(longest: int) -> list[int]:
    """Edges 0, 1, 2, 3, 4, 6, 8, 11, 16, ... past `longest`: each is about 1.4 times the one before."""
    edges, exponent = [0, 1, 2], 3
    while edges[-1] <= longest:
        edges.append(max(edges[-1] + 1, round(2 ** (exponent / 2))))
        exponent += 1
    return edges
