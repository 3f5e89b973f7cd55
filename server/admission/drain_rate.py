"""How fast the queue moves: first tokens a second of late, and what that makes of a wait. Pure; the clock is an argument."""

import math
import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 60.0
MAX_NOTED = 512
MIN_WAIT_S, MAX_WAIT_S = 1, 60
# Where nothing is known yet.
UNKNOWN_WAIT_S = 5


class DrainRate:
    """Remembers the last MAX_NOTED first tokens of the last WINDOW_S."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._noted: deque[float] = deque(maxlen=MAX_NOTED)

    def note(self) -> None:
        """A request that waited got its first token just now."""
        self._noted.append(self._clock())

    def wait_s(self, num_waiting: int) -> int:
        """Whole seconds until this many requests will have their first token, from MIN_WAIT_S to MAX_WAIT_S."""
        now_s = self._clock()
        while self._noted and self._noted[0] < now_s - WINDOW_S:
            self._noted.popleft()
        if not self._noted:
            return UNKNOWN_WAIT_S
        # A burst within one second says nothing of the next.
        seconds = max(1.0, now_s - self._noted[0])
        wait_s = math.ceil(num_waiting * seconds / len(self._noted))
        return min(MAX_WAIT_S, max(MIN_WAIT_S, wait_s))
