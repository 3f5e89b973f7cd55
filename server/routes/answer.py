"""From token ids to a response: plan, generate, and write the answer whole or as a stream.

Shared by every API that generates text: they differ only in prompts and wire form.
"""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from fastapi import Request, Response

from ..errors import InternalError, RequestError
from ..generation import ChoiceDelta
from ..observing.request_record import MAX_TRANSCRIPT_CHARS, RECORD_KEY, RequestRecord
from ..sampling import GenerationPlan
from ..schema.request_parts import StreamOptions
from ..served_model import ServedModel
from ..wire.logprobs import LogprobsWriter
from ..wire.token_counts import TokenCounts
from ..wire.wire import AnswerHead, MakeWire, WholeChoice, Wire, best_choices
from .connection import EventStream, while_connected
from .context import place_of, server_of, tenant_of
from .generations import Asked, generate_prompts, plan_prompts

logger = logging.getLogger(__name__)


async def answer(request: Request, asked: Asked, make_wire: MakeWire) -> Response:
    """The response to what was asked.

    Raises:
        RequestError: the request failed before the first token; later failures are events of the stream.
    """
    server = server_of(request)
    record: RequestRecord = request.scope[RECORD_KEY]
    _note_prompts(record, asked)
    plans = plan_prompts(server, asked)
    place_of(request).take_prompts([len(prompt) for prompt in asked.prompts], plans[0].num_choices)
    _charge(request, record.num_prompt_tokens)
    head = _head(asked, plans[0], record)
    wire = make_wire(head)
    deltas = generate_prompts(server, asked, plans, record)
    if not asked.body.stream:
        return await while_connected(request, _whole(deltas, wire, head))
    events = _events(deltas, wire, head)
    # The first event decides the status: what fails before it is an HTTP error, not an event.
    first = await while_connected(request, anext(events))
    return EventStream(first, _with_errors(events, wire, record))


def _charge(request: Request, num_prompt_tokens: int | None) -> None:
    """Count the prompts against the limits of their key."""
    keys, tenant = server_of(request).keys, tenant_of(request)
    if keys is not None and tenant is not None:
        keys.tenants.take_prompt(tenant, num_prompt_tokens or 0)


def _note_prompts(record: RequestRecord, asked: Asked) -> None:
    record.num_prompt_tokens = sum(map(len, asked.prompts))
    if record.transcript is None:
        return
    # A token is a character at least, or part of one.
    starts = (prompt[: MAX_TRANSCRIPT_CHARS * 4] for prompt in asked.prompts)
    decode = asked.model.tokenizer.decode
    texts = (decode(start, skip_special_tokens=False) for start in starts)
    record.transcript.prompt = "\n".join(texts)[:MAX_TRANSCRIPT_CHARS]


def _head(asked: Asked, plan: GenerationPlan, record: RequestRecord) -> AnswerHead:
    body, model = asked.body, asked.model
    options = body.stream_options or StreamOptions()
    # Every choice is read in the same way: what one parser looks for, all do.
    tells_reasoning = plan.parsing is not None and plan.parsing.tells_reasoning
    return AnswerHead(
        id=record.engine_id,
        model=model.name,
        created=int(time.time()),
        plan=plan,
        prompts=asked.prompts,
        counts=TokenCounts(asked.prompts, plan.num_choices, tells_reasoning=tells_reasoning),
        include_usage=bool(options.include_usage),
        continuous_usage=bool(options.include_usage and options.continuous_usage_stats),
        logprobs=_logprobs_writer(body.num_top_logprobs, model),
        prompt_logprobs=_logprobs_writer(body.prompt_logprobs, model),
    )


def _logprobs_writer(number: int | None, model: ServedModel) -> LogprobsWriter | None:
    return None if number is None else LogprobsWriter(model.tokenizer, number)


async def _whole(
    deltas: AsyncGenerator[ChoiceDelta, None], wire: Wire, head: AnswerHead
) -> Response:
    choices = [WholeChoice() for _ in range(len(head.prompts) * head.plan.num_choices)]
    async with aclosing(deltas):
        async for delta in deltas:
            head.counts.add(delta)
            choices[delta.index].add(delta)
    body = wire.whole(best_choices(choices, head.plan))
    return Response(orjson.dumps(body), media_type="application/json")


async def _events(
    deltas: AsyncGenerator[ChoiceDelta, None], wire: Wire, head: AnswerHead
) -> AsyncGenerator[bytes, None]:
    """The events of a stream, to its end."""
    has_begun = False
    async with aclosing(deltas):
        async for delta in deltas:
            head.counts.add(delta)
            made = wire.delta(delta) if has_begun else wire.opening() + wire.delta(delta)
            has_begun = True
            if made:
                yield made
    yield wire.closing()


async def _with_errors(
    events: AsyncGenerator[bytes, None], wire: Wire, record: RequestRecord
) -> AsyncGenerator[bytes, None]:
    """`events`; a failure among them becomes the last of them, in the shape of the API."""
    try:
        async with aclosing(events):
            async for piece in events:
                yield piece
    except RequestError as exc:
        record.error_code = exc.code or exc.type
        yield wire.error(exc)
    except Exception:  # the headers are out: no handler after this one could tell the client
        logger.exception("a stream failed", extra={"facts": {"request_id": record.request_id}})
        record.error_code = InternalError.type
        yield wire.error(InternalError("the server failed; try again"))
