"""From token ids to a response: plan, generate, and write the answer whole or as a stream.

Shared by chat and text completion, which differ only in prompt and wire form.
"""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from fastapi import Request, Response

from ..engine import EngineRequest
from ..errors import EndturnError, EngineDeadError, InternalError, RequestError, Unavailable
from ..generation import ChoiceDelta, generate
from ..logprobs import LogprobsWriter
from ..metrics import RECORD_KEY, RequestRecord
from ..sampling import GenerationPlan, plan_generation
from ..schema import GenerationRequest
from ..served_model import ServedModel
from ..sse import DONE, WholeChoice, Wire, event, usage
from .connection import EventStream, while_connected
from .context import REQUEST_ID_KEY, Server, server_of

logger = logging.getLogger(__name__)


async def answer(
    request: Request,
    body: GenerationRequest,
    model: ServedModel,
    prompt_token_ids: list[int],
    wire_class: type[Wire],
) -> Response:
    """The response to `body`.

    Raises:
        RequestError: the request failed before the first token; later failures are events of the stream.
    """
    server = server_of(request)
    request_id: str = request.scope[REQUEST_ID_KEY]
    include_usage = bool(body.stream_options and body.stream_options.include_usage)
    wire = wire_class(
        wire_class.id_prefix + request_id,
        model.name,
        int(time.time()),
        include_usage=include_usage,
        logprobs=_logprobs_writer(body, model),
    )
    plan = plan_generation(
        body,
        model,
        num_prompt_tokens=len(prompt_token_ids),
        max_model_len=server.engine.max_model_len,
    )
    engine_request = EngineRequest(
        request_id=request_id,
        prompt_token_ids=prompt_token_ids,
        sampling=plan.sampling,
        adapter=model.adapter,
    )
    record: RequestRecord = request.scope[RECORD_KEY]
    deltas = _translated(
        generate(server.engine, engine_request, plan, model.tokenizer, record), server
    )
    if not body.stream:
        return await while_connected(request, _whole(deltas, plan, wire, len(prompt_token_ids)))
    events = _events(deltas, plan, wire, len(prompt_token_ids) if include_usage else None)
    # The first event decides the status: what fails before it is an HTTP error, not an event.
    first = await while_connected(request, anext(events))
    return EventStream(first, _with_errors(events))


def _logprobs_writer(body: GenerationRequest, model: ServedModel) -> LogprobsWriter | None:
    number = body.num_top_logprobs
    return None if number is None else LogprobsWriter(model.tokenizer, number)


async def _translated(
    deltas: AsyncGenerator[ChoiceDelta, None], server: Server
) -> AsyncGenerator[ChoiceDelta, None]:
    """The same deltas; every failure becomes an error that a client may see."""
    try:
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta
    except EngineDeadError as exc:
        server.lifecycle.note_engine_death()
        raise Unavailable(
            "the engine died during this answer; the server restarts", code="engine_dead"
        ) from exc
    except RequestError:
        raise
    except EndturnError as exc:
        raise InternalError(str(exc)) from exc


async def _whole(
    deltas: AsyncGenerator[ChoiceDelta, None],
    plan: GenerationPlan,
    wire: Wire,
    num_prompt_tokens: int,
) -> Response:
    choices = [WholeChoice() for _ in range(plan.sampling.n * plan.copies)]
    async with aclosing(deltas):
        async for delta in deltas:
            choices[delta.index].pieces.append(delta.text)
            choices[delta.index].logprobs += delta.logprobs
            choices[delta.index].finish = delta.finish
    counts = usage(num_prompt_tokens, _num_tokens(choices))
    return Response(orjson.dumps(wire.whole(choices, counts)), media_type="application/json")


async def _events(
    deltas: AsyncGenerator[ChoiceDelta, None],
    plan: GenerationPlan,
    wire: Wire,
    num_prompt_tokens: int | None,
) -> AsyncGenerator[bytes, None]:
    """The events of a stream, to its end; `num_prompt_tokens` is None where no usage was asked for."""
    num_choices = plan.sampling.n * plan.copies
    num_tokens = [0] * num_choices
    opening = b"".join(wire.opening(num_choices))
    async with aclosing(deltas):
        async for delta in deltas:
            num_tokens[delta.index] = delta.num_tokens
            yield opening + wire.delta(delta)
            opening = b""
    if num_prompt_tokens is not None:
        yield wire.usage(usage(num_prompt_tokens, sum(num_tokens)))
    yield DONE


def _num_tokens(choices: list[WholeChoice]) -> int:
    return sum(choice.finish.num_tokens for choice in choices if choice.finish is not None)


async def _with_errors(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """`events`; a failure among them becomes one last event in OpenAI's shape."""
    try:
        async with aclosing(events):
            async for piece in events:
                yield piece
    except RequestError as exc:
        yield event(exc.body()) + DONE
    except Exception:  # the headers are out: no handler after this one could tell the client
        logger.exception("a stream failed")
        yield event(InternalError("the server failed; try again").body()) + DONE
