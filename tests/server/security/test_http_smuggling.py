"""Requests that two servers could read differently, over a raw socket: refused, and nothing inside them is taken for a request."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pytest

from server.prompt import PromptRenderer
from tests.fakes import EOS, delta
from tests.server.running import Running, running
from tests.server.sockets import PassingRecorder, connection, parsed, request_bytes

CHUNKED = "Transfer-Encoding: chunked"
# After the end of the body as the other reading has it: a request that would be answered.
HIDDEN = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
AMBIGUOUS: Mapping[str, tuple[str, str]] = {
    "a length and chunks": (f"Content-Length: 5\r\n{CHUNKED}", "0\r\n\r\n"),
    "chunks and a length": (f"{CHUNKED}\r\nContent-Length: 5", "0\r\n\r\n"),
    "two lengths": ("Content-Length: 2\r\nContent-Length: 3", "{}"),
    "two lengths that agree": ("Content-Length: 2\r\nContent-Length: 2", "{}"),
    "a list of lengths": ("Content-Length: 2, 2", "{}"),
    "a length with a sign": ("Content-Length: +2", "{}"),
    "a negative length": ("Content-Length: -2", "{}"),
    "a length in hexadecimal": ("Content-Length: 0x2", "{}"),
    "a length past 64 bits": ("Content-Length: 18446744073709551618", "{}"),
    "a folded header": (f"X-A: 1\r\n {CHUNKED}\r\nContent-Length: 2", "{}"),
    "a folded length": ("Content-Length:\r\n 2", "{}"),
    "a space before the colon": ("Content-Length : 2", "{}"),
    "an unknown coding": ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
    "chunks that are not last": ("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
    "two codings": (f"{CHUNKED}\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
    "a coding after a vertical tab": ("Transfer-Encoding:\x0bchunked", "0\r\n\r\n"),
    "a chunk with a sign": (CHUNKED, "-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with a prefix": (CHUNKED, "0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk past 64 bits": (CHUNKED, "10000000000000002\r\n{}\r\n0\r\n\r\n"),
    "a chunk ended by a line feed": (CHUNKED, "2\n{}\r\n0\r\n\r\n"),
    "an extension with a line feed": (CHUNKED, "2;a=\nb\r\n{}\r\n0\r\n\r\n"),
    "a header ended by a line feed": ("X-A: 1\nContent-Length: 2", "{}"),
    "a carriage return in a header": ("X-A: 1\rX-B: 2\r\nContent-Length: 2", "{}"),
    "a zero byte in a header": ("X-A: 1\x002\r\nContent-Length: 2", "{}"),
    "a header without a name": (": 1\r\nContent-Length: 2", "{}"),
    "a name with a space": ("X A: 1\r\nContent-Length: 2", "{}"),
}


async def answers(run: Running, raw: bytes) -> bytes:
    """All that comes back on one connection, which the server must end."""
    async with connection(run) as (reader, writer), asyncio.timeout(20):
        writer.write(raw)
        return await reader.read()


@pytest.mark.parametrize("case", AMBIGUOUS)
async def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_ended(
    renderer: PromptRenderer, case: str
) -> None:
    headers, body = AMBIGUOUS[case]
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n"
    async with running(renderer) as run:
        said = await answers(run, (head + body + HIDDEN).encode())
        assert said.startswith(b"HTTP/1.1 400 ")
        assert said.count(b"HTTP/1.1 ") == 1, "what was hidden behind it is not answered"
        assert run.engine.requests == []
        assert (await run.chat()).status_code == 200


async def test_requests_in_a_row_are_each_answered_for_itself(renderer: PromptRenderer) -> None:
    async with running(renderer, api_key=("k",)) as run:
        asked = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
        allowed = request_bytes("/v1/chat/completions", asked, authorization="Bearer k")
        without = request_bytes("/v1/chat/completions", asked, connection="close")
        said = await answers(run, allowed + without)
        assert said.count(b"HTTP/1.1 200 ") == 1
        assert said.count(b"HTTP/1.1 401 ") == 1, "a key is for its own request only"
        assert len(run.engine.requests) == 1


@pytest.mark.parametrize("name", ["X-Request-Id", "Authorization", "Content-Type", "traceparent"])
@pytest.mark.parametrize(
    "value", ["a\r\n\tb: 1", "a\rb: 1", "a\x00b", "a\x7fb", "a\x1b[31m", "a b", "a\tb"]
)
async def test_no_header_of_a_client_comes_back_as_two(
    renderer: PromptRenderer, name: str, value: str
) -> None:
    async with running(renderer) as run:
        head = f"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}: {value}\r\n\r\n"
        status, headers, _ = parsed(await answers(run, head.encode()))
        assert status in {200, 400}
        assert "b" not in headers
        assert headers.get("x-request-id", "").isalnum() or status == 400


@pytest.mark.parametrize(
    "model", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "\x1b[31mred", "\u2028", "é\r\n\r\n"]
)
async def test_no_name_of_a_model_becomes_a_header_or_a_line(
    renderer: PromptRenderer, model: str
) -> None:
    async with running(renderer) as run:
        reply = await run.chat(model=model)
        assert reply.status_code == 404
        assert "x-evil" not in reply.headers
        message = reply.json()["error"]["message"]
        assert message.isprintable()
        assert (await run.client.get(f"/v1/models/{model.encode().hex()}")).status_code == 404
        path = "".join(f"%{byte:02x}" for byte in model.encode())
        assert (await run.client.get(f"/v1/models/{path}")).status_code == 404


async def test_half_requests_keep_nobody_waiting(renderer: PromptRenderer) -> None:
    """Two hundred connections that stop in the request line, in a header, or in the body."""
    whole = request_bytes("/v1/chat/completions", {"model": "chat", "messages": []})
    cuts = (0, 5, 40, whole.index(b"\r\n\r\n") + 2, len(whole) - 3)
    async with running(renderer) as run, AsyncExitStack() as stack:
        for number in range(200):
            _, writer = await stack.enter_async_context(connection(run))
            writer.write(whole[: cuts[number % len(cuts)]])
            await writer.drain()
        for _ in range(5):
            run.engine.enqueue(delta("hello"), delta([EOS], "stop"))
            assert (await run.chat()).status_code == 200
        assert (await run.client.get("/readyz")).status_code == 200
        assert len(run.engine.requests) == 5


async def test_a_websocket_is_refused(
    renderer: PromptRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and limits look at HTTP requests only."""
    monkeypatch.setattr("tests.server.running.Recorder", PassingRecorder)
    upgrade = (
        "GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    async with running(renderer, api_key=("k",)) as run:
        async with connection(run) as (reader, writer), asyncio.timeout(20):
            writer.write(upgrade.encode())
            line = await reader.readline()
        assert int(line.split()[1]) in {400, 401, 403, 405}
