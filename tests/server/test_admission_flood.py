"""2,000 at once against a queue of 64: each is answered or told why, others get in, and nothing stays behind."""

import asyncio
import gc
import json
import tracemalloc
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from server.engine import EngineDelta, EngineRequest
from server.prompt import PromptRenderer
from tests.fakes import ScriptedEngine
from tests.server.running import Running, running
from tests.server.sockets import PassingRecorder, exchange, request_bytes
from tests.server.test_keys import key_file

NUM_REQUESTS = 2_000
MAX_QUEUED = 64
REFUSALS = {"queue_full", "tenant_queue_full", "model_queue_full"}


class BusyEngine(ScriptedEngine):
    """Answers eight at once, as an engine with so many slots; the others wait for their first token."""

    def __init__(self) -> None:
        super().__init__()
        self._slots = asyncio.Semaphore(8)
        self.num_waiting = self.most_waiting = 0

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        self.num_waiting += 1
        self.most_waiting = max(self.most_waiting, self.num_waiting)
        try:
            await self._slots.acquire()
        finally:
            self.num_waiting -= 1
        try:
            await asyncio.sleep(0.02)
            async for made in super().generate(request):
                yield made
        finally:
            self._slots.release()
        self.requests.clear()


def asked(key: str, model: str) -> bytes:
    body = {"model": model, "prompt": "hi"}
    headers = {"authorization": f"Bearer {key}", "connection": "close"}
    return request_bytes("/v1/completions", body, **headers)


async def flood(run: Running) -> tuple[Counter[str], list[int]]:
    """What became of each request of the flood, and the statuses of another tenant's, which come one by one in its midst."""

    async def one() -> str:
        status, headers, body = await exchange(run, asked("k-flood", "chat"))
        if status == 200:
            assert json.loads(body)["choices"][0]["finish_reason"] == "stop"
            return "answered"
        error = json.loads(body)["error"]
        assert status == (503 if error["code"] == "queue_full" else 429)
        assert 1 <= int(headers["retry-after"]) <= 60
        return str(error["code"])

    floods = asyncio.gather(*(one() for _ in range(NUM_REQUESTS)))
    small = []
    while not floods.done():
        small.append((await exchange(run, asked("k-small", "base-model")))[0])
    return Counter(await floods), small


async def test_a_flood_is_answered_or_told_why(
    renderer: PromptRenderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.server.running.Recorder", PassingRecorder)
    keys = key_file(
        tmp_path / "keys", {"name": "flood", "key": "k-flood"}, {"name": "small", "key": "k-small"}
    )
    engine = BusyEngine()
    limits: dict[str, Any] = {"max_queued_requests": MAX_QUEUED, "api_key_file": keys}
    async with running(renderer, engine=engine, **limits) as run:
        first, small = await flood(run)
        assert sum(first.values()) == NUM_REQUESTS
        assert set(first) <= REFUSALS | {"answered"}
        assert first["answered"] >= MAX_QUEUED * 0.5
        assert first["tenant_queue_full"] > 0
        assert small, "there was time for others"
        assert set(small) == {200}
        assert engine.most_waiting <= MAX_QUEUED
        for reason in REFUSALS:
            counted = run.metric("endturn_requests_rejected_total", reason=reason)
            assert counted == first[reason]

        # What a flood leaves behind, another one would double.
        gc.collect()
        tracemalloc.start()
        try:
            await flood(run)
            gc.collect()
            held_once = tracemalloc.get_traced_memory()[0]
            await flood(run)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - held_once
        finally:
            tracemalloc.stop()
        assert grown < 1 << 20, "half a kilobyte a request would be more"
        await run.until(lambda: run.metric("endturn_requests_in_flight") == 0)
        assert run.metric("endturn_requests_queued") == 0
        assert (await exchange(run, asked("k-flood", "chat")))[0] == 200
