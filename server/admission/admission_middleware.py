"""Lets POST requests in while the server takes them and has room, and counts each out when its response is over."""

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import RequestError
from ..lifecycle import Lifecycle
from ..observing.request_record import RECORD_KEY, RequestRecord
from .admission_queue import AdmissionQueue, QueuePlace

# What makes text, and so waits for a first token.
GENERATION_PATHS = frozenset(
    {"/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"}
)
# What an operator does about a full server must get through.
OPERATOR_PATHS = frozenset({"/v1/load_lora_adapter", "/v1/unload_lora_adapter"})
_PLACE_KEY = "endturn.place"


def place_in(scope: Scope) -> QueuePlace:
    """The place of a request that came through the middleware."""
    place: QueuePlace = scope[_PLACE_KEY]
    return place


class AdmissionMiddleware:
    """Stands behind the keys and before the body. `num_tenants` tells how many share the server; `respond` makes the
    response to an error.
    """

    def __init__(
        self,
        app: ASGIApp,
        lifecycle: Lifecycle,
        queue: AdmissionQueue,
        num_tenants: Callable[[], int],
        respond: Callable[[Scope, RequestError], Response],
    ) -> None:
        self._app = app
        self._lifecycle = lifecycle
        self._queue = queue
        self._num_tenants = num_tenants
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        record: RequestRecord = scope[RECORD_KEY]
        try:
            place = self._admit(scope["path"], record)
        except RequestError as exc:
            await self._respond(scope, exc)(scope, receive, send)
            return
        try:
            if place is not None:
                scope[_PLACE_KEY] = place
                record.on_first_token = place.note_first_token
            await self._app(scope, receive, send)
        finally:
            if place is not None:
                place.leave()
            self._lifecycle.release(record.engine_id)

    def _admit(self, path: str, record: RequestRecord) -> QueuePlace | None:
        """Count the request in. The server's own state is asked first: a dead engine is no full queue."""
        self._lifecycle.admit(record.engine_id)
        try:
            if path in GENERATION_PATHS:
                return self._queue.enter(record.tenant, has_others=self._num_tenants() > 1)
            return None if path in OPERATOR_PATHS else self._queue.enter_unqueued()
        except RequestError:
            self._lifecycle.release(record.engine_id)
            raise
