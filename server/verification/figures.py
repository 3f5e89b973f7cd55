"""What the runs of one adapter come to: one table a way to ask, and before against after. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from adapters.answer_ends import may_end

from ..finish import RESCUED_KINDS, RUNAWAY_KINDS
from .measures import Lengths, Rate, lengths, rate, word_f1
from .question import Failure
from .replay import Replay
from .run import Answer, Run

# A clock may not have moved.
_LEAST_SECONDS = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The data's own answers: texts, and lengths in tokens of the same tokenizer, by the question's index."""

    texts: Mapping[int, str]
    num_tokens: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """One way to ask.

    kinds: answers by stop kind, most first. ended: by themselves or rescued. num_generated: tokens the engine made, those
    not shown included. word_f1: mean over the answers, against the references.
    """

    name: str
    num_answers: int
    kinds: dict[str, int]
    ended: Rate
    rescued: Rate
    runaway: Rate
    lengths: Lengths
    num_generated: int
    word_f1: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFigures:
    """Recorded streams fed to the guards: those shown as an exact prefix, and those that ended alike in every cut."""

    num_replayed: int
    num_prefixes: int
    num_alike: int

    @property
    def is_perfect(self) -> bool:
        return self.num_replayed == self.num_prefixes == self.num_alike


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFigures:
    """Guards off against guards on, over the questions that both answered.

    speedup: answers per second, on over off. saved_tokens: the share of the tokens generated with the guards off.
    live_prefix: answers that are a prefix of what the other run said. inside: rescued answers that end inside a sentence, list
    item or code block, of all answers. references_inside: what the same rule says of the references. sample: every way to
    ask, on the same smaller set of questions. over_cap: references longer than the cap.
    """

    name: str
    num_questions: int
    cap: int
    temperature: float
    has_stop_head: bool
    references: Lengths
    off: RunFigures
    on: RunFigures
    speedup: float
    saved_tokens: float
    saved_seconds: float
    replay: ReplayFigures
    live_prefix: Rate
    inside: Rate
    references_inside: Rate
    over_cap: Rate
    sample: tuple[RunFigures, ...]
    num_failed: int
    failures: tuple[Failure, ...]


def run_figures(run: Run, references: References, indices: Collection[int]) -> RunFigures:
    """The figures of a run's answers to the questions `indices`, of which there is at least one."""
    answers = {index: run.answers[index] for index in sorted(indices)}
    kinds = Counter(answer.finish.cause.kind for answer in answers.values())
    num_runaway = sum(kinds[kind] for kind in RUNAWAY_KINDS)
    scores = [word_f1(answer.text, references.texts[i]) for i, answer in answers.items()]
    return RunFigures(
        name=run.variant.name,
        num_answers=len(answers),
        kinds=dict(kinds.most_common()),
        ended=rate(len(answers) - num_runaway, len(answers)),
        rescued=rate(sum(kinds[kind] for kind in RESCUED_KINDS), len(answers)),
        runaway=rate(num_runaway, len(answers)),
        lengths=lengths([answer.num_tokens for answer in answers.values()]),
        num_generated=sum(answer.finish.num_tokens for answer in answers.values()),
        word_f1=sum(scores) / len(scores),
        seconds=run.seconds,
    )


def sample_figures(
    runs: Sequence[Run], references: References, asked: Collection[int]
) -> tuple[RunFigures, ...]:
    """Every way to ask on the questions of `asked` that all of them answered."""
    common = set(asked).intersection(*(run.answers for run in runs))
    return tuple(run_figures(run, references, common) for run in runs) if common else ()


def answers_per_second(run: Run) -> float:
    """Answers of the run, failed ones left out, over its time."""
    return max(1, len(run.answers)) / max(run.seconds, _LEAST_SECONDS)


def replay_figures(replays: Collection[Replay]) -> ReplayFigures:
    """How many hold."""
    return ReplayFigures(
        num_replayed=len(replays),
        num_prefixes=sum(found.is_prefix for found in replays),
        num_alike=sum(found.ends_alike for found in replays),
    )


def live_prefixes(off: Run, on: Run, indices: Collection[int]) -> Rate:
    """Answers with the guards on that are an exact prefix of those with the guards off."""
    held = [off.answers[i].text.startswith(on.answers[i].text) for i in indices]
    return rate(sum(held), len(held))


def cuts_inside(off: Run, on: Run, indices: Collection[int]) -> Rate:
    """Rescued answers that end where no answer may, of all answers."""
    found = [is_cut_inside(on.answers[i], off.answers[i].text) for i in indices]
    return rate(sum(found), len(found))


def is_cut_inside(answer: Answer, unguarded: str) -> bool:
    """Whether a guard ended `answer` inside a sentence, list item or code block.

    What would have come next helps to judge, where the unguarded answer to the same question says the same up to there.
    """
    if answer.finish.cause.kind not in RESCUED_KINDS:
        return False
    agrees = unguarded.startswith(answer.text)
    return not may_end(answer.text, unguarded[len(answer.text) :] if agrees else None)


def references_inside(references: References, indices: Collection[int]) -> Rate:
    """Whole reference answers that the judge of cuts would call cut: how strict it is with this data."""
    found = [not may_end(references.texts[i].strip(), "") for i in indices]
    return rate(sum(found), len(found))
