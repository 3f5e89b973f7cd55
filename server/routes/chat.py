"""`POST /v1/chat/completions`."""

from fastapi import APIRouter, Request, Response

from ..metrics import RECORD_KEY
from ..schema import ChatCompletionRequest
from ..sse import ChatWire
from .answer import answer
from .context import check_guards_allowed, read_body, server_of
from .rendering import render_messages

router = APIRouter()


@router.post("/v1/chat/completions")
async def chat_completions(request: Request) -> Response:
    """Answer a conversation."""
    server = server_of(request)
    body = await read_body(request, ChatCompletionRequest)
    check_guards_allowed(server, body.endturn.guards)
    model = server.catalog.resolve(body.model)
    request.scope[RECORD_KEY].adapter = model.label
    prompt_token_ids = await render_messages(request, model, body.messages, body)
    return await answer(request, body, model, prompt_token_ids, ChatWire)
