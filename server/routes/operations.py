"""What orchestrators and monitoring ask: `/livez`, `/readyz`, `/health`, `/version`, `/metrics`. Never need a key."""

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .. import __version__
from ..errors import Unavailable, UnknownPath
from .context import server_of

router = APIRouter()
OPEN_PATHS = frozenset({"/livez", "/readyz", "/health", "/version", "/metrics"})


@router.get("/livez")
async def livez(request: Request) -> dict[str, str]:
    """The process should live: its engine is not dead."""
    _raise_if_dead(request)
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> dict[str, str]:
    """The server takes requests: loaded, not draining, engine alive."""
    _raise_if_dead(request)
    if not server_of(request).lifecycle.is_ready:
        raise Unavailable("not taking requests", code="not_ready")
    return {"status": "ready"}


@router.get("/health")
async def health(request: Request) -> Response:
    """As vLLM's: 200 with no body, 503 once the engine is dead."""
    _raise_if_dead(request)
    return Response(status_code=200)


@router.get("/version")
async def version() -> dict[str, Any]:
    """Our version."""
    return {"version": __version__}


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus text: ours, vLLM's and the process's. Not here where --metrics-port moves it."""
    server = server_of(request)
    if server.settings.metrics_port is not None:
        raise UnknownPath(f"/metrics is served on port {server.settings.metrics_port}", status=404)
    page = generate_latest(server.metrics.registry)
    return Response(page, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _raise_if_dead(request: Request) -> None:
    if server_of(request).lifecycle.engine_died:
        raise Unavailable("the engine died", code="engine_dead")
