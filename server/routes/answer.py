"""From token ids to a response: plan, generate, and write the answer whole or as a stream.

Shared by every API that generates text: they differ only in prompt and wire form.
"""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from fastapi import Request, Response

from ..engine import EngineRequest
from ..errors import (
    EndturnError,
    EngineDeadError,
    InternalError,
    InvalidRequest,
    RequestError,
    Unavailable,
)
from ..generation import ChoiceDelta, generate
from ..observing.request_record import MAX_TRANSCRIPT_CHARS, RECORD_KEY, RequestRecord
from ..parsing.port import ParsingPlan
from ..sampling import plan_generation
from ..schema.chat import GenerationRequest
from ..served_model import ServedModel
from ..wire.logprobs import LogprobsWriter
from ..wire.wire import AnswerHead, MakeWire, WholeChoice, Wire
from .connection import EventStream, while_connected
from .context import Server, server_of

logger = logging.getLogger(__name__)


async def answer(
    request: Request,
    body: GenerationRequest,
    model: ServedModel,
    prompt_token_ids: list[int],
    make_wire: MakeWire,
) -> Response:
    """The response to `body`.

    Raises:
        RequestError: the request failed before the first token; later failures are events of the stream.
    """
    server = server_of(request)
    record: RequestRecord = request.scope[RECORD_KEY]
    _note_prompt(record, model, prompt_token_ids)
    parsing = _parsing_plan(body, model, prompt_token_ids)
    plan = plan_generation(
        body,
        model,
        num_prompt_tokens=len(prompt_token_ids),
        max_model_len=server.engine.max_model_len,
        parsing=parsing,
    )
    head = AnswerHead(
        id=record.engine_id,
        model=model.name,
        created=int(time.time()),
        plan=plan,
        num_prompt_tokens=len(prompt_token_ids),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        logprobs=_logprobs_writer(body, model),
    )
    wire = make_wire(head)
    engine_request = EngineRequest(
        request_id=record.engine_id,
        prompt_token_ids=prompt_token_ids,
        sampling=plan.sampling,
        adapter=model.adapter,
        trace_headers=record.trace_headers,
        priority=body.priority,
        reasoning=None if parsing is None else parsing.reasoning,
    )
    deltas = _translated(
        generate(server.engine, engine_request, plan, model.tokenizer, record, server.watchdog),
        server,
        record,
    )
    if not body.stream:
        return await while_connected(request, _whole(deltas, wire, head.num_choices))
    events = _events(deltas, wire, head.num_choices)
    # The first event decides the status: what fails before it is an HTTP error, not an event.
    first = await while_connected(request, anext(events))
    return EventStream(first, _with_errors(events, wire, record))


def _parsing_plan(
    body: GenerationRequest, model: ServedModel, prompt_token_ids: list[int]
) -> ParsingPlan | None:
    """How the answers are read; None where their text is the content."""
    asked = body.parse_request
    if asked is None:
        return None
    if model.parsers is not None:
        return model.parsers.plan(asked, prompt_token_ids)
    if asked.demand == "none":
        return None
    raise InvalidRequest("tools: this server reads no tool calls; leave them out", param="tools")


def _note_prompt(record: RequestRecord, model: ServedModel, prompt_token_ids: list[int]) -> None:
    record.num_prompt_tokens = len(prompt_token_ids)
    if record.transcript is not None:
        # A token is a character at least, or part of one.
        start = prompt_token_ids[: MAX_TRANSCRIPT_CHARS * 4]
        text = model.tokenizer.decode(start, skip_special_tokens=False)
        record.transcript.prompt = text[:MAX_TRANSCRIPT_CHARS]


def _logprobs_writer(body: GenerationRequest, model: ServedModel) -> LogprobsWriter | None:
    number = body.num_top_logprobs
    return None if number is None else LogprobsWriter(model.tokenizer, number)


async def _translated(
    deltas: AsyncGenerator[ChoiceDelta, None], server: Server, record: RequestRecord
) -> AsyncGenerator[ChoiceDelta, None]:
    """The same deltas; every failure becomes an error that a client may see."""
    try:
        with record.stage("engine"):
            async with aclosing(deltas):
                async for delta in deltas:
                    if record.transcript is not None:
                        record.transcript.add(delta.index, delta.text)
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
    deltas: AsyncGenerator[ChoiceDelta, None], wire: Wire, num_choices: int
) -> Response:
    choices = [WholeChoice() for _ in range(num_choices)]
    async with aclosing(deltas):
        async for delta in deltas:
            choices[delta.index].add(delta)
    return Response(orjson.dumps(wire.whole(choices)), media_type="application/json")


async def _events(
    deltas: AsyncGenerator[ChoiceDelta, None], wire: Wire, num_choices: int
) -> AsyncGenerator[bytes, None]:
    """The events of a stream, to its end."""
    num_tokens = [0] * num_choices
    opening = wire.opening()
    async with aclosing(deltas):
        async for delta in deltas:
            num_tokens[delta.index] = delta.num_tokens
            if made := opening + wire.delta(delta):
                yield made
            opening = b""
    yield wire.closing(sum(num_tokens))


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
