"""Which adapters generate and which are held: limits that always hold, turns that come, and what a failed load costs."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from server.engine import EngineAdapter
from server.errors import StartError
from server.hosting.slots import AdapterSlots
from tests.fakes import ScriptedEngine


def adapter(name: str) -> EngineAdapter:
    return EngineAdapter(key=name, path=Path("/nowhere") / name, rank=8)


class CountingEngine(ScriptedEngine):
    """Holds what it was given, and complains where a real one would lose weights or hold too many."""

    def __init__(self, num_slots: int, capacity: int) -> None:
        super().__init__()
        self.num_adapter_slots, self.adapter_capacity = num_slots, capacity
        self.holds: set[str] = set()
        self.broken: set[str] = set()

    async def add_adapter(self, adapter: EngineAdapter) -> None:
        await asyncio.sleep(0)
        if adapter.key in self.broken:
            raise StartError(f"{adapter.key}: broken")
        self.holds.add(adapter.key)
        self.loaded.append(adapter)
        assert len(self.holds) <= self.adapter_capacity

    async def remove_adapter(self, adapter: EngineAdapter) -> None:
        await asyncio.sleep(0)
        self.holds.remove(adapter.key)
        self.removed.append(adapter)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Client:
    """One request: waits for its lease, keeps it until it is told to end."""

    def __init__(self, slots: AdapterSlots, adapter: EngineAdapter) -> None:
        self.entered = asyncio.Event()
        self._end = asyncio.Event()
        self.task = asyncio.create_task(self._run(slots, adapter))

    async def _run(self, slots: AdapterSlots, adapter: EngineAdapter) -> None:
        async with slots.lease(adapter):
            self.entered.set()
            await self._end.wait()

    async def end(self) -> None:
        self._end.set()
        await self.task
        await settle()


@pytest.mark.parametrize("seed", range(30))
async def test_limits_hold_and_everybody_comes_in(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  (a walk that can be walked again)
    num_slots = chance.choice([1, 2, 3])
    engine = CountingEngine(num_slots, num_slots + chance.choice([0, 0, 1, 3]))
    slots = AdapterSlots(engine, turn_s=chance.choice([0.0, 0.001]))
    names = [f"a{number}" for number in range(chance.choice([2, 4, 8]))]
    open_by_name: Counter[str] = Counter()
    num_in = 0

    async def request(name: str) -> None:
        nonlocal num_in
        async with slots.lease(adapter(name)):
            assert name in engine.holds, "it generates without its weights"
            open_by_name[name] += 1
            try:
                assert sum(number > 0 for number in open_by_name.values()) <= num_slots
                for _ in range(chance.randrange(6)):
                    await asyncio.sleep(0)
                    assert name in engine.holds
            finally:
                open_by_name[name] -= 1
        num_in += 1

    tasks = []
    for _ in range(200):
        tasks.append(asyncio.create_task(request(chance.choice(names))))
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        if chance.random() < 0.2:
            chance.choice(tasks).cancel()
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [e for e in ended if e is not None and not isinstance(e, asyncio.CancelledError)]
    assert num_in == sum(e is None for e in ended)
    assert slots.num_waiting == 0
    assert all(slots.num_requests(adapter(name)) == 0 for name in names)
    assert set(slots.held) == engine.holds


async def test_a_busy_adapter_gives_way() -> None:
    engine = CountingEngine(1, 4)
    slots = AdapterSlots(engine, turn_s=0.0)
    first = Client(slots, adapter("busy"))
    await first.entered.wait()
    outsider = Client(slots, adapter("quiet"))
    await settle()
    later = Client(slots, adapter("busy"))
    await settle()
    assert not outsider.entered.is_set()
    assert not later.entered.is_set(), "it passed one that came before it"
    await first.end()
    assert outsider.entered.is_set()
    assert not later.entered.is_set()
    await outsider.end()
    assert later.entered.is_set()
    await later.end()


async def test_a_turn_is_not_cut_short() -> None:
    slots = AdapterSlots(CountingEngine(1, 4), turn_s=60.0)
    first = Client(slots, adapter("busy"))
    await first.entered.wait()
    outsider, later = Client(slots, adapter("quiet")), Client(slots, adapter("busy"))
    await settle()
    assert later.entered.is_set()
    for client in (first, later, outsider):
        await client.end()


async def test_only_as_many_give_way_as_wait() -> None:
    slots = AdapterSlots(CountingEngine(2, 4), turn_s=0.0)
    older = Client(slots, adapter("older"))
    await older.entered.wait()
    newer = Client(slots, adapter("newer"))
    await newer.entered.wait()
    outsider = Client(slots, adapter("quiet"))
    await settle()
    second_of_newer, second_of_older = (
        Client(slots, adapter("newer")),
        Client(slots, adapter("older")),
    )
    await settle()
    assert second_of_newer.entered.is_set()
    assert not second_of_older.entered.is_set()
    outsider.task.cancel()
    await settle()
    assert second_of_older.entered.is_set(), "nobody is left to give way to"
    for client in (older, newer, second_of_newer, second_of_older):
        await client.end()


async def test_the_least_recently_used_leaves() -> None:
    engine = CountingEngine(1, 2)
    slots = AdapterSlots(engine)
    for name in ("a", "b", "a", "c"):
        async with slots.lease(adapter(name)):
            pass
    assert [a.key for a in engine.removed] == ["b"]
    assert slots.held == ("a", "c")
    assert slots.num_loads == 3


async def test_a_load_is_shared_and_outlives_a_client_that_leaves() -> None:
    engine = CountingEngine(1, 2)
    slots = AdapterSlots(engine)
    leaving, staying = Client(slots, adapter("a")), Client(slots, adapter("a"))
    await asyncio.sleep(0)
    leaving.task.cancel()
    await settle()
    assert staying.entered.is_set()
    assert [a.key for a in engine.loaded] == ["a"]
    await staying.end()


async def test_a_load_that_fails_is_told_to_all_and_tried_again() -> None:
    engine = CountingEngine(1, 2)
    engine.broken.add("a")
    slots = AdapterSlots(engine)
    both = await asyncio.gather(
        *(Client(slots, adapter("a")).task for _ in range(2)), return_exceptions=True
    )
    assert [str(exc) for exc in both] == ["a: broken"] * 2
    async with slots.lease(adapter("b")):
        pass
    engine.broken.clear()
    async with slots.lease(adapter("a")):
        pass
    assert set(slots.held) == {"a", "b"}


async def test_files_are_looked_at_before_the_engine_reads_them() -> None:
    async def check(adapter: EngineAdapter) -> None:
        raise StartError(f"{adapter.key}: has changed")

    engine = CountingEngine(1, 2)
    slots = AdapterSlots(engine, check=check)
    with pytest.raises(StartError, match="a: has changed"):
        async with slots.lease(adapter("a")):
            pass
    assert engine.loaded == []


async def test_a_pinned_adapter_stays_and_leaves_a_slot_for_the_others() -> None:
    engine = CountingEngine(2, 2)
    slots = AdapterSlots(engine, turn_s=0.0)
    assert await slots.pin(adapter("pinned"))
    assert not await slots.pin(adapter("second")), "nobody else could generate"
    for name in ("a", "b", "c"):
        async with slots.lease(adapter(name)):
            assert "pinned" in engine.holds
    a = Client(slots, adapter("a"))
    await a.entered.wait()
    b = Client(slots, adapter("b"))
    await settle()
    assert not b.entered.is_set()
    async with slots.lease(adapter("pinned")):
        pass
    slots.unpin(adapter("pinned"))
    await settle()
    assert b.entered.is_set(), "the slot is free again"
    for client in (a, b):
        await client.end()


async def test_the_base_needs_no_slot_and_what_is_forgotten_is_gone() -> None:
    engine = CountingEngine(1, 1)
    slots = AdapterSlots(engine)
    async with slots.lease(adapter("a")), slots.lease(None):
        assert slots.held == ("a",)
    await slots.forget(adapter("a"))
    await slots.forget(adapter("a"))
    assert engine.holds == set()
    assert not slots.held
