"""`POST /v1/completions`: plain text in, no template; the model's stops are in effect all the same."""

import asyncio
from functools import partial

from fastapi import APIRouter, Request, Response

from ..errors import InvalidRequest
from ..observing.request_record import RECORD_KEY, RequestRecord
from ..schema.completions import CompletionRequest, Prompt
from ..served_model import ServedModel
from ..text_prompt import TextPrompt, prompt_of_ids, prompt_of_text
from ..wire.completion_wire import CompletionWire
from .answer import answer
from .connection import while_connected
from .context import Server, model_to_answer, priority_of, read_body, server_of
from .generations import Asked

router = APIRouter()


@router.post("/v1/completions")
async def completions(request: Request) -> Response:
    """Continue a text."""
    server = server_of(request)
    body = await read_body(request, CompletionRequest)
    model = model_to_answer(request, body)
    record: RequestRecord = request.scope[RECORD_KEY]
    with record.stage("render"):
        prompts = await while_connected(request, _prompts(server, body, model))
    asked = Asked(
        body=body,
        model=model,
        prompts=[prompt.token_ids for prompt in prompts],
        priority=priority_of(request, body.priority),
    )
    echoes = prompts if body.echo else ()
    return await answer(request, asked, partial(CompletionWire, echoes=echoes))


async def _prompts(server: Server, body: CompletionRequest, model: ServedModel) -> list[TextPrompt]:
    several = len(body.prompts) > 1
    return [
        await _prompt(server, body, model, prompt, f"prompt[{number}]" if several else "prompt")
        for number, prompt in enumerate(body.prompts)
    ]


async def _prompt(
    server: Server, body: CompletionRequest, model: ServedModel, prompt: Prompt, place: str
) -> TextPrompt:
    """One prompt; what an echo shows of it is only made where it is asked for."""
    tokenizer = model.tokenizer
    if isinstance(prompt, list):
        _check_vocabulary(prompt, tokenizer.vocab_size, place)
        if not body.echo:
            return TextPrompt(token_ids=prompt)
        return await asyncio.to_thread(prompt_of_ids, tokenizer, prompt)
    options = {"add_special_tokens": body.add_special_tokens}
    if body.echo:
        made = await asyncio.to_thread(prompt_of_text, tokenizer, prompt, **options)
    else:
        made = TextPrompt(token_ids=await server.renderer.encode(tokenizer, prompt, **options))
    if not made.token_ids:
        raise InvalidRequest(f"{place}: it has no tokens", param=place)
    return made


def _check_vocabulary(token_ids: list[int], vocab_size: int, place: str) -> None:
    largest = max(token_ids)
    if largest >= vocab_size:
        raise InvalidRequest(
            f"{place}: {largest!r:.50} is no token id below {vocab_size}", param=place
        )
