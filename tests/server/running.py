"""A real uvicorn over a scripted engine, on a free port of 127.0.0.1, in the test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import uvicorn
from prometheus_client import CollectorRegistry

from server.admission import bounded_protocol
from server.app import create_app
from server.catalog import Catalog
from server.hosting import AdapterHost, AdapterRegister
from server.hosting.host import ReadAdapter, read_nothing
from server.lifecycle import Lifecycle
from server.observing.metrics import Metrics
from server.observing.request_middleware import RequestObserver
from server.openapi.pages import server_facts
from server.prompt import PromptRenderer
from server.routes import Server
from server.served_model import ServedModel
from server.settings import Settings
from server.tenancy import read_keys
from server.watchdog import Watchdog
from tests.fakes import ScriptedEngine, served
from tests.server.openapi_recorder import Recorder


@dataclass
class Running:
    """A running server, its engine, and a client for it."""

    server: Server
    engine: ScriptedEngine
    client: httpx.AsyncClient

    def metric(self, name: str, **labels: str) -> float:
        return self.server.metrics.registry.get_sample_value(name, labels) or 0.0

    async def chat(self, **fields: Any) -> httpx.Response:
        body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], **fields}
        return await self.client.post("/v1/chat/completions", json=body)

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    renderer: PromptRenderer,
    *models: ServedModel,
    tracers: Sequence[RequestObserver] = (),
    engine: ScriptedEngine | None = None,
    read: ReadAdapter = read_nothing,
    **settings: Any,
) -> AsyncIterator[Running]:
    engine = ScriptedEngine() if engine is None else engine
    base = served("base-model", label="base", profile=None)
    limits = Settings(model="base-model", **settings)
    catalog = Catalog([base, *(models or (served(),))])
    metrics = Metrics(CollectorRegistry())
    server = Server(
        settings=limits,
        engine=engine,
        catalog=catalog,
        adapters=AdapterHost(engine, catalog, AdapterRegister(metrics), read=read),
        renderer=renderer,
        metrics=metrics,
        lifecycle=Lifecycle(),
        tracers=tracers,
        keys=read_keys(limits),
        watchdog=Watchdog(
            deadline_s=limits.deadline_s, stall_timeout_s=limits.stall_timeout_s or None
        ),
    )
    server.lifecycle.become_ready()
    facts = server_facts(server, server.catalog)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        recorder = Recorder(create_app(server))
        config = uvicorn.Config(
            recorder,
            http=bounded_protocol(limits),
            log_config=None,
            access_log=False,
            lifespan="off",
        )
        http = uvicorn.Server(config)
        task = asyncio.create_task(http._serve([listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            while not http.started:
                await asyncio.sleep(0.01)
            yield Running(server, engine, client)
        http.should_exit = True
        await task
        recorder.check(facts)
