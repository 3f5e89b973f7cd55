"""How long a request may take, and how long the engine may be silent. What overruns is aborted in the engine.

One timer a request, which looks again when it fires: a token costs one note of the time, and no task.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

Overrun = Literal["deadline", "stall"]
Abort = Callable[[], Coroutine[Any, Any, None]]
# An abort that came before the engine knew of the request is lost; so it is said again.
_AGAIN_S = 1.0


class Watchdog:
    """The limits for every request of one engine, and when that engine last gave a token; None: no limit.

    A request that waits for its first token while others get theirs is queued: that is no stall.
    """

    def __init__(
        self,
        *,
        deadline_s: float | None = None,
        stall_timeout_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.deadline_s = deadline_s
        self.stall_timeout_s = stall_timeout_s
        self.clock = clock
        self.last_token_s = 0.0

    def watch(self, started_s: float, abort: Abort) -> "Watch":
        """Watch one request, which began at `started_s` of the clock and is ended by `abort`."""
        return Watch(self, started_s, abort)


class Watch:
    """One request being watched. `overrun` says what it ran into, once it did."""

    def __init__(self, watchdog: Watchdog, started_s: float, abort: Abort) -> None:
        self.overrun: Overrun | None = None
        self._watchdog = watchdog
        self._abort = abort
        self._clock = watchdog.clock
        self._began_s = self._clock()
        self._last_token_s: float | None = None
        self._ends_s = None if watchdog.deadline_s is None else started_s + watchdog.deadline_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._aborting: asyncio.Task[None] | None = None
        self._set_timer()

    def note_token(self) -> None:
        """Remember that a token came just now."""
        self._last_token_s = self._watchdog.last_token_s = self._clock()

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stalls_s(self) -> float | None:
        """When the engine will have been silent for too long."""
        timeout_s = self._watchdog.stall_timeout_s
        if timeout_s is None:
            return None
        if self._last_token_s is not None:
            return self._last_token_s + timeout_s
        return max(self._began_s, self._watchdog.last_token_s) + timeout_s

    def _set_timer(self) -> None:
        times = [at for at in (self._ends_s, self._stalls_s()) if at is not None]
        if times:
            in_s = max(0.0, min(times) - self._clock())
            self._timer = self._loop.call_later(in_s, self._look)

    def _look(self) -> None:
        if self.overrun is None:
            self.overrun = self._overrun_by(self._clock())
        if self.overrun is None:
            self._set_timer()
            return
        self._aborting = self._loop.create_task(self._abort())
        self._aborting.add_done_callback(_take_error)
        self._timer = self._loop.call_later(_AGAIN_S, self._look)

    def _overrun_by(self, now_s: float) -> Overrun | None:
        if self._ends_s is not None and now_s >= self._ends_s:
            return "deadline"
        stalls_s = self._stalls_s()
        return "stall" if stalls_s is not None and now_s >= stalls_s else None


def _take_error(task: "asyncio.Task[None]") -> None:
    """An engine that cannot abort tells the request's own stream why."""
    if not task.cancelled():
        task.exception()
