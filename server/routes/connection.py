"""Work that ends when its client goes away, streamed or not.

uvicorn neither cancels a handler nor fails a send when the client has gone: someone has to listen.
"""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import TypeVar

import anyio
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

Result = TypeVar("Result")


class ClientGone(Exception):
    """The client closed the connection before its answer was ready."""


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(request: Request, work: Awaitable[Result]) -> Result:
    """The result of `work`, which is cancelled when the client goes away.

    Raises:
        ClientGone: it did.
    """
    results: list[Result] = []
    errors: list[Exception] = []
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            try:
                results.append(await work)
            except Exception as exc:  # noqa: BLE001  (raised again below, outside the task group's own wrapping)
                errors.append(exc)
            tasks.cancel_scope.cancel()

        tasks.start_soon(run)
        await _wait_for_disconnect(request.receive)
        tasks.cancel_scope.cancel()
    if errors:
        raise errors[0]
    if not results:
        raise ClientGone
    return results[0]


class EventStream(Response):
    """A stream of server-sent events whose first one is already made. Ends its source whatever happens."""

    media_type = "text/event-stream"

    def __init__(self, first: bytes, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._events = events

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events), anyio.create_task_group() as tasks:

            async def stream() -> None:
                await self._stream(send)
                tasks.cancel_scope.cancel()

            tasks.start_soon(stream)
            await _wait_for_disconnect(receive)
            tasks.cancel_scope.cancel()

    async def _stream(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async for piece in self._events:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
