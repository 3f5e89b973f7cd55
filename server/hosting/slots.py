"""Which adapters generate now, and which the engine holds: fair turns where there are more adapters than slots.

The engine batches at most `num_slots` adapters (vLLM's `max_loras`) and holds `capacity` of them (`max_cpu_loras`). Its
scheduler passes over a request whose adapter has no slot for any later one whose adapter has (vllm 0.32.0,
v1/core/sched/scheduler.py): a busy adapter would keep a waiting one out for ever. And a request whose adapter is not held
makes it read the weights in the middle of a step, where an error kills it. So both are decided here, before the engine is asked.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ..engine import Engine, EngineAdapter

# An adapter keeps a slot that others wait for at least so long: changing it costs more than a few tokens.
TURN_S = 0.5


@dataclass(slots=True)
class _Slot:
    """An adapter that generates: how many requests it has in the engine, and since when it has its turn."""

    adapter: EngineAdapter
    since_s: float
    num_requests: int = 0


@dataclass(slots=True)
class _Queue:
    """Requests that wait for a slot for their adapter."""

    adapter: EngineAdapter
    entries: list["asyncio.Future[None]"] = field(default_factory=list)


class AdapterSlots:
    """Hands out leases: while one is held, the adapter's weights stay in the engine and may be in a batch."""

    def __init__(
        self,
        engine: Engine,
        *,
        turn_s: float = TURN_S,
        check: Callable[[EngineAdapter], Awaitable[None]] | None = None,
    ) -> None:
        """`check` looks at an adapter's files before the engine reads them."""
        self._engine = engine
        self._num_slots = max(1, engine.num_adapter_slots)
        self._capacity = max(self._num_slots, engine.adapter_capacity)
        self._turn_s = turn_s
        self._check = check
        self._slots: dict[str, _Slot] = {}
        self._waiting: OrderedDict[str, _Queue] = OrderedDict()
        # The least recently used first.
        self._held: OrderedDict[str, EngineAdapter] = OrderedDict()
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._changing = asyncio.Lock()
        self._pinned: set[str] = set()
        self.num_loads = 0

    @property
    def held(self) -> tuple[str, ...]:
        """Keys of the adapters in the engine, the least recently used first."""
        return tuple(self._held)

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a slot."""
        return sum(len(queue.entries) for queue in self._waiting.values())

    def num_requests(self, adapter: EngineAdapter) -> int:
        """Requests that hold a lease for `adapter`, or wait for one."""
        slot, queue = self._slots.get(adapter.key), self._waiting.get(adapter.key)
        return (slot.num_requests if slot else 0) + (len(queue.entries) if queue else 0)

    @asynccontextmanager
    async def lease(self, adapter: EngineAdapter | None) -> AsyncIterator[None]:
        """Wait until `adapter` may generate, its weights in the engine; the base (None) always may.

        Raises:
            StartError: its weights cannot be loaded; other adapters are not concerned.
            EngineDeadError: the engine died.
        """
        if adapter is None:
            yield
            return
        await self._enter(adapter)
        try:
            await self._hold(adapter)
            yield
        finally:
            self._leave(adapter)

    async def pin(self, adapter: EngineAdapter) -> bool:
        """Keep `adapter` in the engine, with a slot of its own; False where that would leave none for the others."""
        if len(self._pinned | {adapter.key}) >= self._num_slots:
            return False
        async with self.lease(adapter):
            self._pinned.add(adapter.key)
        return True

    def unpin(self, adapter: EngineAdapter) -> None:
        """Let `adapter` give way to others again."""
        self._pinned.discard(adapter.key)
        self._let_in()

    async def forget(self, adapter: EngineAdapter) -> None:
        """Take `adapter` out of the engine. Nobody may hold a lease for it.

        Raises:
            EngineDeadError: the engine died.
        """
        self.unpin(adapter)
        async with self._changing:
            if self._held.pop(adapter.key, None) is not None:
                await self._engine.remove_adapter(adapter)

    async def _enter(self, adapter: EngineAdapter) -> None:
        slot = self._slots.get(adapter.key)
        if slot is None and self._has_room_for(adapter.key):
            slot = self._slots[adapter.key] = _Slot(adapter, time.monotonic())
        if slot is not None and not self._gives_way(slot):
            slot.num_requests += 1
            return
        entry: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(adapter.key, _Queue(adapter)).entries.append(entry)
        try:
            await entry
        except asyncio.CancelledError:
            if entry.cancelled():
                self._drop(adapter.key, entry)
            else:
                self._leave(adapter)  # it was let in at the same moment
            raise

    def _drop(self, key: str, entry: "asyncio.Future[None]") -> None:
        queue = self._waiting.get(key)
        if queue is None or entry not in queue.entries:
            return  # its adapter was let in while it was leaving
        queue.entries.remove(entry)
        if not queue.entries:
            del self._waiting[key]
            self._let_in()

    def _has_room_for(self, key: str) -> bool:
        return len(self._slots.keys() | self._pinned | {key}) <= self._num_slots

    def _outside(self) -> list[str]:
        """Who waits without a slot, the first come first."""
        return [key for key in self._waiting if key not in self._slots]

    def _gives_way(self, slot: _Slot) -> bool:
        """Whether new requests of this slot's adapter wait until one that has none has had it.

        As many slots give way as adapters wait without one: those that had their turn longest.
        """
        if slot.adapter.key in self._waiting:
            return True  # its earlier requests come first
        if slot.adapter.key in self._pinned or time.monotonic() - slot.since_s < self._turn_s:
            return False
        movable = [s for key, s in self._slots.items() if key not in self._pinned]
        movable.sort(key=lambda s: s.since_s)
        return slot in movable[: len(self._outside())]

    def _leave(self, adapter: EngineAdapter) -> None:
        slot = self._slots[adapter.key]
        slot.num_requests -= 1
        if not slot.num_requests:
            del self._slots[adapter.key]
            self._let_in()

    def _let_in(self) -> None:
        """Give free slots to those that wait, the first come first; with an adapter come all its requests."""
        for key in self._outside():
            if self._has_room_for(key):
                self._admit(key)
        if not self._outside():
            # What these gave way to has its slot, or has gone.
            for key in list(self._waiting):
                self._admit(key)

    def _admit(self, key: str) -> None:
        queue = self._waiting.pop(key)
        # One that is leaving at this moment has cancelled its entry.
        entries = [entry for entry in queue.entries if not entry.done()]
        if entries and key not in self._slots:
            self._slots[key] = _Slot(queue.adapter, time.monotonic())
        for entry in entries:
            entry.set_result(None)
            self._slots[key].num_requests += 1

    async def _hold(self, adapter: EngineAdapter) -> None:
        while adapter.key not in self._held:
            task = self._loading.get(adapter.key)
            if task is None:
                task = self._loading[adapter.key] = asyncio.create_task(self._load(adapter))
                task.add_done_callback(_retrieve)
            # A client that leaves must not end the load that others wait for.
            await asyncio.shield(task)
        self._held.move_to_end(adapter.key)

    async def _load(self, adapter: EngineAdapter) -> None:
        try:
            if self._check is not None:
                await self._check(adapter)
            async with self._changing:
                if not self._is_needed(adapter.key):
                    return  # everybody who asked has left; there may be no room
                while len(self._held) >= self._capacity:
                    idle = next(key for key in self._held if not self._is_needed(key))
                    await self._engine.remove_adapter(self._held.pop(idle))
                await self._engine.add_adapter(adapter)
                self._held[adapter.key] = adapter
                self.num_loads += 1
        finally:
            del self._loading[adapter.key]

    def _is_needed(self, key: str) -> bool:
        return key in self._slots or key in self._pinned


def _retrieve(done: "asyncio.Task[None]") -> None:
    """Those that waited for the load have its error; perhaps nobody is left."""
    if not done.cancelled():
        done.exception()
