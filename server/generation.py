"""Engine stream -> text deltas and one Finish a choice.

Guards decide where to stop, never what to say: the text is always an exact prefix of what the engine said. Leaving the
stream early, for whatever reason, aborts the engine request.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from .choice import Choice, TokenLogprobs
from .engine import Engine, EngineDelta, EngineRequest, PromptFacts
from .errors import (
    EngineDeadError,
    InternalError,
    InvalidRequest,
    MissingLogprobs,
    RequestError,
    Unavailable,
)
from .finish import Finish, StopKind
from .observing.request_record import RequestRecord
from .parsing.port import ParsedDelta
from .sampling import GenerationPlan
from .tokenizer import ChatTokenizer
from .watchdog import Watch, Watchdog


@dataclass(frozen=True, slots=True)
class ChoiceDelta:
    """New text of one choice; `finish` is set on its last delta. `num_tokens` is the choice's count so far.

    `logprobs` are those of the tokens whose text begins in what was shown, where the client asked for them. `parsed`
    is None where all of the text is content, else `text` is the content in it. `prompt` comes with the first delta.
    """

    index: int
    text: str
    num_tokens: int
    finish: Finish | None = None
    logprobs: tuple[TokenLogprobs, ...] = ()
    parsed: ParsedDelta | None = None
    prompt: PromptFacts | None = None


async def generate(
    engine: Engine,
    request: EngineRequest,
    plan: GenerationPlan,
    tokenizer: ChatTokenizer,
    record: RequestRecord,
    watchdog: Watchdog | None = None,
    first_index: int = 0,
) -> AsyncGenerator[ChoiceDelta, None]:
    """Stream every choice of one request to its end; `record` gets each choice's Finish.

    A choice that ends before its siblings is aborted by itself: the engine makes nothing more of it.

    Args:
        first_index: the index of the first choice; those of a client's other prompts come before it.

    Raises:
        EngineDeadError: the engine died.
        Unavailable: the engine gave the request up, as it does when the server stops, or gives no token any more.
    """
    choices = [Choice(plan, tokenizer, first_index + i) for i in range(plan.sampling.n)]
    num_open = len(choices)
    watchdog = Watchdog() if watchdog is None else watchdog
    watch = watchdog.watch(record.started_s, partial(engine.abort, request.request_id))
    try:
        async with aclosing(engine.generate(request)) as deltas:
            async for delta in deltas:
                choice = choices[delta.index]
                if choice.finish is not None:
                    continue
                record.note_tokens(choice.index, len(delta.token_ids))
                made, finish = _fed(choice, delta, plan, watch, record)
                if finish is not None:
                    num_open -= 1
                    if num_open > 0 and delta.finish_reason is None:
                        await engine.abort(request.request_id, delta.index)
                for choice_delta in made:
                    yield choice_delta
                _raise_if_aborted(finish, watch)
                if num_open == 0:
                    return
        raise EngineDeadError("the engine ended a stream without a finish")
    except MissingLogprobs:
        record.lacked_logprobs = True
        raise
    finally:
        watch.close()
        for choice in choices:
            if choice.finish is None or choice.finish.cause.kind == "abort":
                _note_finish(record, choice.abort(), plan)


def _note_finish(record: RequestRecord, finish: Finish, plan: GenerationPlan) -> None:
    """Where the prompt alone was asked for, there is no answer to count."""
    if plan.limit.value > 0:
        record.finishes += _copies(finish, plan.copies)


def _fed(
    choice: Choice, delta: EngineDelta, plan: GenerationPlan, watch: Watch, record: RequestRecord
) -> tuple[list[ChoiceDelta], Finish | None]:
    """What the client sees of `delta`, and how the choice has ended with it. An abort is no end that is shown."""
    if delta.token_ids:
        watch.note_token()
    if delta.finish_reason == "error":
        raise _engine_failure(choice, plan)
    text, finish = choice.feed(delta, abort_kind=_abort_kind(watch))
    parsed = choice.take_parsed()
    if parsed is not None:
        text = parsed.content
    shown = None if finish is None or finish.cause.kind == "abort" else finish
    if shown is not None:
        _note_finish(record, shown, plan)
    logprobs = choice.take_logprobs() if plan.num_top_logprobs is not None else ()
    if text or parsed or logprobs or shown is not None:
        made = ChoiceDelta(
            choice.index,
            text,
            choice.num_tokens,
            shown,
            logprobs,
            parsed,
            choice.prompt,
        )
        choice.prompt = None
        return _copied(made, plan.copies), finish
    return [], finish


def _engine_failure(choice: Choice, plan: GenerationPlan) -> RequestError:
    # The engine reads a grammar only when it comes to the request; one it cannot read ends it before the first token.
    if plan.sampling.structured_output is not None and choice.num_tokens == 0:
        return InvalidRequest(
            "the engine cannot hold an answer to this schema, expression or grammar; is it valid?",
            code="invalid_constraint",
        )
    return InternalError("the engine failed on this answer; try again")


def _abort_kind(watch: Watch) -> StopKind:
    return "deadline" if watch.overrun == "deadline" else "abort"


def _raise_if_aborted(finish: Finish | None, watch: Watch) -> None:
    if finish is None or finish.cause.kind != "abort":
        return
    if watch.overrun == "stall":
        raise Unavailable("the engine gives no tokens; try again later", code="engine_stalled")
    raise Unavailable(
        "the server is shutting down and could not finish this answer", code="aborted"
    )


def _copies(finish: Finish, copies: int) -> list[Finish]:
    return [replace(finish, index=finish.index + copy) for copy in range(copies)]


def _copied(delta: ChoiceDelta, copies: int) -> list[ChoiceDelta]:
    if copies == 1:
        return [delta]
    finishes = [None] * copies if delta.finish is None else _copies(delta.finish, copies)
    return [
        replace(delta, index=delta.index + copy, finish=finish)
        for copy, finish in enumerate(finishes)
    ]
