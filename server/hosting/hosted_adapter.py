"""One adapter of a running server: where it is in its life, and why."""

import time
from dataclasses import dataclass, field
from typing import Literal

from ..served_model import ServedModel

AdapterState = Literal["loading", "ready", "draining", "failed", "unloaded"]


@dataclass(slots=True, kw_only=True)
class HostedAdapter:
    """`model` is what is served by this name, None before the first load and after the last.

    `reason` says why the state is failed; of one that is ready, why the weights that were to replace it were refused.
    Times are seconds of the epoch.
    """

    name: str
    source: str
    state: AdapterState
    model: ServedModel | None = None
    reason: str | None = None
    is_pinned: bool = False
    since_s: float = field(default_factory=time.time)
    last_used_s: float | None = None
    load_s: float | None = None

    def become(self, state: AdapterState, reason: str | None = None) -> None:
        """Enter `state` now."""
        self.state, self.reason, self.since_s = state, reason, time.time()
