"""Prometheus metrics of what clients got, made at the request's own boundary.

Generation leaves each choice's Finish in the request's record; MetricsMiddleware observes the record when the response
ends, breaks or is abandoned. vLLM's own `vllm:*` metrics stay as they are on the same page.
"""

import time
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Receive, Scope, Send

from .finish import RESCUED_KINDS, RUNAWAY_KINDS, Finish

RECORD_KEY = "endturn.record"
_TOKEN_BUCKETS = (
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    131_072,
)
_SECOND_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
)


@dataclass(slots=True)
class RequestRecord:
    """What one HTTP request came to. `adapter` stays None for requests that generate nothing."""

    adapter: str | None = None
    started_s: float = field(default_factory=time.monotonic)
    first_token_s: float | None = None
    finishes: list[Finish] = field(default_factory=list)
    lacked_logprobs: bool = False

    def note_first_token(self) -> None:
        """Remember when the first token came; later calls change nothing."""
        if self.first_token_s is None:
            self.first_token_s = time.monotonic()


class Metrics:
    """The collectors, registered once in `registry`. The label `adapter` only holds names of the catalog."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        by_kind = ("adapter", "kind")
        self._generation_tokens = Histogram(
            "endturn_generation_tokens",
            "Tokens generated for one answer, the end token included",
            by_kind,
            buckets=_TOKEN_BUCKETS,
            registry=registry,
        )
        self._stops = Counter(
            "endturn_stops", "Answers by how they ended", by_kind, registry=registry
        )
        self._runaway = Counter(
            "endturn_runaway",
            "Answers that had to be cut, and who set the limit they ran into",
            ("adapter", "kind", "limit"),
            registry=registry,
        )
        self._runaway_tokens = Histogram(
            "endturn_runaway_generation_tokens",
            "How long a runaway answer had become when it was cut",
            by_kind,
            buckets=_TOKEN_BUCKETS,
            registry=registry,
        )
        self._rescued = Counter(
            "endturn_rescued",
            "Answers that did not end by themselves and were ended in the right place",
            by_kind,
            registry=registry,
        )
        self._request_seconds = Histogram(
            "endturn_request_seconds",
            "From the request to the last byte of its answer",
            ("adapter",),
            buckets=_SECOND_BUCKETS,
            registry=registry,
        )
        self._first_token_seconds = Histogram(
            "endturn_time_to_first_token_seconds",
            "From the request to the first token from the engine",
            ("adapter",),
            buckets=_SECOND_BUCKETS,
            registry=registry,
        )
        self._missing_logprobs = Counter(
            "endturn_missing_logprobs",
            "Answers that failed because the engine left out what the stop head reads",
            ("adapter",),
            registry=registry,
        )
        self.in_flight = Gauge(
            "endturn_requests_in_flight", "Requests being answered now", registry=registry
        )

    def observe(self, record: RequestRecord) -> None:
        """Count a request that is over; one that never reached a model is not counted."""
        if record.adapter is None:
            return
        self._request_seconds.labels(record.adapter).observe(time.monotonic() - record.started_s)
        if record.first_token_s is not None:
            waited_s = record.first_token_s - record.started_s
            self._first_token_seconds.labels(record.adapter).observe(waited_s)
        if record.lacked_logprobs:
            self._missing_logprobs.labels(record.adapter).inc()
        for finish in record.finishes:
            self._observe_finish(record.adapter, finish)

    def _observe_finish(self, adapter: str, finish: Finish) -> None:
        kind = finish.cause.kind
        self._generation_tokens.labels(adapter, kind).observe(finish.num_tokens)
        self._stops.labels(adapter, kind).inc()
        if kind in RUNAWAY_KINDS:
            self._runaway.labels(adapter, kind, finish.limit.set_by).inc()
            self._runaway_tokens.labels(adapter, kind).observe(finish.num_tokens)
        if kind in RESCUED_KINDS:
            self._rescued.labels(adapter, kind).inc()


class MetricsMiddleware:
    """Gives each request a record and observes it once, however the response ends."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        record = RequestRecord()
        scope[RECORD_KEY] = record
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send)
        finally:
            self._metrics.in_flight.dec()
            self._metrics.observe(record)
