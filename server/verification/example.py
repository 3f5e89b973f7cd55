"""A few answers to look at: what was shown, what came after it in the engine's stream, and how sure the stop head was.

Chosen from the replays: first those that went wrong, then rescued ones from short to long. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapters.answer_ends import may_end
from adapters.stop_head import StopHead

from ..finish import RESCUED_KINDS, RUNAWAY_KINDS, StopKind
from .question import Question
from .replay import Replay

MAX_EXAMPLES = 5
MAX_WRONG = 2
# Of the stream after the end of the answer.
MAX_TOKENS_AFTER = 24
MAX_CHARS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One answer. `removed` is what the model went on to say. `probabilities`: before each token, from the first one on, to a
    little after the end; the answer ended before token number `num_shown`, counted from 0."""

    question: str
    reference: str
    shown: str
    removed: str
    kind: StopKind
    num_shown: int
    is_inside: bool
    probabilities: tuple[float, ...]
    threshold: float | None


def examples(
    replays: Mapping[int, Replay], asked: Mapping[int, Question], head: StopHead | None
) -> tuple[Example, ...]:
    """At most MAX_EXAMPLES of the replayed answers, by their questions' index."""
    made = [
        _example(found, asked[index], head)
        for index, found in sorted(replays.items())
        if found.is_prefix
    ]
    wrong = [e for e in made if e.is_inside or e.kind in RUNAWAY_KINDS][:MAX_WRONG]
    rescued = sorted(
        (e for e in made if e.kind in RESCUED_KINDS and not e.is_inside), key=lambda e: e.num_shown
    )
    chosen = [*wrong, *_spread(rescued, MAX_EXAMPLES - len(wrong))]
    if not chosen:
        chosen = _spread(made, MAX_EXAMPLES)
    return tuple(chosen)


def shortened(text: str) -> str:
    """At most MAX_CHARS of `text`."""
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]} \N{HORIZONTAL ELLIPSIS}"


def _example(found: Replay, question: Question, head: StopHead | None) -> Example:
    removed = found.whole[len(found.shown) :]
    kind = found.finish.cause.kind
    end = found.num_shown + MAX_TOKENS_AFTER
    return Example(
        question=question.messages[-1].content if question.messages else "",
        reference=question.reference,
        shown=found.shown,
        removed=removed,
        kind=kind,
        num_shown=found.num_shown,
        is_inside=kind in RESCUED_KINDS and not may_end(found.shown, removed),
        probabilities=found.probabilities[:end],
        threshold=None if head is None else head.threshold,
    )


def _spread(made: Sequence[Example], number: int) -> list[Example]:
    """`number` of them at even distances, the first and the last among them."""
    if len(made) <= number:
        return list(made)
    places: Iterable[int] = (round(i * (len(made) - 1) / (number - 1)) for i in range(number))
    return [made[place] for place in places]
