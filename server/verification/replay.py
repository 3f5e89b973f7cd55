"""The prefix property, by replay: one recorded stream of the engine fed to the guards in several cuts.

Every cut must end alike, and what is shown must be an exact prefix of the stream. Two live runs may differ (greedy text
changes with the batch), a replay may not. Pure.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from adapters.stop_features import NUM_LISTED
from adapters.stop_head import StopHead

from ..choice import Choice
from ..engine import EngineDelta
from ..errors import EngineDeadError
from ..finish import Finish
from ..sampling import GenerationPlan
from ..stopping import HeadWatch
from ..tokenizer import ChatTokenizer
from .run import num_shown

_SIZES = (1, 3, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What the guards made of one recorded stream.

    `ends_alike`: in every cut. `probabilities`: the stop head's that the answer ends before each token of the stream, empty
    without a head. `num_shown`: tokens before the end.
    """

    whole: str
    shown: str
    finish: Finish
    num_shown: int
    ends_alike: bool
    probabilities: tuple[float, ...] = ()

    @property
    def is_prefix(self) -> bool:
        return self.whole.startswith(self.shown)


def unended(guarded: GenerationPlan, unguarded: GenerationPlan) -> GenerationPlan:
    """The plan to record by: its stream goes on wherever only one of the two would end it."""
    shared = {
        token_id: cause
        for token_id, cause in unguarded.stop_ids.items()
        if token_id in guarded.stop_ids
    }
    sampling = replace(
        unguarded.sampling,
        stop_token_ids=tuple(shared),
        num_logprobs=None if guarded.stop_head is None else NUM_LISTED,
    )
    return replace(unguarded, stop_ids=shared, sampling=sampling)


def replay(
    recorded: Sequence[EngineDelta],
    guarded: GenerationPlan,
    unguarded: GenerationPlan,
    tokenizer: ChatTokenizer,
    seed: int = 0,
) -> Replay:
    """Feed what was recorded by `unended` of the two plans to the guards.

    Raises:
        EngineDeadError: the recording has no end.
    """
    plan = unended(guarded, unguarded)
    whole, _ = _fed(recorded, plan, tokenizer)
    ends = [_fed(cut, guarded, tokenizer) for cut in _cuts(recorded, seed)]
    shown, finish = ends[0]
    alike = {(text, end.cause, num_shown(end)) for text, end in ends}
    return Replay(
        whole=whole,
        shown=shown,
        finish=finish,
        num_shown=num_shown(finish),
        ends_alike=len(alike) == 1,
        probabilities=_probabilities(recorded, guarded.stop_head),
    )


def _fed(
    deltas: Sequence[EngineDelta], plan: GenerationPlan, tokenizer: ChatTokenizer
) -> tuple[str, Finish]:
    choice = Choice(plan, tokenizer, 0)
    pieces = []
    for delta in deltas:
        text, finish = choice.feed(delta)
        pieces.append(text)
        if finish is not None:
            return "".join(pieces), finish
    raise EngineDeadError("a recorded stream has no end")


def _cuts(recorded: Sequence[EngineDelta], seed: int) -> Iterator[Sequence[EngineDelta]]:
    """The same tokens as they came, one by one, a few at a time, all at once, and in pieces drawn by `seed`."""
    yield recorded
    token_ids = tuple(token_id for delta in recorded for token_id in delta.token_ids)
    logprobs = tuple(step for delta in recorded for step in delta.logprobs)
    last, number = recorded[-1], len(token_ids)
    drawn = random.Random(seed)  # noqa: S311  (which cuts are tried, no secret)
    places = [list(range(0, number, size)) for size in (*_SIZES, max(1, number))]
    places.append([0, *(at for at in range(1, number) if drawn.random() < 0.3)])
    for starts in places:
        yield [
            EngineDelta(
                index=last.index,
                token_ids=token_ids[start:end],
                logprobs=logprobs[start:end],
                finish_reason=last.finish_reason if end == number else None,
            )
            for start, end in pairwise([*(starts or [0]), number])
        ]


def _probabilities(recorded: Sequence[EngineDelta], head: StopHead | None) -> tuple[float, ...]:
    if head is None:
        return ()
    watch = HeadWatch(head)
    return tuple(
        watch.feed(token_id, step)
        for delta in recorded
        for token_id, step in zip(delta.token_ids, delta.logprobs, strict=True)
    )
