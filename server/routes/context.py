"""What every endpoint needs: the server's parts, made once and handed in, and the body of a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request

from ..catalog import Catalog
from ..engine import Engine
from ..errors import BodyTooLarge, InvalidRequest
from ..lifecycle import Lifecycle
from ..observing.metrics import Metrics
from ..observing.request_middleware import RequestObserver
from ..prompt import PromptRenderer
from ..schema.request_body import parse_body
from ..schema.request_parts import EndturnOptions, RequestPart
from ..settings import Settings
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
    renderer: PromptRenderer
    metrics: Metrics
    lifecycle: Lifecycle
    watchdog: Watchdog
    tracers: Sequence[RequestObserver] = ()


def server_of(request: Request) -> Server:
    """The parts, from the application that got `request`."""
    server: Server = request.app.state.server
    return server


async def read_body(request: Request, kind: type[Body]) -> Body:
    """The body of `request` as a `kind`, read before anything else is done.

    Raises:
        BodyTooLarge: it is over the limit.
        InvalidRequest: it is not JSON of that shape.
    """
    limit = server_of(request).settings.max_body_bytes
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
    return parse_body(b"".join(pieces), kind)


def check_guards_allowed(server: Server, options: EndturnOptions) -> None:
    """Refuse a request that switches a guard off where the operator forbids it.

    Raises:
        InvalidRequest: it is forbidden.
    """
    if options.switches_off and not server.settings.allow_guards_off:
        raise InvalidRequest(
            "endturn.guards: this server does not let requests switch its stops off",
            param="endturn",
        )
