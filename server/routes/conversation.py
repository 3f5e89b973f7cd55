"""A conversation -> an answer: what every API that is a chat does with a request, once that is a chat request."""

from fastapi import Request, Response

from ..observing.request_record import RECORD_KEY, RequestRecord
from ..schema.chat import ChatCompletionRequest
from ..wire.wire import MakeWire
from .answer import answer
from .context import check_guards_allowed, server_of
from .rendering import render_messages


async def answer_conversation(
    request: Request, body: ChatCompletionRequest, make_wire: MakeWire
) -> Response:
    """The response to `body`, written by what `make_wire` makes.

    Raises:
        RequestError: the request failed before the first token; later failures are events of the stream.
    """
    server = server_of(request)
    check_guards_allowed(server, body.endturn)
    record: RequestRecord = request.scope[RECORD_KEY]
    record.model, record.stream = body.model, bool(body.stream)
    model = server.catalog.resolve(body.model)
    record.adapter = model.label
    prompt_token_ids = await render_messages(request, model, body.messages, body)
    return await answer(request, body, model, prompt_token_ids, make_wire)
