"""A few answers to look at: what was shown, what the model went on to say, and how sure the stop head was.

First those of the run with the guards on that went wrong, then rescued ones from the replays, short to long. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapters.answer_ends import may_end
from adapters.stop_head import StopHead

from ..finish import RESCUED_KINDS, RUNAWAY_KINDS, StopKind
from .figures import is_cut_inside
from .question import Question
from .replay import Replay
from .run import Run

MAX_EXAMPLES = 4
MAX_WRONG = 5
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
    """At most MAX_EXAMPLES of the replayed answers, by their questions' index: rescued ones where there are any."""
    made = [
        _replayed(found, asked[index], head)
        for index, found in sorted(replays.items())
        if found.is_prefix
    ]
    rescued = [e for e in made if e.kind in RESCUED_KINDS and not e.is_inside]
    return tuple(_spread(sorted(rescued or made, key=lambda e: e.num_shown), MAX_EXAMPLES))


def wrong_examples(off: Run, on: Run, asked: Mapping[int, Question]) -> tuple[Example, ...]:
    """At most MAX_WRONG answers that the guards cut inside a sentence, then of those that ran away with the guards on."""
    wrong: dict[bool, list[Example]] = {True: [], False: []}
    for index in sorted(off.answers.keys() & on.answers.keys()):
        answer, unguarded = on.answers[index], off.answers[index].text
        is_inside = is_cut_inside(answer, unguarded)
        if not is_inside and answer.finish.cause.kind not in RUNAWAY_KINDS:
            continue
        agrees = unguarded.startswith(answer.text)
        found = Example(
            question=_asked(asked[index]),
            reference=asked[index].reference,
            shown=answer.text,
            removed=unguarded[len(answer.text) :] if agrees else "",
            kind=answer.finish.cause.kind,
            num_shown=answer.num_tokens,
            is_inside=is_inside,
            probabilities=(),
            threshold=None,
        )
        wrong[is_inside].append(found)
    return tuple([*wrong[True], *wrong[False]][:MAX_WRONG])


def shortened(text: str, max_chars: int = MAX_CHARS) -> str:
    """At most `max_chars` of `text`."""
    return text if len(text) <= max_chars else f"{text[:max_chars]} \N{HORIZONTAL ELLIPSIS}"


def _asked(question: Question) -> str:
    return question.messages[-1].content if question.messages else ""


def _replayed(found: Replay, question: Question, head: StopHead | None) -> Example:
    removed = found.whole[len(found.shown) :]
    kind = found.finish.cause.kind
    end = found.num_shown + MAX_TOKENS_AFTER
    return Example(
        question=_asked(question),
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
