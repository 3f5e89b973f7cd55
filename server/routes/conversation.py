"""A conversation -> an answer: what every API that is a chat does with a request, once that is a chat request."""

from fastapi import Request, Response

from ..schema.chat import ChatCompletionRequest
from ..wire.wire import MakeWire
from .answer import answer
from .context import model_to_answer, priority_of
from .generations import Asked
from .rendering import render_messages


async def answer_conversation(
    request: Request, body: ChatCompletionRequest, make_wire: MakeWire
) -> Response:
    """The response to `body`, written by what `make_wire` makes.

    Raises:
        RequestError: the request failed before the first token; later failures are events of the stream.
    """
    model = model_to_answer(request, body)
    prompt_token_ids = await render_messages(request, model, body.messages, body)
    asked = Asked(
        body=body,
        model=model,
        prompts=[prompt_token_ids],
        priority=priority_of(request, body.priority),
    )
    return await answer(request, asked, make_wire)
