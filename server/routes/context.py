"""What every endpoint needs: the server's parts, made once and handed in, and the body of a request."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from fastapi import Request

from ..admission import QueuePlace, place_in
from ..catalog import Catalog
from ..engine import Engine
from ..errors import BodyTimeout, BodyTooLarge, InvalidRequest, UnsupportedMedia
from ..hosting import AdapterHost
from ..lifecycle import Lifecycle
from ..observing.metrics import Metrics
from ..observing.request_middleware import RequestObserver
from ..observing.request_record import RECORD_KEY, RequestRecord
from ..prompt import PromptRenderer
from ..schema.generation_request import GenerationRequest
from ..schema.request_body import parse_body
from ..schema.request_parts import EndturnOptions, RequestPart
from ..served_model import ServedModel
from ..settings import Settings
from ..tenancy import TENANT_KEY, ServedKeys, Tenant
from ..watchdog import Watchdog

Body = TypeVar("Body", bound=RequestPart)
# A client that is still sending hears nothing; so an oversized body is read on, up to this many times the limit.
_READ_ON_FACTOR = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The parts of the server."""

    settings: Settings
    engine: Engine
    catalog: Catalog
    adapters: AdapterHost
    renderer: PromptRenderer
    metrics: Metrics
    lifecycle: Lifecycle
    watchdog: Watchdog
    tracers: Sequence[RequestObserver] = ()
    keys: ServedKeys | None = None


def server_of(request: Request) -> Server:
    """The parts, from the application that got `request`."""
    server: Server = request.app.state.server
    return server


def tenant_of(request: Request) -> Tenant | None:
    """Whose key `request` was sent with; None where the server has no keys."""
    tenant: Tenant | None = request.scope.get(TENANT_KEY)
    return tenant


def priority_of(request: Request, wanted: int) -> int:
    """How urgent the request is to the engine, where lower is sooner: as asked, but never before what its key allows."""
    tenant = tenant_of(request)
    return wanted if tenant is None else max(wanted, tenant.priority)


def catalog_of(request: Request) -> Catalog:
    """The models that the key of `request` may use."""
    catalog, tenant = server_of(request).catalog, tenant_of(request)
    if tenant is None or tenant.adapters is None:
        return catalog
    return catalog.only(tenant.adapters)


def place_of(request: Request) -> QueuePlace:
    """What is counted of `request`."""
    return place_in(request.scope)


def model_to_answer(request: Request, body: GenerationRequest) -> ServedModel:
    """The model that `body` asks for, once it may be asked for it: the last step before work is done for a request.

    Raises:
        InvalidRequest: it switches off what it may not, or the model cannot be served.
        UnknownModel: there is no such model for this key.
        RateLimited: the model has its share of the queue.
    """
    check_guards_allowed(request, body.endturn)
    record: RequestRecord = request.scope[RECORD_KEY]
    record.model, record.stream = body.model, bool(body.stream)
    model = catalog_of(request).resolve(body.model)
    record.adapter = model.label
    has_others = len(list(islice(server_of(request).catalog, 2))) > 1
    place_of(request).name_model(model.name, has_others=has_others)
    server_of(request).adapters.note_use(record, model)
    return model


async def read_body(request: Request, kind: type[Body]) -> Body:
    """The body of `request` as a `kind`, read before anything else is done.

    Raises:
        BodyTimeout: it came too slowly.
        BodyTooLarge: it is over the limit.
        UnsupportedMedia: it says that it is not JSON.
        InvalidRequest: it is not JSON of that shape.
    """
    settings = server_of(request).settings
    timeout_s = settings.body_timeout_s
    try:
        async with asyncio.timeout(timeout_s or None):
            raw = await _read(request, settings.max_body_bytes)
    except TimeoutError as exc:
        raise BodyTimeout(f"the body did not come within {timeout_s:g} s") from exc
    _check_media_type(request.headers.get("content-type"))
    return parse_body(raw, kind, unknown_fields=not settings.refuse_unknown_fields)


async def _read(request: Request, limit: int) -> bytes:
    pieces: list[bytes] = []
    num_bytes = 0
    async for piece in request.stream():
        num_bytes += len(piece)
        if num_bytes <= limit:
            pieces.append(piece)
        elif num_bytes > limit * _READ_ON_FACTOR:
            break
    if num_bytes > limit:
        raise BodyTooLarge(f"the body is over the limit of {limit:,} bytes", code="body_too_large")
    return b"".join(pieces)


def _check_media_type(sent: str | None) -> None:
    """Refuse a body that calls itself anything but JSON, as OpenAI does; one that does not say what it is may be JSON."""
    media_type = (sent or "").partition(";")[0].strip().lower()
    if media_type in ("", "application/json"):
        return
    if media_type.startswith("application/") and media_type.endswith("+json"):
        return
    raise UnsupportedMedia(
        f"Content-Type {media_type!r:.100} is not accepted; send JSON with Content-Type: application/json",
        code="unsupported_content_type",
    )


def check_guards_allowed(request: Request, options: EndturnOptions) -> None:
    """Refuse a request that switches a guard off where the operator forbids it, to all or to this key.

    Raises:
        InvalidRequest: it is forbidden.
    """
    tenant = tenant_of(request)
    allowed = tenant is None or tenant.allow_guards_off
    if options.switches_off and not (allowed and server_of(request).settings.allow_guards_off):
        raise InvalidRequest(
            "endturn.guards: this server does not let requests switch its stops off",
            param="endturn",
        )
