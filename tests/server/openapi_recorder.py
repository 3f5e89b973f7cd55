"""Every test of the server is a test of its OpenAPI document: what goes in and out is held against it."""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.openapi.document import ServerFacts, document_text
from tests.server.openapi_reading import Document


@dataclass
class Exchange:
    """One request and its response."""

    method: str
    path: str
    request: bytearray = field(default_factory=bytearray)
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    response: bytearray = field(default_factory=bytearray)
    is_complete: bool = False

    def problems(self, document: Document) -> list[str]:
        """What the document says otherwise."""
        if not self.is_complete or self.status == 499:
            return []
        found = document.response_problems(
            self.method, self.path, self.status, self.headers, bytes(self.response)
        )
        if self.status == 200 and self.request:
            body = json.loads(self.request)
            found += [
                f"accepted, though {problem}"
                for problem in document.request_problems(self.method, self.path, body)
            ]
        shown = f"{self.method} {self.path} {bytes(self.request)[:300]!r} -> {self.status}"
        return [f"{shown}: {problem}" for problem in found]


class Recorder:
    """Passes everything on, and remembers it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope["method"], scope["path"])
        self.exchanges.append(exchange)

        async def note_received() -> Message:
            message = await receive()
            exchange.request += message.get("body", b"")
            return message

        async def note_sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.headers = {k.decode().lower(): v.decode() for k, v in message["headers"]}
            else:
                exchange.response += message.get("body", b"")
                exchange.is_complete = not message.get("more_body", False)
            await send(message)

        await self._app(scope, note_received, note_sent)

    def check(self, facts: ServerFacts) -> None:
        """Fail where something was not as the document says."""
        document = _document(facts)
        problems = [text for exchange in self.exchanges for text in exchange.problems(document)]
        assert not problems, "\n".join(problems)


@cache
def _document(facts: ServerFacts) -> Document:
    loaded: dict[str, Any] = json.loads(document_text(facts))
    return Document(loaded)
