"""`GET /v1/models` and `/v1/models/{id}`."""

from typing import Any

from fastapi import APIRouter, Request

from ..served_model import ServedModel
from .context import server_of

router = APIRouter()


def _entry(model: ServedModel, max_model_len: int) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "endturn",
        "root": model.root,
        "parent": model.parent,
        "max_model_len": max_model_len,
    }


@router.get("/v1/models")
async def list_models(request: Request) -> dict[str, Any]:
    """Every name that is served, the base first."""
    server = server_of(request)
    data = [_entry(model, server.engine.max_model_len) for model in server.catalog]
    return {"object": "list", "data": data}


@router.get("/v1/models/{model_id:path}")
async def get_model(request: Request, model_id: str) -> dict[str, Any]:
    """One of them."""
    server = server_of(request)
    return _entry(server.catalog.resolve(model_id), server.engine.max_model_len)
