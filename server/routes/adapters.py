"""Adapters while the server runs: `GET /v1/adapters`, and vLLM's `POST /v1/load_lora_adapter` and `/v1/unload_lora_adapter`.

Where the server has API keys, only an admin's may; without keys, whoever reaches the server may, once the operator allows it.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from ..errors import PermissionDenied
from ..hosting import HostedAdapter
from ..schema.adapters import LoadAdapterRequest, UnloadAdapterRequest
from .context import Server, read_body, server_of, tenant_of
from .models import summary_of

router = APIRouter()


@router.get("/v1/adapters")
async def list_adapters(request: Request) -> dict[str, Any]:
    """Every adapter with its state; those that failed or were unloaded lately too."""
    server = _server_for_admin(request)
    return {"object": "list", "data": [_entry(hosted, server) for hosted in server.adapters]}


@router.post("/v1/load_lora_adapter")
async def load_adapter(request: Request) -> PlainTextResponse:
    """Serve one more adapter; the answer comes when it is served."""
    server = _server_for_changes(request)
    body = await read_body(request, LoadAdapterRequest)
    await server.adapters.load(
        body.lora_name, body.lora_path, in_place=body.load_inplace, pinned=body.pinned
    )
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' added successfully.")


@router.post("/v1/unload_lora_adapter")
async def unload_adapter(request: Request) -> PlainTextResponse:
    """Serve an adapter no longer; the answer comes when its open requests have theirs, or the drain timeout is over."""
    server = _server_for_changes(request)
    body = await read_body(request, UnloadAdapterRequest)
    hosted = await server.adapters.unload(body.lora_name, timeout_s=server.settings.drain_timeout_s)
    if hosted.state == "draining":
        left = server.adapters.num_in_flight(hosted)
        return PlainTextResponse(
            f"LoRA adapter '{body.lora_name}' takes no new requests; {left} are still being answered."
        )
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")


def _entry(hosted: HostedAdapter, server: Server) -> dict[str, Any]:
    model = hosted.model
    weights = None if model is None else model.adapter
    return {
        "id": hosted.name,
        "object": "adapter",
        "state": hosted.state,
        "reason": hosted.reason,
        "since": hosted.since_s,
        "source": hosted.source,
        "pinned": hosted.is_pinned,
        "in_engine": server.adapters.is_in_engine(hosted),
        "in_flight": server.adapters.num_in_flight(hosted),
        "last_used": hosted.last_used_s,
        "load_seconds": hosted.load_s,
        "weights": None
        if weights is None
        else {"sha256": weights.key, "rank": weights.rank, "bytes": weights.num_bytes},
        "endturn": None if model is None else summary_of(model, server),
    }


def _server_for_admin(request: Request) -> Server:
    server, tenant = server_of(request), tenant_of(request)
    if tenant is not None and not tenant.admin:
        raise PermissionDenied("this needs the key of an admin", code="admin_key_required")
    return server


def _server_for_changes(request: Request) -> Server:
    server = _server_for_admin(request)
    if not server.settings.allow_adapter_updates:
        raise PermissionDenied(
            "adapters of this server do not change by request; start it with --allow-adapter-updates",
            code="adapter_updates_off",
        )
    return server
