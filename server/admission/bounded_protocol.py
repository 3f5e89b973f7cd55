"""HTTP/1.1 as uvicorn speaks it over httptools, with bounds on what a connection may hold: its head, and what it does not take.

Neither httptools nor uvicorn's protocol for it bounds the bytes of a request's head or trailer. A response that nobody reads
fills the kernel's own buffer first, megabytes a connection, and stays there for as long as the connection is open.
"""

import asyncio
import fcntl
import socket
import struct
import termios
from contextlib import suppress
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ..settings import Settings

# Of request line and headers; as uvicorn's own bound where h11 parses.
MAX_HEAD_BYTES = 64 << 10
# Of a response, in the kernel: beyond these it takes no more, and what makes the response waits.
MAX_UNSENT_BYTES = 64 << 10
_TOO_LARGE = orjson.dumps(
    {
        "error": {
            "message": f"the request line and headers are over {MAX_HEAD_BYTES:,} bytes; send less",
            "type": "invalid_request_error",
            "param": None,
            "code": "headers_too_large",
        }
    }
)
_TOO_LARGE_RESPONSE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_TOO_LARGE), _TOO_LARGE)
)


def bounded_protocol(settings: Settings) -> type[asyncio.Protocol]:
    """The protocol for uvicorn's `http`, with the time limits of `settings`."""
    limits = {
        "head_timeout_s": settings.body_timeout_s or None,
        "write_timeout_s": settings.write_timeout_s or None,
    }
    return type("LimitedHttpProtocol", (BoundedHttpProtocol,), limits)


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection that holds at most MAX_HEAD_BYTES and one read of a head, and is cut where its client is too slow.

    `head_timeout_s` is what a client gets to send a whole head; one that took nothing of what waits for it for
    `write_timeout_s` has gone, as far as the application knows. None is no limit.
    """

    head_timeout_s: float | None = None
    write_timeout_s: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Bytes that the parser got since it last came to the end of something.
        self._num_held_bytes = 0
        self._num_head_bytes = 0
        self._is_in_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._num_unread_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        with suppress(OSError):  # no TCP
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting_head()
        self._stop_watching_writes()
        super().connection_lost(exc)

    # What comes in.

    def data_received(self, data: bytes) -> None:
        self._num_held_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._num_held_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        elif self._is_in_head and self._head_timer is None:
            self._await_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._num_held_bytes = self._num_head_bytes = 0
        self._stop_awaiting_head()
        self._await_head()

    def on_url(self, url: bytes) -> None:
        self._num_head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a body is no header of the request: it counts among the held bytes, and is dropped.
        if self._is_in_head:
            self._num_head_bytes += len(name) + len(value) + 4
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_awaiting_head()
        self._num_held_bytes = 0
        self._is_in_head = False
        if self._num_head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._num_held_bytes = 0
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._num_held_bytes = 0
        self._is_in_head = True
        if not self.transport.is_closing():
            super().on_message_complete()

    def _refuse_head(self) -> None:
        if self._is_answering():
            self.transport.abort()
        else:
            self.transport.write(_TOO_LARGE_RESPONSE)
            self.transport.close()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)
        return cycle is not None and not cycle.response_complete

    def _await_head(self) -> None:
        if self.head_timeout_s is not None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._end_slow_head)

    def _stop_awaiting_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_slow_head(self) -> None:
        self._head_timer = None
        if self._is_answering():  # the head is a next request's, which waits anyway
            self._await_head()
        elif not self.transport.is_closing():
            self.transport.close()

    # What goes out.

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writes()

    def resume_writing(self) -> None:
        self._stop_watching_writes()
        super().resume_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # A connection that is closed stays until its last byte was taken.
        if self._write_timer is None and self.transport.get_write_buffer_size():
            self._watch_writes()

    def _watch_writes(self) -> None:
        if self.write_timeout_s is not None:
            self._num_unread_bytes = self._unread_bytes()
            self._write_timer = self.loop.call_later(self.write_timeout_s, self._end_slow_reader)

    def _stop_watching_writes(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _end_slow_reader(self) -> None:
        """Nothing is written while this runs, so where as much is left as there was, nothing was taken."""
        self._write_timer = None
        if not self.transport.get_write_buffer_size():
            return
        if self._unread_bytes() < self._num_unread_bytes:
            self._watch_writes()
        else:
            self.transport.abort()

    def _unread_bytes(self) -> int:
        """Bytes of responses that the client's machine has not taken: here, and in the kernel."""
        in_kernel = 0
        with suppress(OSError):
            connection = self.transport.get_extra_info("socket")
            found = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
            [in_kernel] = struct.unpack("i", found)
        return in_kernel + self.transport.get_write_buffer_size()
