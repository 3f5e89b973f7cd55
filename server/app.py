"""The FastAPI application: the parts put together, errors in the shape of the API that was called, and who is let in."""

import hmac
import logging
from collections.abc import Sequence

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from . import __version__
from .errors import InternalError, RequestError, Unauthorized, UnknownPath
from .lifecycle import Lifecycle
from .observing.request_id import REQUEST_ID_HEADER
from .observing.request_log import RequestLog
from .observing.request_middleware import CLIENT_GONE_STATUS, RequestMiddleware
from .observing.request_record import RECORD_KEY, RequestRecord
from .routes import ROUTERS, Server
from .routes.connection import ClientGone
from .routes.operations import OPEN_PATHS
from .wire.messages_wire import REQUEST_ID_HEADER as MESSAGES_REQUEST_ID_HEADER
from .wire.messages_wire import error_body

logger = logging.getLogger(__name__)

# Below this path clients speak Anthropic's API: its errors, and its way to send a key.
MESSAGES_PATH = "/v1/messages"


def create_app(server: Server) -> FastAPI:
    """The application over the given parts; nothing is started here."""
    app = FastAPI(title="endturn", version=__version__)
    app.state.server = server
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(RequestError, _on_request_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientGone, _on_client_gone)
    app.add_exception_handler(ClientDisconnect, _on_client_gone)
    app.add_exception_handler(Exception, _on_bug)
    # The last one added is the first one to see a request.
    app.add_middleware(AdmissionMiddleware, lifecycle=server.lifecycle)
    if server.settings.api_key:
        app.add_middleware(ApiKeyMiddleware, keys=server.settings.api_key)
    log = RequestLog(quiet_paths=OPEN_PATHS, content=server.settings.log_content)
    app.add_middleware(RequestMiddleware, observers=[*server.tracers, server.metrics, log])
    return app


class AdmissionMiddleware:
    """Lets POST requests in while the server takes them, and counts each until its response is over."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self._app = app
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        record: RequestRecord = scope[RECORD_KEY]
        try:
            self._lifecycle.admit(record.engine_id)
        except RequestError as exc:
            await _response(scope, exc)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._lifecycle.release(record.engine_id)


class ApiKeyMiddleware:
    """Wants `Authorization: Bearer KEY` everywhere but at the operations endpoints; Anthropic's clients send `x-api-key: KEY`."""

    def __init__(self, app: ASGIApp, keys: Sequence[SecretStr]) -> None:
        self._app = app
        self._keys = [key.get_secret_value().encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS and not self._has_key(scope):
            error = Unauthorized(
                "no valid API key; send Authorization: Bearer KEY", code="invalid_api_key"
            )
            await _response(scope, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _has_key(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        kind, _, sent = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"bearer":
            sent = headers.get(b"x-api-key", b"") if _is_messages(scope) else b""
        matches = [
            hmac.compare_digest(sent.strip(), key) for key in self._keys
        ]  # all of them: constant time
        return any(matches)


def _response(scope: Scope, exc: RequestError) -> Response:
    record: RequestRecord = scope[RECORD_KEY]
    record.error_code = exc.code or exc.type
    if not _is_messages(scope):
        return JSONResponse(exc.body(), status_code=exc.status, headers=exc.headers)
    headers = {**exc.headers, MESSAGES_REQUEST_ID_HEADER: record.request_id}
    return JSONResponse(error_body(exc, record.request_id), status_code=exc.status, headers=headers)


def _is_messages(scope: Scope) -> bool:
    path: str = scope["path"]
    return path == MESSAGES_PATH or path.startswith(f"{MESSAGES_PATH}/")


async def _on_request_error(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, RequestError):
        raise exc
    return _response(request.scope, exc)


async def _on_http_error(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    what = "there is no such path" if status == 404 else "this path does not take this method"
    error = UnknownPath(f"{request.method} {request.url.path:.200}: {what}", status=status)
    response = _response(request.scope, error)
    if isinstance(exc, HTTPException) and exc.headers:
        response.headers.update(exc.headers)
    return response


async def _on_client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_GONE_STATUS)  # nobody reads it; the access log does


async def _on_bug(request: Request, exc: Exception) -> Response:
    record: RequestRecord = request.scope[RECORD_KEY]
    facts = {"request_id": record.request_id}
    logger.error(
        "%s %.200s failed", request.method, request.url.path, exc_info=exc, extra={"facts": facts}
    )
    response = _response(request.scope, InternalError("the server failed; try again"))
    # This one is sent outside of RequestMiddleware.
    response.headers[REQUEST_ID_HEADER] = record.request_id
    return response
