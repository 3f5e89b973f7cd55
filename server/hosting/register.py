"""The adapters of a server by name, with their states, as operators and metrics see them."""

import logging
from collections.abc import Iterator

from ..observing.metrics import Metrics
from ..served_model import ServedModel
from .hosted_adapter import AdapterState, HostedAdapter

logger = logging.getLogger(__name__)

# Names that failed or were unloaded stay, so many of them.
MAX_PAST = 100


class AdapterRegister:
    """One entry a name: what is served by it, what is on its way, or why it is not."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._hosted: dict[str, HostedAdapter] = {}

    def __iter__(self) -> Iterator[HostedAdapter]:
        return iter(list(self._hosted.values()))

    def get(self, name: str) -> HostedAdapter | None:
        """The entry of `name`."""
        return self._hosted.get(name)

    def served(self, name: str) -> HostedAdapter | None:
        """The entry of `name` where requests for it are let in."""
        hosted = self._hosted.get(name)
        if hosted is None or hosted.model is None or hosted.state == "draining":
            return None
        return hosted

    def put(self, hosted: HostedAdapter) -> HostedAdapter | None:
        """`hosted` is the entry of its name from now on; the one before."""
        before = self._hosted.get(hosted.name)
        self._hosted[hosted.name] = hosted
        self._metrics.adapters.set_state(hosted.name, hosted.state)
        return before if before is not hosted else None

    def expect(self, model: ServedModel) -> None:
        """Let the metrics of `model` begin at 0, and know what is normal for it."""
        self._metrics.expect(model.label)
        self._metrics.adapters.learn(model)

    def become(self, hosted: HostedAdapter, state: AdapterState, reason: str | None = None) -> None:
        """Note that `hosted` is in `state` now."""
        hosted.become(state, reason)
        logger.info("adapter %s: %s%s", hosted.name, state, f" ({reason})" if reason else "")
        if self._hosted.get(hosted.name) is hosted:
            self._metrics.adapters.set_state(hosted.name, state)
        if state in ("failed", "unloaded"):
            self._drop_past()

    def note_load(self, hosted: HostedAdapter, seconds: float) -> None:
        """Note how long the load took."""
        hosted.load_s = seconds
        self._metrics.adapters.observe_load(hosted.name, seconds)

    def _drop_past(self) -> None:
        past = [h for h in self if h.model is None and h.state in ("failed", "unloaded")]
        for hosted in sorted(past, key=lambda h: h.since_s)[:-MAX_PAST]:
            del self._hosted[hosted.name]
