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
from dataclasses import replace

import uvicorn
from prometheus_client import CollectorRegistry, start_http_server

from adapters.base_files import BaseFiles
from adapters.errors import AdapterError
from adapters.inspection import read_base

from .app import create_app
from .catalog import Catalog, adapter_model, base_model, read_template, template_turns
from .demo import DEMO, demo_template
from .engine import StartEngine
from .errors import StartError
from .lifecycle import Lifecycle
from .loading.adapter_loading import load_adapters
from .loading.base_overlays import base_for
from .loading.model_source import resolve_adapters, resolve_base
from .observing.metrics import Metrics
from .observing.request_middleware import RequestObserver
from .parsing.port import ParserNames, ParserSource
from .prompt import PromptRenderer, load_tokenizer
from .routes import Server
from .served_model import ServedModel
from .settings import Settings
from .tenancy import ServedKeys, read_keys
from .watchdog import Watchdog
from .welcome import show_welcome

logger = logging.getLogger(__name__)

BASE_IS_OVERLAID = "its embeddings were rewritten for the adapters; ask for one of them, or start with --allow-overlay"


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
    with _listen(settings) as listener, _metrics_page(settings, registry):
        base_files, models = await _read_models(settings)
        if parsers is not None:
            models = await asyncio.to_thread(_with_parsers, models, settings, parsers)
        return await _serve_models(
            settings, base_files, models, start_engine, registry, listener, tracers, keys
        )


async def _serve_models(
    settings: Settings,
    base_files: BaseFiles,
    models: list[ServedModel],
    start_engine: StartEngine,
    registry: CollectorRegistry,
    listener: socket.socket,
    tracers: Sequence[RequestObserver],
    keys: ServedKeys | None,
) -> int:
    renderer = PromptRenderer(timeout_s=settings.template_timeout_s)
    try:
        weights = list({m.adapter.key: m.adapter for m in models if m.adapter is not None}.values())
        engine = start_engine(base_files, weights)
        try:
            metrics = Metrics(registry)
            await load_adapters(engine, models, metrics)
            await renderer.wait_until_warm()
            server = Server(
                settings=settings,
                engine=engine,
                catalog=Catalog(models),
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


async def _read_models(settings: Settings) -> tuple[BaseFiles, list[ServedModel]]:
    sources = resolve_adapters(
        settings.adapter, model=settings.model, convert=settings.convert_adapters
    )
    path = await asyncio.to_thread(resolve_base, settings.model, settings.cache_dir)
    try:
        base = await asyncio.to_thread(read_base, path)
        served_base = await asyncio.to_thread(_base, settings, base.files)
        turns = await asyncio.to_thread(template_turns, served_base, base.tokenizer)
        served_base = replace(served_base, template_turns=turns)
    except AdapterError as exc:
        raise StartError(f"--model {settings.model}: {exc}") from exc
    adapters = [
        await adapter_model(source, served_base, base, settings.cache_dir, settings.chat_template)
        for source in sources
    ]
    engine_base = await asyncio.to_thread(
        base_for,
        base.files,
        [(model.name, model.rows) for model in adapters],
        settings.cache_dir,
        allow_overlay=settings.allow_overlay,
    )
    if engine_base is not base.files and not settings.allow_overlay:
        served_base = replace(served_base, refusal=BASE_IS_OVERLAID)
    return engine_base, [served_base, *adapters]


def _with_parsers(
    models: Sequence[ServedModel], settings: Settings, source: ParserSource
) -> list[ServedModel]:
    given = ParserNames(tool_calls=settings.tool_call_parser, reasoning=settings.reasoning_parser)
    made = []
    for model in models:
        try:
            parsers = source.parsers(model.tokenizer, model.parser_names(given))
        except StartError as exc:
            raise StartError(f"model {model.name}: {exc}") from exc
        made.append(replace(model, parsers=parsers))
    return made


def _base(settings: Settings, base_files: BaseFiles) -> ServedModel:
    template = None
    if settings.chat_template is not None:
        template = read_template(settings.chat_template)
    elif settings.model == DEMO:
        template = demo_template()
    return base_model(
        base_files,
        load_tokenizer(base_files.path),
        name=settings.served_model_name or settings.model,
        root=settings.model,
        template=template,
    )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as exc:
        raise StartError(
            f"--host {settings.host} --port {settings.port}: cannot listen ({exc})"
        ) from exc


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
    server.lifecycle.become_ready()
    show_welcome(server.settings, [model.name for model in server.catalog], listener.getsockname())
    watcher = asyncio.create_task(server.lifecycle.watch_engine(server.engine))
    stopping = asyncio.create_task(stop_asked.wait())
    following = [asyncio.create_task(server.keys.follow_file())] if server.keys else []
    await asyncio.wait({watcher, stopping, running}, return_when=asyncio.FIRST_COMPLETED)
    server.lifecycle.start_draining()
    if not server.lifecycle.engine_died:
        await _drain(server)
    for task in (watcher, stopping, *following):
        task.cancel()
    http.should_exit = True
    await running
    return 1 if server.lifecycle.engine_died else 0


async def _drain(server: Server) -> None:
    left = await server.lifecycle.wait_until_idle(server.settings.drain_timeout_s)
    if left:
        logger.warning("%d requests did not finish in time and are aborted", len(left))
        await server.lifecycle.abort_all(server.engine)
        await server.lifecycle.wait_until_idle(5)
