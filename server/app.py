"""The FastAPI application: the parts put together, errors in the shape of the API that was called, and who is let in."""

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import Scope

from . import __version__
from .admission import AdmissionMiddleware, AdmissionQueue, QueueLimits
from .errors import InternalError, InvalidRequest, RequestError, UnknownPath
from .observing.request_id import REQUEST_ID_HEADER
from .observing.request_log import RequestLog
from .observing.request_middleware import CLIENT_GONE_STATUS, RequestMiddleware
from .observing.request_record import RECORD_KEY, RequestRecord
from .openapi import pages
from .routes import ROUTERS, Server
from .routes.connection import ClientGone
from .routes.operations import OPEN_PATHS
from .tenancy import KeyMiddleware
from .wire.messages_wire import REQUEST_ID_HEADER as MESSAGES_REQUEST_ID_HEADER
from .wire.messages_wire import error_body

logger = logging.getLogger(__name__)

# Below this path clients speak Anthropic's API: its errors, and its way to send a key.
MESSAGES_PATH = "/v1/messages"


def create_app(server: Server) -> FastAPI:
    """The application over the given parts; nothing is started here."""
    # The document and its pages are our own.
    app = FastAPI(title="endturn", version=__version__, openapi_url=None)
    app.state.server = server
    for router in (*ROUTERS, pages.router):
        app.include_router(router)
    app.add_exception_handler(RequestError, _on_request_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_wrong_parameter)
    app.add_exception_handler(ClientGone, _on_client_gone)
    app.add_exception_handler(ClientDisconnect, _on_client_gone)
    app.add_exception_handler(Exception, _on_bug)
    # The last one added is the first one to see a request.
    keys = server.keys
    app.add_middleware(
        AdmissionMiddleware,
        lifecycle=server.lifecycle,
        queue=_admission_queue(server),
        num_tenants=lambda: 0 if keys is None else keys.tenants.number,
        respond=_response,
    )
    if keys is not None:
        app.add_middleware(
            KeyMiddleware,
            tenants=keys.tenants,
            open_paths=OPEN_PATHS,
            takes_x_api_key=_is_messages_path,
            respond=_response,
        )
    log = RequestLog(quiet_paths=OPEN_PATHS, content=server.settings.log_content)
    app.add_middleware(
        RequestMiddleware, observers=[*server.tracers, server.metrics, log, server.adapters]
    )
    return app


def _admission_queue(server: Server) -> AdmissionQueue:
    """The queue that the settings ask for; its numbers are read when the metrics are."""
    settings = server.settings
    queue = AdmissionQueue(
        QueueLimits(
            max_requests=settings.max_requests,
            max_queued_requests=settings.max_queued_requests,
            max_queued_tokens=settings.max_queued_tokens,
            max_share=settings.max_queue_share,
        )
    )
    server.metrics.queued_requests.set_function(lambda: queue.counts.total.num_requests)
    server.metrics.queued_tokens.set_function(lambda: queue.counts.total.num_tokens)
    return queue


def _response(scope: Scope, exc: RequestError) -> Response:
    record: RequestRecord = scope[RECORD_KEY]
    record.error_code = exc.code or exc.type
    if not _is_messages(scope):
        return JSONResponse(exc.body(), status_code=exc.status, headers=exc.headers)
    headers = {**exc.headers, MESSAGES_REQUEST_ID_HEADER: record.request_id}
    return JSONResponse(error_body(exc, record.request_id), status_code=exc.status, headers=headers)


def _is_messages(scope: Scope) -> bool:
    return _is_messages_path(scope["path"])


def _is_messages_path(path: str) -> bool:
    return path == MESSAGES_PATH or path.startswith(f"{MESSAGES_PATH}/")


async def _on_request_error(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, RequestError):
        raise exc
    return _response(request.scope, exc)


async def _on_http_error(request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    what, allow = "there is no such path", frozenset[str]()
    if status == 405:
        allow = _methods(request)
        what = f"this path does not take this method; send {', '.join(sorted(allow))}"
    message = f"{request.method} {request.url.path:.200}: {what}"
    return _response(request.scope, UnknownPath(message, status=status, allow=allow))


def _methods(request: Request) -> frozenset[str]:
    """What the path of `request` takes: several routes may share it."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    found = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return frozenset(method for route in found for method in route.methods or ())


async def _on_wrong_parameter(request: Request, exc: Exception) -> Response:
    """FastAPI's judgement of a path or a query; its own status for it, 422, is none of OpenAI's."""
    problem = exc.errors()[0] if isinstance(exc, RequestValidationError) else {}
    name = str(problem.get("loc", ("path",))[-1])
    error = InvalidRequest(f"{name}: {problem.get('msg', 'is not valid')}", param=name)
    return _response(request.scope, error)


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
