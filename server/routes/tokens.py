"""`POST /tokenize` and `/detokenize`, in vLLM's shapes."""

import asyncio
from functools import partial
from typing import Any

from fastapi import APIRouter, Request

from ..errors import InvalidRequest
from ..schema.chat import DetokenizeRequest, TokenizeRequest
from ..served_model import ServedModel
from .context import catalog_of, read_body, server_of
from .rendering import render_messages

router = APIRouter()


@router.post("/tokenize")
async def tokenize(request: Request) -> dict[str, Any]:
    """Token ids of a prompt, or of a conversation as the model's template renders it."""
    server = server_of(request)
    body = await read_body(request, TokenizeRequest)
    model = _model(request, body.model)
    if body.messages is not None:
        ids = await render_messages(request, model, body.messages, body)
    else:
        add_special = body.add_special_tokens is not False
        ids = await server.renderer.encode(
            model.tokenizer, body.prompt or "", add_special_tokens=add_special
        )
    strings = (
        [model.tokenizer.tokenizer.id_to_token(i) for i in ids] if body.return_token_strs else None
    )
    return {
        "count": len(ids),
        "max_model_len": server.engine.max_model_len,
        "tokens": ids,
        "token_strs": strings,
    }


@router.post("/detokenize")
async def detokenize(request: Request) -> dict[str, Any]:
    """Text of token ids, special tokens included."""
    body = await read_body(request, DetokenizeRequest)
    model = _model(request, body.model)
    largest = max(body.tokens, default=0)
    if largest >= model.tokenizer.vocab_size:
        raise InvalidRequest(
            f"tokens: {largest} is no token id below {model.tokenizer.vocab_size}", param="tokens"
        )
    decode = partial(model.tokenizer.decode, skip_special_tokens=False)
    return {"prompt": await asyncio.to_thread(decode, body.tokens)}


def _model(request: Request, name: str | None) -> ServedModel:
    catalog = catalog_of(request)
    if name is not None:
        return catalog.resolve(name)
    if catalog.base is None:
        raise InvalidRequest("model: name one; this key may not use the base", param="model")
    return catalog.base
