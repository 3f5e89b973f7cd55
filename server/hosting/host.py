"""Adapters that come and go while the server runs: load, prove, publish, replace, drain, remove.

Whoever asked for a model by name keeps what it was then, weights and template, until the answer is over: a name that gets
other weights is one assignment in the catalog, and old weights leave the engine when the last request that uses them has ended.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.types import Scope

from ..catalog import Catalog
from ..engine import Engine
from ..errors import (
    AdapterConflict,
    EngineDeadError,
    InvalidRequest,
    StartError,
    Unavailable,
    UnknownModel,
)
from ..observing.request_record import RequestRecord
from ..served_model import ServedModel
from ..sources import shown_source
from .hosted_adapter import HostedAdapter
from .probe import probe
from .register import AdapterRegister
from .slots import AdapterSlots
from .uses import ModelUses

logger = logging.getLogger(__name__)

# How a source becomes a model that can be served: its name, and where it is.
ReadAdapter = Callable[[str, str], Awaitable[ServedModel]]


async def read_nothing(name: str, source: str) -> ServedModel:
    """For a server that keeps the adapters it was started with."""
    raise StartError(
        f"{source}: {name!r} cannot be loaded: this server keeps the adapters it was started with"
    )


class AdapterHost:
    """The adapters of one server, by name. Observes requests, to know what is in use."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        register: AdapterRegister,
        *,
        slots: AdapterSlots | None = None,
        read: ReadAdapter = read_nothing,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._register = register
        self._slots = AdapterSlots(engine) if slots is None else slots
        self._read = read
        self._uses = ModelUses()
        self._changing: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def __iter__(self) -> Iterator[HostedAdapter]:
        """Every adapter that is, or lately was, served."""
        return iter(self._register)

    def num_in_flight(self, hosted: HostedAdapter) -> int:
        """Requests that use what `hosted` is now."""
        return 0 if hosted.model is None else self._uses.count(hosted.model)

    def is_in_engine(self, hosted: HostedAdapter) -> bool:
        """Whether the engine holds its weights now; if not, the next request waits for them."""
        adapter = None if hosted.model is None else hosted.model.adapter
        return adapter is not None and adapter.key in self._slots.held

    def begin(self, record: RequestRecord, scope: Scope) -> None:
        """Nothing: which model a request is for is in its body."""

    def end(self, record: RequestRecord, scope: Scope) -> None:  # noqa: ARG002  (an observer's)
        """A request is over, and with it its use of a model."""
        self._uses.drop(record.engine_id)

    def note_use(self, record: RequestRecord, model: ServedModel) -> None:
        """Until the request of `record` is over it uses `model`, as that is now."""
        self._uses.take(record.engine_id, model)
        if hosted := self._register.get(model.name):
            hosted.last_used_s = time.time()

    @asynccontextmanager
    async def lease(self, model: ServedModel) -> AsyncIterator[None]:
        """Wait until `model` may generate.

        Raises:
            Unavailable: its weights cannot be loaded again.
            EngineDeadError: the engine died.
        """
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._slots.lease(model.adapter))
            except StartError as exc:
                self._note_failure(model, exc)
                raise Unavailable(
                    f"the weights of {model.name!r} cannot be loaded now", code="adapter_failed"
                ) from exc
            hosted = self._register.get(model.name)
            if hosted is not None and hosted.state == "failed" and hosted.model is model:
                self._register.become(hosted, "ready")
            yield

    async def start(self, models: Sequence[ServedModel]) -> None:
        """Load and prove what the server starts with, before anyone can ask for it.

        Raises:
            StartError: the engine cannot take the weights of one, or gets nothing from them.
            EngineDeadError: the engine died.
        """
        for model in models:
            self._register.expect(model)
            if model.adapter is None:
                continue
            hosted = HostedAdapter(name=model.name, source=model.root, state="loading")
            self._register.put(hosted)
            try:
                await self._bring_in(hosted, model)
            except StartError as exc:
                self._register.become(hosted, "failed", str(exc))
                raise StartError(f"adapter {model.name!r}: {exc}") from exc

    async def load(
        self, name: str, source: str, *, in_place: bool = False, pinned: bool = False
    ) -> HostedAdapter:
        """Serve the adapter in `source` as `name`; returns when it is served, and goes on if the caller leaves.

        Raises:
            InvalidRequest: it cannot be served; what was served by this name before still is.
            AdapterConflict: the name is being loaded or unloaded at this moment.
        """
        if not in_place and self._register.served(name) is not None:
            raise InvalidRequest(
                f"lora_name: {name!r} is loaded already; load_inplace: true replaces it",
                param="lora_name",
                code="adapter_exists",
            )
        self._refuse_two_changes(name)
        self._changing.add(name)
        return await asyncio.shield(self._run(self._load(name, source, pinned=pinned)))

    async def unload(self, name: str, *, timeout_s: float) -> HostedAdapter:
        """Serve `name` no longer; open requests get their answers. Returns when it is out of the engine, or after `timeout_s`.

        Raises:
            UnknownModel: no adapter is served by this name.
            AdapterConflict: the name is being loaded or unloaded at this moment.
        """
        hosted = self._register.served(name)
        if hosted is None or hosted.model is None:
            raise UnknownModel(
                f"lora_name: no adapter {name!r:.200} is served",
                param="lora_name",
                code="model_not_found",
            )
        self._refuse_two_changes(name)
        self._catalog.withdraw(name)
        self._register.become(hosted, "draining")
        await asyncio.wait({self._run(self._remove(hosted, hosted.model))}, timeout=timeout_s)
        return hosted

    async def close(self) -> None:
        """Stop what goes on in the background."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _load(self, name: str, source: str, *, pinned: bool) -> HostedAdapter:
        current = self._register.served(name)
        hosted = HostedAdapter(name=name, source=shown_source(source), state="loading")
        if current is None:
            self._register.put(hosted)
        try:
            model = await self._read(name, source)
            self._register.expect(model)
            await self._bring_in(hosted, model, pinned=pinned)
        except StartError as exc:
            self._register.become(hosted, "failed", str(exc))
            if current is not None:
                current.reason = f"not replaced by {hosted.source}: {exc}"
            raise InvalidRequest(
                f"lora_path: {exc}", param="lora_path", code="adapter_refused"
            ) from exc
        except EngineDeadError as exc:
            self._register.become(hosted, "failed", str(exc))
            raise Unavailable("the engine died, the server restarts", code="engine_dead") from exc
        except Exception:
            self._register.become(hosted, "failed", "the server failed; its log says why")
            raise
        finally:
            self._changing.discard(name)
        return hosted

    async def _bring_in(
        self, hosted: HostedAdapter, model: ServedModel, *, pinned: bool = False
    ) -> None:
        """Load, prove, publish; what the name meant before leaves when nobody uses it."""
        started_s = time.monotonic()
        try:
            async with self._slots.lease(model.adapter):
                await probe(self._engine, model)
            if pinned:
                await self._pin(model)
        except StartError:
            self._run(self._forget_unused(model))
            raise
        self._register.note_load(hosted, time.monotonic() - started_s)
        hosted.model, hosted.is_pinned = model, pinned
        replaced = self._register.put(hosted)
        self._catalog.publish(model)
        self._register.become(hosted, "ready")
        if replaced is not None and replaced.model is not None:
            self._run(self._forget_unused(replaced.model))

    async def _pin(self, model: ServedModel) -> None:
        if model.adapter is not None and not await self._slots.pin(model.adapter):
            raise StartError("it cannot be pinned: one slot at least must stay for the others")

    async def _remove(self, hosted: HostedAdapter, model: ServedModel) -> None:
        await self._uses.wait_until_unused(model)
        hosted.model = None
        await self._forget_unused(model)
        self._register.become(hosted, "unloaded")

    async def _forget_unused(self, model: ServedModel) -> None:
        """Take the weights of `model` out of the engine once no request uses them, unless another name is served with them."""
        adapter = model.adapter
        if adapter is None:
            return
        await self._uses.wait_until_unused(model)
        served = (h.model.adapter for h in self if h.model is not None)
        if adapter not in served and not self._slots.num_requests(adapter):
            await self._slots.forget(adapter)

    def _note_failure(self, model: ServedModel, exc: StartError) -> None:
        logger.error("adapter %s: its weights cannot be loaded again: %s", model.name, exc)
        hosted = self._register.get(model.name)
        if hosted is not None and hosted.model is model:
            self._register.become(hosted, "failed", str(exc))

    def _refuse_two_changes(self, name: str) -> None:
        if name in self._changing:
            raise AdapterConflict(
                f"lora_name: {name!r} is being loaded at this moment; wait for it",
                param="lora_name",
                code="adapter_busy",
            )

    def _run(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._note_done)
        return task

    def _note_done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            logger.debug("a change of adapters ended: %s", exc)
