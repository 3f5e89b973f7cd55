"""The messages of a request -> token ids, for as long as its client stays."""

from fastapi import Request

from ..observing.request_record import RECORD_KEY
from ..schema.chat import ChatCompletionRequest, TokenizeRequest
from ..schema.request_parts import Message
from ..served_model import ServedModel
from .connection import while_connected
from .context import server_of


async def render_messages(
    request: Request,
    model: ServedModel,
    messages: list[Message],
    body: ChatCompletionRequest | TokenizeRequest,
) -> list[int]:
    """Token ids of `messages` as `model`'s template renders them with the options of `body`.

    Raises:
        InvalidRequest: see PromptRenderer.render_chat.
        ClientGone: the client left.
    """
    rendering = server_of(request).renderer.render_chat(
        model,
        messages,
        add_generation_prompt=body.add_generation_prompt,
        continue_final_message=body.continue_final_message,
        template_kwargs=body.template_kwargs,
        tools=body.tool_objects,
    )
    with request.scope[RECORD_KEY].stage("render"):
        return await while_connected(request, rendering)
