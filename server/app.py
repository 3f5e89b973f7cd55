"""The FastAPI application: the parts put together, errors in OpenAI's shape, and who is let in."""

import hmac
import logging
import uuid
from collections.abc import Sequence

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from . import __version__
from .errors import InternalError, RequestError, Unauthorized, UnknownPath
from .lifecycle import Lifecycle
from .metrics import MetricsMiddleware
from .routes import ROUTERS, Server
from .routes.connection import ClientGone
from .routes.context import REQUEST_ID_KEY
from .routes.operations import OPEN_PATHS

logger = logging.getLogger(__name__)


def create_app(server: Server) -> FastAPI:
    """The application over the given parts; nothing is started here."""
    app = FastAPI(title="endturn", version=__version__)
    app.state.server = server
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(RequestError, _on_request_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientGone, _on_client_gone)
    app.add_exception_handler(Exception, _on_bug)
    # The last one added is the first one to see a request.
    app.add_middleware(AdmissionMiddleware, lifecycle=server.lifecycle)
    if server.settings.api_key:
        app.add_middleware(ApiKeyMiddleware, keys=server.settings.api_key)
    app.add_middleware(MetricsMiddleware, metrics=server.metrics)
    return app


class AdmissionMiddleware:
    """Lets POST requests in while the server takes them, gives each an id, and counts it until its response is over."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self._app = app
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope[REQUEST_ID_KEY] = request_id
        try:
            self._lifecycle.admit(request_id)
        except RequestError as exc:
            await _response(exc)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._lifecycle.release(request_id)


class ApiKeyMiddleware:
    """Wants `Authorization: Bearer KEY` everywhere but at the operations endpoints."""

    def __init__(self, app: ASGIApp, keys: Sequence[SecretStr]) -> None:
        self._app = app
        self._keys = [key.get_secret_value().encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS and not self._has_key(scope):
            error = Unauthorized(
                "no valid API key; send Authorization: Bearer KEY", code="invalid_api_key"
            )
            await _response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _has_key(self, scope: Scope) -> bool:
        header = dict(scope["headers"]).get(b"authorization", b"")
        kind, _, sent = header.partition(b" ")
        matches = [
            hmac.compare_digest(sent.strip(), key) for key in self._keys
        ]  # all of them: constant time
        return kind.lower() == b"bearer" and any(matches)


def _response(exc: RequestError) -> Response:
    return JSONResponse(exc.body(), status_code=exc.status, headers=exc.headers)


async def _on_request_error(_: Request, exc: Exception) -> Response:
    if not isinstance(exc, RequestError):
        raise exc
    return _response(exc)


async def _on_http_error(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    what = "there is no such path" if status == 404 else "this path does not take this method"
    error = UnknownPath(f"{request.method} {request.url.path:.200}: {what}", status=status)
    response = _response(error)
    if isinstance(exc, HTTPException) and exc.headers:
        response.headers.update(exc.headers)
    return response


async def _on_client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it; the access log does


async def _on_bug(request: Request, exc: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    return _response(InternalError("the server failed; try again"))
