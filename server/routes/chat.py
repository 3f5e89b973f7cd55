"""`POST /v1/chat/completions`."""

from fastapi import APIRouter, Request, Response

from ..schema.chat import ChatCompletionRequest
from ..wire.sse import ChatWire
from .context import read_body
from .conversation import answer_conversation

router = APIRouter()


@router.post("/v1/chat/completions")
async def chat_completions(request: Request) -> Response:
    """Answer a conversation."""
    body = await read_body(request, ChatCompletionRequest)
    return await answer_conversation(request, body, ChatWire)
