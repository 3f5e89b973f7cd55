"""One server process from start to end: parts, engine, uvicorn, and an orderly way out.

SIGTERM or SIGINT: readiness flips at once, open requests get `drain_timeout_s`, what is left is aborted, then exit 0.
A dead engine: every open stream has its error, then exit 1, and the orchestrator starts another (crash-only).
"""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import uvicorn
from prometheus_client import CollectorRegistry, start_http_server

from .admission import bounded_protocol
from .app import create_app
from .catalog import Catalog
from .engine import EngineAdapter, StartEngine
from .errors import StartError
from .hosting import AdapterHost, AdapterRegister, AdaptersDir, AdapterSlots
from .interruption import interruptible
from .lifecycle import Lifecycle
from .listening import listen
from .loading.adapter_cache import check_stored
from .model_reading import ModelReader, StartModels
from .observing.metrics import Metrics
from .observing.request_middleware import RequestObserver
from .parsing.port import ParserSource
from .prompt import PromptRenderer
from .routes import Server
from .settings import Settings
from .tenancy import ServedKeys, read_keys
from .watchdog import Watchdog
from .welcome import show_welcome

logger = logging.getLogger(__name__)


async def serve(
    settings: Settings,
    start_engine: StartEngine,
    registry: CollectorRegistry,
    tracers: Sequence[RequestObserver] = (),
    parsers: ParserSource | None = None,
) -> int:
    """Serve until told to stop; the exit status. `tracers` see every request; without `parsers` no tool calls are read.

    Raises:
        StartError: the server cannot start as configured.
    """
    # Before the engine: wrong keys and a taken port are told at once.
    keys = read_keys(settings)
    with listen(settings.host, settings.port) as listener, _metrics_page(settings, registry):
        reader = ModelReader(settings, parsers)
        start = await reader.read_all()
        return await _serve_models(
            settings, reader, start, start_engine, registry, listener, tracers, keys
        )


async def _serve_models(
    settings: Settings,
    reader: ModelReader,
    start: StartModels,
    start_engine: StartEngine,
    registry: CollectorRegistry,
    listener: socket.socket,
    tracers: Sequence[RequestObserver],
    keys: ServedKeys | None,
) -> int:
    renderer = PromptRenderer(timeout_s=settings.template_timeout_s)
    try:
        weights = {m.adapter.key: m.adapter for m in start.models if m.adapter is not None}
        with interruptible():
            engine = start_engine(start.engine_base, list(weights.values()))
        try:
            metrics = Metrics(registry)
            catalog = Catalog(model for model in start.models if model.adapter is None)
            adapters = AdapterHost(
                engine,
                catalog,
                AdapterRegister(metrics),
                slots=AdapterSlots(engine, check=_check_stored),
                read=partial(reader.read_adapter, start=start),
            )
            await adapters.start(start.models)
            await renderer.wait_until_warm()
            server = Server(
                settings=settings,
                engine=engine,
                catalog=catalog,
                adapters=adapters,
                renderer=renderer,
                metrics=metrics,
                lifecycle=Lifecycle(),
                tracers=tracers,
                keys=keys,
                watchdog=Watchdog(
                    deadline_s=settings.deadline_s,
                    stall_timeout_s=settings.stall_timeout_s or None,
                ),
            )
            return await _run(server, listener)
        finally:
            await engine.close()
    finally:
        renderer.close()


async def _check_stored(adapter: EngineAdapter) -> None:
    await asyncio.to_thread(check_stored, adapter)


@contextmanager
def _metrics_page(settings: Settings, registry: CollectorRegistry) -> Iterator[None]:
    """A server of its own for /metrics, where --metrics-port asks for one."""
    if settings.metrics_port is None:
        yield
        return
    try:
        page, thread = start_http_server(settings.metrics_port, settings.host, registry)
    except OSError as exc:
        raise StartError(
            f"--metrics-port {settings.metrics_port}: cannot listen on {settings.host} ({exc})"
        ) from exc
    try:
        yield
    finally:
        page.shutdown()
        page.server_close()
        thread.join()


async def _run(server: Server, listener: socket.socket) -> int:
    config = uvicorn.Config(
        create_app(server),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        http=bounded_protocol(server.settings),
        ws="none",  # an upgrade would leave the bounded protocol
    )
    http = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    stop_asked = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop_asked.set)
    # What was made at start lives for ever: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    # `serve` of uvicorn would install signal handlers of its own over ours.
    running = asyncio.create_task(http._serve([listener]))  # noqa: SLF001
    try:
        return await _until_over(server, http, running, stop_asked, listener)
    finally:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)


async def _until_over(
    server: Server,
    http: uvicorn.Server,
    running: "asyncio.Task[None]",
    stop_asked: asyncio.Event,
    listener: socket.socket,
) -> int:
    while not http.started and not running.done():  # noqa: ASYNC110  (uvicorn offers no event)
        await asyncio.sleep(0.01)
    followed = await _adapters_dir(server)
    server.lifecycle.become_ready()
    show_welcome(server.settings, [model.name for model in server.catalog], listener.getsockname())
    watcher = asyncio.create_task(server.lifecycle.watch_engine(server.engine))
    stopping = asyncio.create_task(stop_asked.wait())
    following = [asyncio.create_task(server.keys.follow_file())] if server.keys else []
    if followed is not None:
        following.append(asyncio.create_task(followed.follow()))
    await asyncio.wait({watcher, stopping, running}, return_when=asyncio.FIRST_COMPLETED)
    server.lifecycle.start_draining()
    if not server.lifecycle.engine_died:
        await _drain(server)
    for task in (watcher, stopping, *following):
        task.cancel()
    await server.adapters.close()
    http.should_exit = True
    await running
    return 1 if server.lifecycle.engine_died else 0


async def _adapters_dir(server: Server) -> AdaptersDir | None:
    """What follows --adapters-dir, after everything in it was loaded."""
    path = server.settings.adapters_dir
    if path is None:
        return None
    adapters_dir = AdaptersDir(path, server.adapters)
    for _ in range(2):  # a folder is loaded when it looks the same twice
        await adapters_dir.look()
    return adapters_dir


async def _drain(server: Server) -> None:
    left = await server.lifecycle.wait_until_idle(server.settings.drain_timeout_s)
    if left:
        logger.warning("%d requests did not finish in time and are aborted", len(left))
        await server.lifecycle.abort_all(server.engine)
        await server.lifecycle.wait_until_idle(5)
