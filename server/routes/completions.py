"""`POST /v1/completions`: plain text in, no template; the model's stops are in effect all the same."""

from fastapi import APIRouter, Request, Response

from ..errors import InvalidRequest
from ..observing.request_record import RECORD_KEY, RequestRecord
from ..schema.chat import CompletionRequest
from ..wire.sse import CompletionWire
from .answer import answer
from .context import check_guards_allowed, read_body, server_of

router = APIRouter()


@router.post("/v1/completions")
async def completions(request: Request) -> Response:
    """Continue a text."""
    server = server_of(request)
    body = await read_body(request, CompletionRequest)
    check_guards_allowed(server, body.endturn)
    record: RequestRecord = request.scope[RECORD_KEY]
    record.model, record.stream = body.model, bool(body.stream)
    model = server.catalog.resolve(body.model)
    record.adapter = model.label
    if isinstance(body.prompt, str):
        with record.stage("render"):
            prompt_token_ids = await server.renderer.encode(
                model.tokenizer, body.prompt, add_special_tokens=body.add_special_tokens
            )
    else:
        prompt_token_ids = [
            _checked(token_id, model.tokenizer.vocab_size) for token_id in body.prompt
        ]
    if not prompt_token_ids:
        raise InvalidRequest("prompt: it has no tokens", param="prompt")
    return await answer(request, body, model, prompt_token_ids, CompletionWire)


def _checked(token_id: object, vocab_size: int) -> int:
    if not isinstance(token_id, int) or token_id >= vocab_size:
        raise InvalidRequest(
            f"prompt: {token_id!r:.50} is no token id below {vocab_size}", param="prompt"
        )
    return token_id
