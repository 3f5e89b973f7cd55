"""Prometheus metrics of the adapters themselves: where each is in its life, how long loading took, what is normal for it.

`endturn verify --write` measures what is normal; alert rules compare what clients get with it.
"""

import logging
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Gauge, Histogram
from pydantic import ValidationError

from adapters.verification_record import VerificationRecord

from ..finish import RESCUED_KINDS
from ..served_model import ServedModel
from .buckets import SECOND_BUCKETS

logger = logging.getLogger(__name__)

AdapterState = Literal["loading", "ready", "draining", "failed", "unloaded"]


class AdapterMetrics:
    """The collectors, registered once in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._state = Gauge(
            "endturn_adapter_state",
            "1 for the state an adapter is in, 0 for the others",
            ("adapter", "state"),
            registry=registry,
        )
        self._load_seconds = Histogram(
            "endturn_adapter_load_seconds",
            "From asking the engine for an adapter to its first words",
            ("adapter",),
            buckets=SECOND_BUCKETS,
            registry=registry,
        )
        self._learned_runaway = Gauge(
            "endturn_adapter_learned_runaway_ratio",
            "Share of answers that ran away when the adapter was verified, guards on",
            ("adapter",),
            registry=registry,
        )
        self._learned_rescued = Gauge(
            "endturn_adapter_learned_rescued_ratio",
            "Share of answers that were rescued when the adapter was verified, guards on",
            ("adapter",),
            registry=registry,
        )
        self._learned_tokens = Gauge(
            "endturn_adapter_learned_tokens_p95",
            "95 of 100 answers were at most this long when the adapter was verified, guards on",
            ("adapter",),
            registry=registry,
        )

    def set_state(self, adapter: str, state: AdapterState) -> None:
        """Say where `adapter` is in its life."""
        for name in get_args(AdapterState):
            self._state.labels(adapter, name).set(name == state)

    def observe_load(self, adapter: str, seconds: float) -> None:
        """Note how long a load took, to the first words of the adapter."""
        self._load_seconds.labels(adapter).observe(seconds)

    def learn(self, model: ServedModel) -> None:
        """Publish what is normal for `model`, where its profile says so."""
        record = _verification(model)
        if record is None:
            return
        kinds = record.guards_on.kinds
        num_rescued = sum(kinds.get(kind, 0) for kind in RESCUED_KINDS)
        self._learned_runaway.labels(model.label).set(record.guards_on.runaway.share)
        self._learned_rescued.labels(model.label).set(num_rescued / record.answers)
        if record.guards_on.tokens_p95 is not None:
            self._learned_tokens.labels(model.label).set(record.guards_on.tokens_p95)


def _verification(model: ServedModel) -> VerificationRecord | None:
    """The profile's `verification`; one that cannot be read costs its alerts, not the adapter."""
    written = None if model.profile is None else model.profile.verification
    if written is None:
        return None
    try:
        return VerificationRecord.model_validate(written)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        logger.warning(
            "adapter %s: verification.%s in endturn.json: %s; write it again: endturn verify --write",
            model.name,
            field,
            first["msg"],
        )
        return None
