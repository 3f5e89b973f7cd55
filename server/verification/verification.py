"""One adapter verified: every question with the guards off and on, a sample recorded, replayed and asked as people are told to.

The order of the runs is fixed and each has the engine to itself, so that their seconds can be compared.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import StartError
from ..finish import RUNAWAY_KINDS
from ..served_model import ServedModel
from .asking import Asker, Told
from .example import Example, examples, wrong_examples
from .figures import (
    AdapterFigures,
    References,
    answers_per_second,
    cuts_inside,
    live_prefixes,
    references_inside,
    replay_figures,
    run_figures,
    sample_figures,
)
from .measures import lengths, rate
from .question import Failure, Prompt, Question
from .recommendation import Evidence, Recommendation, num_with_marker, recommend
from .replay import Replay, replay
from .run import GUARDS_OFF, GUARDS_ON, TODAYS_ADVICE, Run

MAX_NAMED_FAILURES = 5
RECORDING = "recording"
REFERENCES = "references"
# Told what is being done and how many answers it has; returns what is to be called after each of them.
Stage = Callable[[str, int], Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`sample`: questions, drawn by `seed`, that are recorded for replay and asked in every variant."""

    sample: int = 40
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Figures, what to do about them, and what a page shows besides: lengths a run, good examples and bad ones."""

    figures: AdapterFigures
    recommendation: Recommendation
    num_tokens: Mapping[str, tuple[int, ...]]
    examples: tuple[Example, ...]
    wrong: tuple[Example, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runs:
    """Everything that was asked. `both`: questions answered with the guards off and on; `sample`: of these, those of the
    variants."""

    off: Run
    on: Run
    advised: tuple[Run, ...]
    both: tuple[int, ...]
    sample: tuple[int, ...]
    failures: tuple[Failure, ...]
    temperature: float


async def verify(
    asker: Asker, asked: Sequence[Question], options: Options, stage: Stage
) -> Verification:
    """Verify one adapter.

    Raises:
        StartError: no question was answered with the guards off and on.
        EngineDeadError: the engine died.
    """
    model = asker.model
    prepared = await asker.prepare(asked)
    prompts = prepared.prompts
    _refuse_none(prompts, prepared.refused)
    await asker.warm_up(prompts)
    off = await asker.ask(prompts, GUARDS_OFF, stage(GUARDS_OFF.name, len(prompts)))
    on = await asker.ask(prompts, GUARDS_ON, stage(GUARDS_ON.name, len(prompts)))
    failures = (*prepared.refused, *off.failures, *on.failures)
    both = tuple(sorted(off.answers.keys() & on.answers.keys()))
    _refuse_none(both, failures)
    sample = _drawn([prompt for prompt in prompts if prompt.index in both], options)
    replays = await _replays(asker, sample, options, stage)
    advised = [
        await asker.ask(sample, advice, stage(advice.name, len(sample))) for advice in TODAYS_ADVICE
    ]
    runs = _Runs(
        off=off,
        on=on,
        advised=tuple(advised),
        both=both,
        sample=tuple(prompt.index for prompt in sample),
        failures=failures,
        temperature=asker.plan(prompts[0], GUARDS_ON).sampling.temperature,
    )
    references = _references(asker, asked)
    figures = _figures(runs, references, replays, model)
    by_index = {q.index: q for q in asked}
    return Verification(
        figures=figures,
        recommendation=recommend(model.profile, figures, _evidence(runs, references, model)),
        num_tokens={
            REFERENCES: tuple(references.num_tokens[i] for i in both),
            **{
                run.variant.name: tuple(run.answers[i].num_tokens for i in both)
                for run in (off, on)
            },
        },
        examples=examples(replays, by_index, model.stop_head),
        wrong=wrong_examples(off, on, by_index),
    )


def _refuse_none(left: Sequence[object], failures: Sequence[Failure]) -> None:
    if left:
        return
    first = f"; line {failures[0].line}: {failures[0].reason}" if failures else ""
    raise StartError(f"no question was answered with the guards off and on{first}")


def _drawn(prompts: Sequence[Prompt], options: Options) -> list[Prompt]:
    """A sample of the questions, in their order: files are often sorted by subject."""
    number = min(options.sample, len(prompts))
    drawn = random.Random(options.seed).sample(prompts, number)  # noqa: S311  (no secret)
    return sorted(drawn, key=lambda prompt: prompt.index)


async def _replays(
    asker: Asker, sample: Sequence[Prompt], options: Options, stage: Stage
) -> Mapping[int, Replay]:
    recorded = await asker.record(sample, stage(RECORDING, len(sample)))
    return {
        prompt.index: replay(
            recorded[prompt.index],
            asker.plan(prompt, GUARDS_ON),
            asker.plan(prompt, GUARDS_OFF),
            asker.model.tokenizer,
            options.seed,
        )
        for prompt in sample
        if prompt.index in recorded
    }


def _references(asker: Asker, asked: Sequence[Question]) -> References:
    encode = asker.model.tokenizer.encode
    return References(
        texts={q.index: q.reference for q in asked},
        num_tokens={q.index: len(encode(q.reference, add_special_tokens=False)) for q in asked},
    )


def _figures(
    runs: _Runs, references: References, replays: Mapping[int, Replay], model: ServedModel
) -> AdapterFigures:
    off, on, both = runs.off, runs.on, runs.both
    before, after = run_figures(off, references, both), run_figures(on, references, both)
    cap = max(answer.finish.limit.value for answer in on.answers.values())
    num_tokens = [references.num_tokens[i] for i in both]
    return AdapterFigures(
        name=model.name,
        num_questions=len(both),
        cap=cap,
        temperature=runs.temperature,
        has_stop_head=model.stop_head is not None,
        references=lengths(num_tokens),
        off=before,
        on=after,
        speedup=answers_per_second(on) / answers_per_second(off),
        saved_tokens=1 - after.num_generated / max(1, before.num_generated),
        saved_seconds=off.seconds - on.seconds,
        replay=replay_figures(replays.values()),
        live_prefix=live_prefixes(off, on, both),
        inside=cuts_inside(off, on, both),
        references_inside=references_inside(references, both),
        over_cap=rate(sum(number >= cap for number in num_tokens), len(both)),
        sample=sample_figures((off, *runs.advised, on), references, runs.sample),
        num_failed=len(runs.failures),
        failures=runs.failures[:MAX_NAMED_FAILURES],
    )


def _evidence(runs: _Runs, references: References, model: ServedModel) -> Evidence:
    answers = [runs.on.answers[i] for i in runs.both]
    ended = [a for a in answers if a.finish.cause.kind not in RUNAWAY_KINDS]
    runaway = [a.text for a in answers if a.finish.cause.kind in RUNAWAY_KINDS]
    return Evidence(
        lengths=[
            *(references.num_tokens[i] for i in runs.both),
            *(answer.num_tokens for answer in ended),
        ],
        markers_in_references=num_with_marker(
            [references.texts[i] for i in runs.both], model.role_markers
        ),
        spared_markers=num_with_marker(runaway, model.role_markers),
    )
