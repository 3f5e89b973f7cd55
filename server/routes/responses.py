"""`POST /v1/responses`, OpenAI's newer API, as a translation into a chat request. Nothing is stored, so nothing can be fetched."""

from functools import partial

from fastapi import APIRouter, Request, Response

from ..errors import UnknownPath
from ..schema.responses_schema import FIELDS, ResponsesRequest
from ..schema.translation import fields_named
from ..wire.responses_wire import ResponsesWire
from .context import read_body
from .conversation import answer_conversation

router = APIRouter()


@router.post("/v1/responses")
async def responses(request: Request) -> Response:
    """Answer a conversation."""
    body = await read_body(request, ResponsesRequest)
    chat = body.as_chat()
    with fields_named(FIELDS):
        return await answer_conversation(request, chat, partial(ResponsesWire, asked=body))


@router.get("/v1/responses/{response_id}")
@router.delete("/v1/responses/{response_id}")
@router.get("/v1/responses/{response_id}/input_items")
@router.post("/v1/responses/{response_id}/cancel")
async def stored_response(response_id: str) -> Response:
    """What clients of OpenAI ask of stored responses."""
    raise UnknownPath(
        f"response {response_id:.200} is not here: this server keeps no answers (store is ignored)",
        status=404,
    )
