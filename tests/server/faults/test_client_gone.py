"""A client that leaves an adapter endpoint, at every phase: nothing is half done, and nothing of it stays open.

That a load under way goes on without the client who asked is in test_hosting.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.prompt import PromptRenderer
from tests.server.running import Running
from tests.server.sockets import PassingRecorder, connection, request_bytes
from tests.server.test_hosting import Sources, entry, hosting, load, names, unload
from tests.server.test_hosting import sources as sources
from tests.server.test_keys import key_file

LOAD = request_bytes(
    "/v1/load_lora_adapter",
    {"lora_name": "mine", "lora_path": "/adapters/one"},
    authorization="Bearer boss",
)
LISTING = b"GET /v1/adapters HTTP/1.1\r\nhost: test\r\nauthorization: Bearer boss\r\n\r\n"
HEAD_END = LOAD.index(b"\r\n\r\n") + 4
PARTS = {
    "nothing": b"",
    "half a head": LOAD[: HEAD_END // 2],
    "a head": LOAD[:HEAD_END],
    "half a body": LOAD[: (HEAD_END + len(LOAD)) // 2],
}


@pytest.fixture(autouse=True)
def unrecorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.server.running.Recorder", PassingRecorder)


@asynccontextmanager
async def one_at_a_time(
    renderer: PromptRenderer, sources: Sources, tmp_path: Path
) -> AsyncIterator[Running]:
    """A server whose admin may have one request open: one that stays open locks it out."""
    keys = key_file(
        tmp_path / "keys", {"name": "boss", "key": "boss", "admin": True, "max_concurrent": 1}
    )
    async with hosting(renderer, sources, api_key_file=keys) as run:
        run.client.headers["authorization"] = "Bearer boss"
        yield run
        assert run.server.keys is not None
        await run.until(lambda: not run.server.keys.tenants._open)
        assert run.server.adapters._changing == set()


@pytest.mark.parametrize("sent", PARTS.values(), ids=PARTS.keys())
async def test_before_the_request_is_whole(
    renderer: PromptRenderer, sources: Sources, tmp_path: Path, sent: bytes
) -> None:
    async with one_at_a_time(renderer, sources, tmp_path) as run:
        async with connection(run) as (_, writer):
            writer.write(sent)
            await writer.drain()
            await asyncio.sleep(0.1)
        assert run.server.keys is not None
        await run.until(lambda: not run.server.keys.tenants._open)
        assert "mine" not in await names(run)
        assert run.engine.loaded == []
        assert (await load(run, "mine", "/adapters/one")).status_code == 200


@pytest.mark.parametrize("phase", ["reading", "loading", "proving"])
async def test_while_it_is_loaded(
    renderer: PromptRenderer, sources: Sources, tmp_path: Path, phase: str
) -> None:
    async with one_at_a_time(renderer, sources, tmp_path) as run:
        if phase == "reading":
            sources.may_read.clear()
        if phase == "proving":
            run.engine.enqueue(0.5)
        async with connection(run) as (_, writer):
            writer.write(LOAD)
            await run.until(lambda: run.server.adapters._changing or run.engine.requests)
            if phase == "proving":
                await run.until(lambda: run.engine.open)
        assert run.server.keys is not None
        sources.may_read.set()
        await run.until(lambda: not run.server.adapters._changing)
        await run.until(lambda: not run.server.keys.tenants._open)
        state = (await entry(run, "mine"))["state"]
        # The engine was made to say nothing: what is proved fails, whoever waits for it.
        assert state == ("failed" if phase == "proving" else "ready")
        reply = await load(run, "mine", "/adapters/two", load_inplace=True)
        assert reply.status_code == 200


async def test_while_it_is_drained(
    renderer: PromptRenderer, sources: Sources, tmp_path: Path
) -> None:
    async with hosting(renderer, sources) as run:
        await load(run, "mine", "/adapters/one")
        run.engine.enqueue(0.5)
        answer = asyncio.create_task(run.chat(model="mine"))
        await run.until(lambda: len(run.engine.requests) == 2)
        leaving = asyncio.create_task(unload(run, "mine"))
        while (await entry(run, "mine"))["state"] != "draining":
            await asyncio.sleep(0.01)
        leaving.cancel()
        await answer
        await run.until(lambda: len(run.engine.removed) == 1)
        assert (await entry(run, "mine"))["state"] == "unloaded"


async def test_with_its_answer_unread(
    renderer: PromptRenderer, sources: Sources, tmp_path: Path
) -> None:
    async with one_at_a_time(renderer, sources, tmp_path) as run:
        for number in range(100):
            await load(run, f"none-{number}", "/nowhere" * 40)
        for request in (LISTING * 20, LISTING[:-6], LOAD):
            async with connection(run, receive_bytes=4096) as (reader, writer):
                writer.write(request)
                await writer.drain()
                if request != LISTING[:-6]:
                    assert await asyncio.wait_for(reader.read(1), 10) == b"H"
                writer.transport.abort()
        await run.until(lambda: "mine" in [m.name for m in run.server.catalog])
        listed = (await run.client.get("/v1/adapters")).json()["data"]
        assert "mine" in [found["id"] for found in listed]
