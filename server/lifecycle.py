"""The server's own state: starting, ready, draining, engine dead. Who may be answered, and when to leave."""

import asyncio
import logging

from .engine import Engine
from .errors import EngineDeadError, Unavailable

logger = logging.getLogger(__name__)


class Lifecycle:
    """Readiness flips before draining starts; open requests are counted so that leaving can wait for them."""

    def __init__(self) -> None:
        self._ready = False
        self._engine_died = False
        # Each open request, and by which ids the engine knows it.
        self._open: dict[str, tuple[str, ...]] = {}
        self._changed = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        return self._ready and not self._engine_died

    @property
    def engine_died(self) -> bool:
        return self._engine_died

    def become_ready(self) -> None:
        self._ready = True

    def start_draining(self) -> None:
        """Refuse new requests from now on."""
        self._ready = False

    def note_engine_death(self) -> None:
        """Refuse everything from now on; the process is to end."""
        self._engine_died = True
        self._changed.set()

    def admit(self, request_id: str) -> None:
        """Count a request in.

        Raises:
            Unavailable: the server is starting, draining or has lost its engine.
        """
        if self._engine_died:
            raise Unavailable("the engine died, the server restarts", code="engine_dead")
        if not self._ready:
            raise Unavailable("the server is not taking requests now", code="not_ready")
        self._open[request_id] = (request_id,)

    def split(self, request_id: str, engine_ids: tuple[str, ...]) -> None:
        """Remember that an open request is several for the engine."""
        self._open[request_id] = engine_ids

    def release(self, request_id: str) -> None:
        """Count a request out."""
        self._open.pop(request_id, None)
        self._changed.set()

    async def wait_until_idle(self, timeout_s: float) -> frozenset[str]:
        """Wait for every open request to end; the ids of those that did not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._open and not self._engine_died:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return frozenset(self._open)

    async def abort_all(self, engine: Engine) -> None:
        """End every open request; each client gets a last event that says why."""
        for engine_id in [engine_id for ids in self._open.values() for engine_id in ids]:
            await engine.abort(engine_id)

    async def watch_engine(self, engine: Engine, interval_s: float = 1.0) -> None:
        """Return when the engine has died, whether or not a request noticed."""
        while not self._engine_died:
            try:
                await engine.check_health()
            except EngineDeadError as exc:
                logger.error("the engine died: %s", exc)  # noqa: TRY400  (the trace is the engine's, in its log)
                self.note_engine_death()
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(interval_s):
                    await self._changed.wait()
            except TimeoutError:
                continue
