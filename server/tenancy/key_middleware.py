"""Wants an API key on every path but the operator's probes, counts the request in and out, and says what is left."""

from collections.abc import Callable, Collection

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import RequestError, Unauthorized
from ..observing.request_record import RECORD_KEY, RequestRecord
from .tenant import Tenant
from .tenants import Tenants

TENANT_KEY = "endturn.tenant"


class KeyMiddleware:
    """`Authorization: Bearer KEY`, or `x-api-key: KEY` as Anthropic's clients send it on their own paths.

    Only what makes work (POST) is counted against a key's limits. `respond` makes the response to an error; `takes_x_api_key`
    tells the paths of Anthropic's API.
    """

    def __init__(
        self,
        app: ASGIApp,
        tenants: Tenants,
        open_paths: Collection[str],
        takes_x_api_key: Callable[[str], bool],
        respond: Callable[[Scope, RequestError], Response],
    ) -> None:
        self._app = app
        self._tenants = tenants
        self._open_paths = frozenset(open_paths)
        self._takes_x_api_key = takes_x_api_key
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        tenant = self._tenants.find(self._sent_key(scope))
        if tenant is None:
            error = Unauthorized(
                "no valid API key; send Authorization: Bearer KEY", code="invalid_api_key"
            )
            await self._respond(scope, error)(scope, receive, send)
            return
        scope[TENANT_KEY] = tenant
        record: RequestRecord = scope[RECORD_KEY]
        record.tenant = tenant.name
        if scope["method"] == "POST":
            await self._counted(tenant, record, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _counted(
        self, tenant: Tenant, record: RequestRecord, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            admission = self._tenants.enter(tenant)
        except RequestError as exc:
            await self._respond(scope, exc)(scope, receive, send)
            return
        limits = [(name.encode(), value.encode()) for name, value in admission.headers.items()]

        async def send_with_limits(message: Message) -> None:
            if limits and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *limits]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_limits)
        finally:
            self._tenants.leave(tenant)
            self._tenants.note_answer(tenant, record.num_generated_tokens)

    def _sent_key(self, scope: Scope) -> str:
        headers = dict(scope["headers"])
        kind, _, sent = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"bearer":
            takes = self._takes_x_api_key(scope["path"])
            sent = headers.get(b"x-api-key", b"") if takes else b""
        key: str = sent.strip().decode("utf-8", "replace")
        return key
