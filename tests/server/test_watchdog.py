"""Limits of time: what overruns is aborted, once and again until it is over; a queue is no stall."""

import asyncio

import pytest

from server.watchdog import Watch, Watchdog


class Aborts:
    """Counts aborts; the first `fail` of them raise."""

    def __init__(self, *, fail: int = 0) -> None:
        self.number = 0
        self._fail = fail

    async def __call__(self) -> None:
        self.number += 1
        if self.number <= self._fail:
            raise RuntimeError("no engine")


class Clock:
    """Stands still until it is set; `look` is what the timer would do then."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def look(self, watch: Watch, now_s: float) -> str | None:
        self.now_s = now_s
        watch._look()
        return watch.overrun


async def test_the_deadline_counts_from_the_request_and_tokens_do_not_move_it() -> None:
    clock, aborts = Clock(), Aborts()
    watch = Watchdog(deadline_s=10, clock=clock).watch(95.0, aborts)
    watch.note_token()
    assert clock.look(watch, 104.9) is None
    watch.note_token()
    assert clock.look(watch, 105.0) == "deadline"
    await asyncio.sleep(0)
    assert aborts.number == 1
    watch.close()


async def test_a_silent_engine_is_a_stall_and_a_token_puts_it_off() -> None:
    clock = Clock()
    watch = Watchdog(stall_timeout_s=10, clock=clock).watch(50.0, Aborts())
    assert clock.look(watch, 109.0) is None, "time before the engine had it does not count"
    watch.note_token()
    assert clock.look(watch, 118.0) is None
    assert clock.look(watch, 119.0) == "stall"
    watch.close()


async def test_waiting_for_a_first_token_while_others_get_theirs_is_no_stall() -> None:
    clock = Clock()
    watchdog = Watchdog(stall_timeout_s=10, clock=clock)
    queued, served = (watchdog.watch(100.0, Aborts()) for _ in range(2))
    clock.now_s = 108.0
    served.note_token()
    assert clock.look(queued, 117.0) is None
    queued.note_token()
    clock.now_s = 126.0
    served.note_token()
    assert clock.look(queued, 127.0) == "stall", "from its first token on its own count"
    assert clock.look(served, 127.0) is None
    for watch in (queued, served):
        watch.close()


async def test_an_abort_that_had_no_effect_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.watchdog._AGAIN_S", 0.01)
    aborts = Aborts(fail=1)
    watch = Watchdog(deadline_s=0.01).watch(0.0, aborts)
    async with asyncio.timeout(5):
        while aborts.number < 3:
            await asyncio.sleep(0.01)
    watch.close()
    number = aborts.number
    await asyncio.sleep(0.05)
    assert aborts.number == number


async def test_timers_fire_by_themselves() -> None:
    aborts = Aborts()
    watch = Watchdog(deadline_s=1e9, stall_timeout_s=0.01).watch(0.0, aborts)
    async with asyncio.timeout(5):
        while not aborts.number:
            await asyncio.sleep(0.01)
    watch.close()


async def test_without_limits_nothing_waits() -> None:
    watch = Watchdog().watch(0.0, Aborts())
    assert watch._timer is None
    watch.close()
