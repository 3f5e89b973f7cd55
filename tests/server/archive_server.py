"""A real HTTP server on loopback for archives: honest, slow, broken, or sending its clients elsewhere."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one path answers. `claims`: the Content-Length it says, None for none; `pause_s`: before its last
    byte; `late_s`: between headers and body."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    claims: int | None = -1
    pause_s: float = 0.0
    late_s: float = 0.0
    drip: bool = False


class ArchiveServer(ThreadingHTTPServer):
    """Answers `pages`, and records every request as (path, headers)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: ArchiveServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        page = self.server.pages.get(self.path, Page(status=404))
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        if page.claims is not None:
            self.send_header(
                "Content-Length", str(len(page.body) if page.claims < 0 else page.claims)
            )
        self.end_headers()
        self.server.stopping.wait(page.late_s)
        if self.command == "HEAD":
            return
        if page.drip:
            self._drip(page)
            return
        self.wfile.write(page.body[:-1])
        self.wfile.flush()
        self.server.stopping.wait(page.pause_s)
        self.wfile.write(page.body[-1:])

    do_HEAD = do_GET  # noqa: N815  (the base's name)

    def _drip(self, page: Page) -> None:
        for at in range(len(page.body)):
            if self.server.stopping.wait(page.pause_s):
                return
            self.wfile.write(page.body[at : at + 1])
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        return


@contextmanager
def archive_server() -> Iterator[ArchiveServer]:
    """A server in a thread; gone, threads too, when this ends."""
    server = ArchiveServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
