"""`POST /v1/messages` and `/v1/messages/count_tokens`, Anthropic's API, as a translation into a chat request."""

from fastapi import APIRouter, Request, Response

from ..observing.request_record import RECORD_KEY, RequestRecord
from ..schema.messages_schema import FIELDS, CountTokensRequest, MessagesRequest
from ..schema.translation import fields_named
from ..wire.messages_wire import REQUEST_ID_HEADER, MessagesWire
from .context import catalog_of, read_body
from .conversation import answer_conversation
from .rendering import render_messages

router = APIRouter()


@router.post("/v1/messages")
async def messages(request: Request) -> Response:
    """Answer a conversation."""
    body = await read_body(request, MessagesRequest)
    chat = body.as_chat()
    with fields_named(FIELDS):
        response = await answer_conversation(request, chat, MessagesWire)
    response.headers[REQUEST_ID_HEADER] = request.scope[RECORD_KEY].request_id
    return response


@router.post("/v1/messages/count_tokens")
async def count_tokens(request: Request, response: Response) -> dict[str, int]:
    """How many tokens the prompt of such a request has."""
    body = await read_body(request, CountTokensRequest)
    chat = body.as_chat()
    record: RequestRecord = request.scope[RECORD_KEY]
    record.model = chat.model
    response.headers[REQUEST_ID_HEADER] = record.request_id
    model = catalog_of(request).resolve(chat.model)
    with fields_named(FIELDS):
        return {"input_tokens": len(await render_messages(request, model, chat.messages, chat))}
