"""Prometheus metrics of what clients got, made at the request's own boundary.

Generation leaves each choice's Finish in the request's record; RequestMiddleware hands the record over when the response
ended, broke or was abandoned. vLLM's own `vllm:*` metrics stay as they are on the same page.
"""

import time
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import Scope

from ..finish import RESCUED_KINDS, RUNAWAY_KINDS, Finish, SetBy, StopKind
from .adapter_metrics import AdapterMetrics
from .buckets import RATIO_BUCKETS, SECOND_BUCKETS, TOKEN_BUCKETS
from .http_metrics import HttpMetrics, rejection_reason
from .request_record import ObserveGap, RequestRecord


class Metrics:
    """The collectors, registered once in `registry`. The label `adapter` only holds names of the catalog."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.http = HttpMetrics(registry)
        self.adapters = AdapterMetrics(registry)
        by_adapter, by_kind = ("adapter",), ("adapter", "kind")
        self._generation_tokens = Histogram(
            "endturn_generation_tokens",
            "Tokens generated for one answer, the end token included",
            by_kind,
            buckets=TOKEN_BUCKETS,
            registry=registry,
        )
        self._limit_ratio = Histogram(
            "endturn_generation_limit_ratio",
            "Tokens generated for one answer, as a share of the limit it had",
            by_adapter,
            buckets=RATIO_BUCKETS,
            registry=registry,
        )
        self._trimmed_tokens = Counter(
            "endturn_trimmed_tokens",
            "Tokens that were generated and not returned, because the answer ended before them",
            by_adapter,
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
            buckets=TOKEN_BUCKETS,
            registry=registry,
        )
        self._rescued = Counter(
            "endturn_rescued",
            "Answers that did not end by themselves and were ended in the right place",
            by_kind,
            registry=registry,
        )
        self._rescued_tokens = Histogram(
            "endturn_rescued_generation_tokens",
            "How long a rescued answer was",
            by_kind,
            buckets=TOKEN_BUCKETS,
            registry=registry,
        )
        self._request_seconds = Histogram(
            "endturn_request_seconds",
            "From the request to the last byte of its answer",
            by_adapter,
            buckets=SECOND_BUCKETS,
            registry=registry,
        )
        self._first_token_seconds = Histogram(
            "endturn_time_to_first_token_seconds",
            "From the request to the first token from the engine",
            by_adapter,
            buckets=SECOND_BUCKETS,
            registry=registry,
        )
        self._inter_token_seconds = Histogram(
            "endturn_inter_token_seconds",
            "Between two deltas of one answer from the engine, by the tokens of the later one",
            by_adapter,
            buckets=SECOND_BUCKETS,
            registry=registry,
        )
        self._missing_logprobs = Counter(
            "endturn_missing_logprobs",
            "Answers that failed because the engine left out what the stop head reads",
            by_adapter,
            registry=registry,
        )
        self.in_flight = Gauge(
            "endturn_requests_in_flight", "Requests being answered now", registry=registry
        )
        self.queued_requests = Gauge(
            "endturn_requests_queued",
            "Requests that were let in and have no token of an answer yet",
            registry=registry,
        )
        self.queued_tokens = Gauge(
            "endturn_prompt_tokens_queued",
            "Tokens of rendered prompts whose answer has no token yet",
            registry=registry,
        )

    def expect(self, adapter: str) -> None:
        """Let the series of `adapter` begin at 0: a rate does not see the increase that makes a series."""
        for kind in get_args(StopKind):
            self._stops.labels(adapter, kind)
        for kind in RUNAWAY_KINDS:
            self._runaway_tokens.labels(adapter, kind)
            for set_by in get_args(SetBy):
                self._runaway.labels(adapter, kind, set_by)
        for kind in RESCUED_KINDS:
            self._rescued.labels(adapter, kind)
            self._rescued_tokens.labels(adapter, kind)
        self._trimmed_tokens.labels(adapter)
        self._missing_logprobs.labels(adapter)

    def begin(self, record: RequestRecord, scope: Scope) -> None:
        """Count a request in; what posts something may generate."""
        if scope["method"] == "POST":
            record.gap_observer = self._gap_observer
            self.in_flight.inc()

    def end(self, record: RequestRecord, scope: Scope) -> None:
        """Count a request that is over, however it ended."""
        self.http.observe(scope, record.status, time.monotonic() - record.started_s)
        if scope["method"] == "POST":
            self.in_flight.dec()
            self.observe(record)

    def observe(self, record: RequestRecord) -> None:
        """Count a request that is over; what was generated only where it reached a model."""
        if record.status is not None and record.first_token_s is None:
            reason = rejection_reason(record.status, record.error_code)
            if reason is not None:
                self.http.reject(reason)
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
        self._limit_ratio.labels(adapter).observe(finish.num_tokens / finish.limit.value)
        self._trimmed_tokens.labels(adapter).inc(finish.num_trimmed_tokens)
        self._stops.labels(adapter, kind).inc()
        if kind in RUNAWAY_KINDS:
            self._runaway.labels(adapter, kind, finish.limit.set_by).inc()
            self._runaway_tokens.labels(adapter, kind).observe(finish.num_tokens)
        if kind in RESCUED_KINDS:
            self._rescued.labels(adapter, kind).inc()
            self._rescued_tokens.labels(adapter, kind).observe(finish.num_tokens)

    def _gap_observer(self, adapter: str) -> ObserveGap:
        return self._inter_token_seconds.labels(adapter).observe
