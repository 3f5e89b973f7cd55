"""What a server did between two readings of its /metrics: one row an adapter, and a line about the whole.

Pure: page text in, values out. Knows the names of our metrics, and nothing of HTTP or terminals.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

from ..errors import UnreadableServer

_PREFIX = "endturn_"
_OURS = "endturn_requests_in_flight"
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """One reading: when (monotonic seconds), and our samples by name."""

    at_s: float
    samples: Mapping[str, tuple[tuple[Labels, float], ...]]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples called `name` that have these labels."""
        return sum(value for _, value in self._matching(name, labels))

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The same, apart for each value of `label`."""
        found: dict[str, float] = {}
        for these, value in self._matching(name, labels):
            found[these[label]] = found.get(these[label], 0.0) + value
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample with these labels, None where it is not there."""
        return next((value for _, value in self._matching(name, labels)), None)

    def _matching(self, name: str, labels: Labels) -> Iterator[tuple[Labels, float]]:
        for these, value in self.samples.get(name, ()):
            if labels.items() <= these.items():
                yield these, value


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRow:
    """What one adapter did. Shares are of its answers; None where there were none, or where nothing is known.

    num_answers: that ended. runaway: a limit that the client set is left out, it may be a wish. p50, p95: their tokens. Rates are a second, None where there is one reading only. kinds: answers by
    stop kind, most first.
    """

    adapter: str
    state: str
    num_answers: int
    answers_per_s: float | None
    tokens_per_s: float | None
    kinds: dict[str, int]
    runaway: float | None
    learned_runaway: float | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All there is to show. `seconds` is the time between the readings, None where it all is since the server's start."""

    seconds: float | None
    num_in_flight: int
    answers_per_s: float | None
    tokens_per_s: float | None
    num_rejected: dict[str, int]
    rows: tuple[AdapterRow, ...] = field(default=())


def read_page(text: str, at_s: float) -> Scrape:
    """A /metrics page.

    Raises:
        UnreadableServer: it is not Prometheus text, or not endturn's.
    """
    samples: dict[str, list[tuple[Labels, float]]] = {}
    try:
        for family in text_string_to_metric_families(text):
            if family.name.startswith(_PREFIX):
                for sample in family.samples:
                    samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    except ValueError as exc:
        raise UnreadableServer(f"its /metrics is not Prometheus text ({exc})") from exc
    if _OURS not in samples:
        raise UnreadableServer(f"its /metrics has no {_OURS}: this is not an endturn server")
    return Scrape(at_s=at_s, samples={name: tuple(found) for name, found in samples.items()})


def frame(before: Scrape | None, now: Scrape) -> Frame:
    """What was done from `before` to `now`; since the start where there is no `before`, or the server restarted since."""
    if before is not None and _restarted(before, now):
        before = None
    names = sorted(now.by("adapter", "endturn_stops_total"))
    rows = tuple(_row(name, before, now) for name in names)
    seconds = None if before is None else now.at_s - before.at_s
    return Frame(
        seconds=seconds,
        num_in_flight=int(now.total(_OURS)),
        answers_per_s=_per_second(sum(row.num_answers for row in rows), seconds),
        tokens_per_s=_per_second(_growth("endturn_generation_tokens_sum", before, now), seconds),
        num_rejected=_counts(_growth_by("reason", "endturn_requests_rejected_total", before, now)),
        rows=tuple(sorted(rows, key=lambda row: (-(row.runaway or 0), -row.num_answers))),
    )


def quantile(share: float, cumulative: Mapping[str, float]) -> float | None:
    """The value that `share` of a histogram's observations do not exceed, linear within its bucket as in Prometheus.

    cumulative: counts by upper bound, `le` as it is written. None where nothing was observed.
    """
    bounds = sorted((float(bound), count) for bound, count in cumulative.items())
    total = bounds[-1][1] if bounds else 0
    if total <= 0:
        return None
    rank = share * total
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *bounds]):
        if count >= rank and count > below:
            return (
                low if math.isinf(high) else low + (high - low) * (rank - below) / (count - below)
            )
    return None


def _row(adapter: str, before: Scrape | None, now: Scrape) -> AdapterRow:
    kinds = _counts(_growth_by("kind", "endturn_stops_total", before, now, adapter=adapter))
    num_answers = sum(kinds.values())
    seconds = None if before is None else now.at_s - before.at_s
    runaway = sum(
        number
        for limit, number in _growth_by(
            "limit", "endturn_runaway_total", before, now, adapter=adapter
        ).items()
        if limit != "client"
    )
    tokens = _growth("endturn_generation_tokens_sum", before, now, adapter=adapter)
    lengths = _growth_by("le", "endturn_generation_tokens_bucket", before, now, adapter=adapter)
    return AdapterRow(
        adapter=adapter,
        state=_state(adapter, now),
        num_answers=num_answers,
        answers_per_s=_per_second(num_answers, seconds),
        tokens_per_s=_per_second(tokens, seconds),
        kinds=kinds,
        runaway=runaway / num_answers if num_answers else None,
        learned_runaway=now.value("endturn_adapter_learned_runaway_ratio", adapter=adapter),
        p50=quantile(0.5, lengths),
        p95=quantile(0.95, lengths),
    )


def _state(adapter: str, now: Scrape) -> str:
    states = now.by("state", "endturn_adapter_state", adapter=adapter)
    return next((state for state, value in states.items() if value == 1), "")


def _restarted(before: Scrape, now: Scrape) -> bool:
    """Counters only fall when a process begins anew."""
    counted = ("endturn_stops_total", "endturn_http_requests_total")
    return any(now.total(name) < before.total(name) for name in counted)


def _growth(name: str, before: Scrape | None, now: Scrape, **labels: str) -> float:
    return now.total(name, **labels) - (0.0 if before is None else before.total(name, **labels))


def _growth_by(
    label: str, name: str, before: Scrape | None, now: Scrape, **labels: str
) -> dict[str, float]:
    known = {} if before is None else before.by(label, name, **labels)
    return {
        key: value - known.get(key, 0.0) for key, value in now.by(label, name, **labels).items()
    }


def _counts(growth: Mapping[str, float]) -> dict[str, int]:
    """What grew, most first."""
    most_first = sorted(growth.items(), key=lambda item: -item[1])
    return {key: round(value) for key, value in most_first if value > 0}


def _per_second(number: float, seconds: float | None) -> float | None:
    return None if not seconds else number / seconds
