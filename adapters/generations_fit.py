"""Fit a stop head on generations that ran on: where each should have ended is found, fitted on, and looked at again.

A loop or a question begins where the surplus has become plain, and the answer may have ended a line before. So the fitted head
is asked for the most probable end just before, and fitted again, until nothing moves.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from .answer_ends import may_end
from .runaway_ends import EndKind, Generation, RunawayEnd, find_end
from .stop_features import line_breaks
from .stop_head import StopHead
from .stop_head_fit import FitOptions, StopHeadOutcome, fit_stop_head, sentence_judge
from .tokenizer_files import TokenizerFiles

MAX_ROUNDS = 3
# Signs that come when the answer may have been over for a while.
LATE_SIGNS: frozenset[EndKind] = frozenset({"question", "loop"})
# How far back an earlier end is looked for.
NUM_LINES_BACK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEnds:
    """Generations with where they should have ended, and how many show nothing of it."""

    generations: tuple[Generation, ...]
    ends: tuple[RunawayEnd, ...]
    num_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationsFit:
    """The fitted head, and what it was fitted on.

    `num_by_kind`: generations by the sign of their end. `num_left_out` show none. `num_moved`: ends that the head put
    elsewhere than they were found, in `num_rounds` fits.
    """

    outcome: StopHeadOutcome
    num_by_kind: Mapping[EndKind, int]
    num_left_out: int
    num_rounds: int
    num_moved: int


def find_ends(
    generations: Sequence[Generation], role_markers: Sequence[str], *, markers_in_code: bool
) -> FoundEnds:
    """The end of every generation that shows one."""
    found = [
        (generation, end)
        for generation in generations
        if (end := find_end(generation, role_markers, markers_in_code=markers_in_code)) is not None
    ]
    return FoundEnds(
        generations=tuple(generation for generation, _ in found),
        ends=tuple(end for _, end in found),
        num_left_out=len(generations) - len(found),
    )


def fit_on_ends(
    found: FoundEnds, tokenizer: TokenizerFiles, options: FitOptions, *, data: str
) -> GenerationsFit:
    """Fit, move the ends that are not plain, and fit again: MAX_ROUNDS fits at most.

    Raises:
        ValueError: there are fewer generations than folds.
    """
    judge, breaks = sentence_judge(tokenizer), line_breaks(tokenizer.tokenizer)
    steps = [end.step for end in found.ends]
    places = [list(_places(*pair)) for pair in zip(found.generations, found.ends, strict=True)]
    for number in range(1, MAX_ROUNDS + 1):
        answers = [g.answer(step) for g, step in zip(found.generations, steps, strict=True)]
        outcome = fit_stop_head(answers, judge, options, data=data, line_breaks=breaks)
        head = outcome.record.head(tokenizer.tokenizer)
        moved = [
            _likeliest(head, generation, where, breaks)
            for generation, where in zip(found.generations, places, strict=True)
        ]
        if moved == steps or number == MAX_ROUNDS:
            break
        steps = moved
    return GenerationsFit(
        outcome=_with_source(outcome, found.num_left_out),
        num_by_kind=Counter(end.kind for end in found.ends),
        num_left_out=found.num_left_out,
        num_rounds=number,
        num_moved=sum(s != end.step for s, end in zip(steps, found.ends, strict=True)),
    )


def _places(generation: Generation, end: RunawayEnd) -> Iterator[int]:
    """Where the answer may have ended: as it was found, and where a late sign leaves it open, at ends of sentences before."""
    yield end.step
    if end.kind not in LATE_SIGNS:
        return
    text = generation.text
    said = "".join(generation.pieces[: end.step])
    at, num_lines = len(said), 0
    for step in range(end.step - 1, 0, -1):
        at -= len(generation.pieces[step])
        num_lines += "\n" in generation.pieces[step]
        if num_lines > NUM_LINES_BACK:
            return
        if may_end(text[:at], text[at:]):
            yield step


def _likeliest(
    head: StopHead, generation: Generation, steps: Sequence[int], breaks: Mapping[int, int]
) -> int:
    """The step at which the head says most surely that the answer has ended; of equals the first given."""
    num_breaks = list(accumulate((breaks.get(i, 0) for i in generation.token_ids), initial=0))

    def probability(step: int) -> float:
        return head.probability(generation.listed(step), num_breaks[step])

    return max(steps, key=probability)


def _with_source(outcome: StopHeadOutcome, num_left_out: int) -> StopHeadOutcome:
    record = outcome.record
    fit = record.fit
    if fit is None:
        return outcome
    fit = fit.model_copy(update={"source": "prompts", "left_out": num_left_out})
    return replace(outcome, record=record.model_copy(update={"fit": fit}))
