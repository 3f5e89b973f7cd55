"""Connections that hold something without end: giant or slow heads, slow bodies, and readers that do not read."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncGenerator
from itertools import cycle, islice

import pytest

from server.admission.bounded_protocol import MAX_HEAD_BYTES
from server.engine import EngineDelta, EngineRequest
from server.prompt import PromptRenderer
from tests.fakes import EOS, ScriptedEngine, profile, served
from tests.server.running import Running, running
from tests.server.sockets import PassingRecorder, connection, exchange, parsed, request_bytes

NUM_TOKENS = 100_000
CHAT = "/v1/chat/completions"
BODY = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
LONG = {**BODY, "max_tokens": NUM_TOKENS, "stream": True, "endturn": {"guards": False}}
LETTERS = b"the quick brown fox jumps over the lazy dog "


class EagerEngine(ScriptedEngine):
    """Makes tokens whether or not they are fetched, and merges what waits, as vLLM's output collector does."""

    def __init__(self, pause_s: float = 0) -> None:
        super().__init__(max_model_len=NUM_TOKENS + 1000)
        self._pause_s = pause_s
        self.num_made = self.num_fetched = 0

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        self.requests.append(request)
        waiting: list[int] = []
        some = asyncio.Event()
        making = asyncio.create_task(self._make(waiting, some))
        try:
            while self.num_fetched < NUM_TOKENS:
                await some.wait()
                some.clear()
                taken = tuple(waiting)
                waiting.clear()
                self.num_fetched += len(taken)
                is_last = self.num_fetched == NUM_TOKENS
                yield EngineDelta(
                    index=0, token_ids=taken, finish_reason="length" if is_last else None
                )
        except (GeneratorExit, asyncio.CancelledError):
            self.aborted.append(request.request_id)
            raise
        finally:
            making.cancel()

    async def _make(self, waiting: list[int], some: asyncio.Event) -> None:
        for token_id in islice(cycle(LETTERS), NUM_TOKENS):
            waiting.append(token_id)
            self.num_made += 1
            some.set()
            await asyncio.sleep(self._pause_s)


def long_answers() -> object:
    limits = {"default": 50, "limit": NUM_TOKENS}
    return served(profile=profile(max_tokens=limits, role_markers=[]))


@pytest.fixture
def unrecorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.server.running.Recorder", PassingRecorder)


async def refused_or_closed(run: Running, raw: bytes) -> int | None:
    """The status that `raw` is answered with; None where the connection is just closed."""
    async with connection(run) as (reader, writer), asyncio.timeout(30):
        try:
            for start in range(0, len(raw), 1 << 16):
                writer.write(raw[start : start + (1 << 16)])
                await writer.drain()
            response = await reader.read()
        except ConnectionError:
            return None
    return parsed(response)[0] if response else None


async def test_what_waits_for_a_reader_is_bounded(
    renderer: PromptRenderer, unrecorded: None
) -> None:
    """The engine makes 100,000 tokens, 18 MB as events, for a client that reads nothing until they are all made."""
    engine = EagerEngine()
    async with running(renderer, long_answers(), engine=engine) as run:  # type: ignore[arg-type]
        async with connection(run, receive_bytes=4096) as (reader, writer):
            tracemalloc.start()
            try:
                writer.write(request_bytes(CHAT, LONG, connection="close"))
                await run.until(lambda: engine.num_fetched > 0)
                before, _ = tracemalloc.get_traced_memory()
                async with asyncio.timeout(120):
                    while engine.num_made < NUM_TOKENS:
                        await asyncio.sleep(0.05)
                held = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            num_shown = engine.num_fetched
            assert num_shown < NUM_TOKENS / 50, "only what buffers hold was made into events"
            assert held < 3 << 20, "the tokens that wait are ids"
            # Nothing is lost on one who takes their time.
            async with asyncio.timeout(60):
                _, headers, body = parsed(await reader.read())
        assert engine.num_fetched == NUM_TOKENS
        assert b"data: [DONE]" in body
        assert len(body) < NUM_TOKENS * 10, "what waited came as a few large events"
        assert headers["content-type"].startswith("text/event-stream")


async def test_one_who_takes_nothing_has_gone(renderer: PromptRenderer, unrecorded: None) -> None:
    engine = EagerEngine(pause_s=0.0002)
    async with running(renderer, long_answers(), engine=engine, write_timeout_s=0.3) as run:  # type: ignore[arg-type]
        async with connection(run, receive_bytes=4096) as (reader, writer):
            writer.write(request_bytes(CHAT, LONG))
            await run.until(lambda: run.metric("endturn_requests_in_flight") == 1)
            async with asyncio.timeout(30):
                while run.metric("endturn_requests_in_flight"):
                    await asyncio.sleep(0.02)
            assert engine.aborted == [engine.requests[0].request_id]
            assert engine.num_fetched < NUM_TOKENS
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(NUM_TOKENS * 100)
        assert run.metric("endturn_stops_total", adapter="chat", kind="abort") == 1
        assert run.metric("endturn_requests_queued") == 0


async def test_one_who_reads_slowly_is_still_there(
    renderer: PromptRenderer, unrecorded: None
) -> None:
    engine = EagerEngine(pause_s=0.0002)
    async with (
        running(renderer, long_answers(), engine=engine, write_timeout_s=1) as run,  # type: ignore[arg-type]
        connection(run, receive_bytes=4096) as (reader, writer),
    ):
        writer.write(request_bytes(CHAT, LONG))
        for _ in range(40):
            assert await reader.read(4096)
            await asyncio.sleep(0.1)
        assert engine.num_made > engine.num_fetched, "the reader was the slower one"
        assert engine.aborted == []
        assert run.metric("endturn_requests_in_flight") == 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * (4 << 20),
        b"GET /livez HTTP/1.1\r\n" + b"a" * (4 << 20),
        b"GET /livez HTTP/1.1\r\nx-large: " + b"a" * (4 << 20),
        b"GET /livez HTTP/1.1\r\n" + b"x-many: y\r\n" * 400_000,
        b"GET /livez HTTP/1.1\r\nx-large: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
    ids=["path", "name", "value", "many", "complete"],
)
async def test_a_giant_head_is_refused(
    renderer: PromptRenderer, unrecorded: None, head: bytes
) -> None:
    async with running(renderer) as run:
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            assert await refused_or_closed(run, head) in (431, None)
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
        assert peak < 3 << 20, "far less than was sent"
        assert (await run.chat()).status_code == 200


async def test_a_large_head_is_taken_and_one_that_is_too_large_is_told(
    renderer: PromptRenderer, unrecorded: None
) -> None:
    async with running(renderer) as run:
        fits = request_bytes(CHAT, BODY, connection="close", x_large="a" * (MAX_HEAD_BYTES - 400))
        assert (await exchange(run, fits))[0] == 200
        over = request_bytes(CHAT, BODY, x_large="a" * MAX_HEAD_BYTES)
        status, headers, body = await exchange(run, over)
        assert (status, headers["connection"]) == (431, "close")
        assert json.loads(body)["error"]["code"] == "headers_too_large"


async def test_trailers_are_bounded_and_are_no_headers(
    renderer: PromptRenderer, unrecorded: None
) -> None:
    content = json.dumps(BODY).encode()
    chunk = b"%x\r\n%b\r\n0\r\n" % (len(content), content)
    head = (
        b"POST %b HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n"
        b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n" % CHAT.encode()
    )
    async with running(renderer) as run:
        status, headers, _ = await exchange(run, head + chunk + b"x-request-id: late\r\n\r\n")
        assert status == 200
        assert headers["x-request-id"] != "late"
        endless = head + chunk + b"x-late: y\r\n" * 400_000
        assert await refused_or_closed(run, endless) in (431, None)
        assert (await run.chat()).status_code == 200


@pytest.mark.parametrize(
    ("sent", "more"),
    [
        (b"", b""),
        (b"", b"\r\n"),
        (b"GET /", b"a"),
        (b"GET /livez HTTP/1.1\r\nx-slow: ", b"a"),
        (b"GET /livez HTTP/1.1\r\n\r\nGET /", b"a"),
    ],
    ids=["nothing", "empty lines", "path", "header", "the second"],
)
async def test_a_slow_head_ends(
    renderer: PromptRenderer, unrecorded: None, sent: bytes, more: bytes
) -> None:
    async with (
        running(renderer, body_timeout_s=0.5) as run,
        connection(run) as (reader, writer),
        asyncio.timeout(10),
    ):
        writer.write(sent)
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            writer.write(more)
            await asyncio.sleep(0.05)
        assert (await ended).count(b"HTTP/1.1") == sent.count(b"\r\n\r\n")


async def test_a_body_that_trickles_ends(renderer: PromptRenderer, unrecorded: None) -> None:
    async with running(renderer, body_timeout_s=0.4) as run:
        raw = request_bytes(CHAT, BODY, content_length="10000")
        async with connection(run) as (reader, writer), asyncio.timeout(10):
            writer.write(raw)
            await run.until(lambda: run.metric("endturn_requests_queued") == 1)
            ended = asyncio.create_task(reader.read())
            while not ended.done():
                writer.write(b" ")
                await asyncio.sleep(0.05)
            status, headers, body = parsed(await ended)
        assert (status, headers["connection"]) == (408, "close")
        error = json.loads(body)["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "body_timeout")
        assert "0.4 s" in error["message"]
        assert run.metric("endturn_requests_queued") == 0
        assert run.metric("endturn_requests_rejected_total", reason="body_timeout") == 1


async def test_time_to_send_is_no_time_to_answer(renderer: PromptRenderer) -> None:
    async with running(renderer, body_timeout_s=0.3) as run:
        run.engine.enqueue(0.8, *[EngineDelta(index=0, token_ids=(EOS,), finish_reason="stop")])
        assert (await run.chat()).status_code == 200
