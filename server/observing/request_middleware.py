"""The outermost layer around every request: its id, its record, and who is told when it is over.

Pure ASGI, and the only place that knows how a response ended. What is done with the record is the observers' business.
"""

from collections.abc import Sequence
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import InternalError
from .request_id import REQUEST_ID_HEADER, request_id_of
from .request_record import RECORD_KEY, RequestRecord

CLIENT_GONE_STATUS = 499


class RequestObserver(Protocol):
    """Told of every HTTP request when it begins and when its response has ended, broken or been abandoned."""

    def begin(self, record: RequestRecord, scope: Scope) -> None:
        """A request came; nothing but its headers was read."""
        ...

    def end(self, record: RequestRecord, scope: Scope) -> None:
        """It is over."""
        ...


class RequestMiddleware:
    """Shows each HTTP request to the observers, in their order, once at either end."""

    def __init__(self, app: ASGIApp, observers: Sequence[RequestObserver]) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope["headers"])
        record = RequestRecord(request_id=request_id.value, engine_id=request_id.engine_id)
        scope[RECORD_KEY] = record
        for observer in self._observers:
            observer.begin(record, scope)
        complete = False

        async def note_and_send(message: Message) -> None:
            nonlocal complete
            if message["type"] == "http.response.start":
                record.status = message["status"]
                header = (REQUEST_ID_HEADER.encode(), record.request_id.encode())
                message = {**message, "headers": [*message["headers"], header]}
            elif message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, note_and_send)
            record.client_gone = not complete or record.status == CLIENT_GONE_STATUS
        except Exception:
            # Starlette answers it outside of here.
            record.status = record.status or InternalError.status
            record.error_code = record.error_code or InternalError.type
            raise
        finally:
            for observer in self._observers:
                observer.end(record, scope)
