"""Ctrl-C and SIGTERM while the engine starts: that blocks the event loop, which would otherwise hear of them only afterwards."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What the start gets to end by itself; then the engine's processes are ended for it.
GRACE_S = 3.0
CHILDREN_GET_S = 5.0


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, both signals end the program, with status 130 or 143 as a shell would say it.

    asyncio.run answers Ctrl-C by cancelling its task, which has to wait for the loop; SIGTERM would leave the engine's
    processes behind. And vLLM 0.32.0 waits for its engine in a poll of pyzmq 27, which drops what a signal handler raises
    and polls on: so what has not ended in GRACE_S is ended from another thread.

    Raises:
        KeyboardInterrupt: SIGINT came.
        SystemExit: SIGTERM came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timers: list[threading.Timer] = []

    def leave(number: int, _: FrameType | None) -> None:
        timer = threading.Timer(GRACE_S, _end_all, args=(128 + number,))
        timer.daemon = True
        timers.append(timer)
        timer.start()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    kept = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        for timer in timers:
            timer.cancel()


def _end_all(status: int) -> None:
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    until = time.monotonic() + CHILDREN_GET_S
    for child in children:
        child.join(max(0.0, until - time.monotonic()))
        if child.is_alive():
            child.kill()
    os._exit(status)
