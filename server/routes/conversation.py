"""A conversation -> an answer: what every API that is a chat does with a request, once that is a chat request."""

from fastapi import Request, Response

from ..observing.request_record import RECORD_KEY, RequestRecord
from ..schema.chat import ChatCompletionRequest
from ..wire.wire import MakeWire
from .answer import answer
from .context import catalog_of, check_guards_allowed, priority_of
from .generations import Asked
from .rendering import render_messages


async def answer_conversation(
    request: Request, body: ChatCompletionRequest, make_wire: MakeWire
) -> Response:
    """The response to `body`, written by what `make_wire` makes.

    Raises:
        RequestError: the request failed before the first token; later failures are events of the stream.
    """
    check_guards_allowed(request, body.endturn)
    record: RequestRecord = request.scope[RECORD_KEY]
    record.model, record.stream = body.model, bool(body.stream)
    model = catalog_of(request).resolve(body.model)
    record.adapter = model.label
    prompt_token_ids = await render_messages(request, model, body.messages, body)
    asked = Asked(
        body=body,
        model=model,
        prompts=[prompt_token_ids],
        priority=priority_of(request, body.priority),
    )
    return await answer(request, asked, make_wire)
