"""What a client of the library never sends: raw bytes on a connection of its own, slowly, in part, or without reading."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.server.running import Running


class PassingRecorder:
    """In place of the recorder where that would itself hold all that is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def check(self, _: object) -> None:
        """Nothing was recorded."""


def request_bytes(path: str, body: dict[str, Any], **headers: str) -> bytes:
    """A POST of `body`; `_` in a header's name stands for `-`."""
    content = json.dumps(body).encode()
    named = {"host": "test", "content-type": "application/json", **headers}
    named.setdefault("content_length", str(len(content)))
    lines = [f"POST {path} HTTP/1.1", *(f"{k.replace('_', '-')}: {v}" for k, v in named.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


@asynccontextmanager
async def connection(
    run: Running, *, receive_bytes: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection; with `receive_bytes` the kernel takes little more than that on the client's side."""
    sock = socket.socket()
    sock.setblocking(False)
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    url = run.client.base_url
    await asyncio.get_running_loop().sock_connect(sock, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=receive_bytes or 1 << 16)
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(run: Running, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the response to `raw`, on a connection that the response closes."""
    async with connection(run) as (reader, writer):
        writer.write(raw)
        async with asyncio.timeout(60):
            return parsed(await reader.read())


def parsed(response: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body."""
    head, _, body = response.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body
