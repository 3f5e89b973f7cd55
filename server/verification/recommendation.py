"""From what was measured to settings of the profile: sampling, token limits, guards. Pure; nothing is written here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil

from adapters.chat_profile import ChatProfile, Guard, SamplingDefaults, TokenLimits
from adapters.stop_head import Share
from adapters.verification_record import RunRecord, VerificationRecord

from .figures import AdapterFigures, RunFigures
from .measures import Rate, quantile

# Fewer lengths say nothing about the longest answers.
MIN_LENGTHS = 50
HEADROOM = 1.5
LIMIT_OVER_DEFAULT = 4
STEP = 32
LEAST_DEFAULT = 64
MANY_RUNAWAYS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Settings, and a line about each thing that was decided or ought to be known."""

    sampling: SamplingDefaults
    max_tokens: TokenLimits
    guard: Guard
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a recommendation rests on.

    lengths: tokens of references and of the guarded answers that ended. markers_in_references: reference answers that hold a
    role marker. spared_markers: guarded runaways that hold one, which a code block kept from ending them.
    """

    lengths: Sequence[int]
    markers_in_references: int
    spared_markers: int


def num_with_marker(texts: Collection[str], markers: Collection[str]) -> int:
    """How many of the texts hold a role marker."""
    return sum(any(marker in text for marker in markers) for text in texts)


def recommend(
    profile: ChatProfile | None, figures: AdapterFigures, evidence: Evidence
) -> Recommendation:
    """The settings these figures speak for; where they say nothing, the profile's own."""
    sampling, sampling_notes = _sampling(profile, figures)
    max_tokens, limit_notes = _max_tokens(profile, evidence.lengths)
    guard, guard_notes = _guard(profile, evidence)
    return Recommendation(
        sampling=sampling,
        max_tokens=max_tokens,
        guard=guard,
        notes=(*sampling_notes, *limit_notes, *guard_notes, *_warnings(figures)),
    )


def recommended_profile(
    profile: ChatProfile, recommendation: Recommendation, record: VerificationRecord
) -> ChatProfile:
    """The profile with the recommended settings and the summary of this verification."""
    return profile.model_copy(
        update={
            "sampling": recommendation.sampling,
            "max_tokens": recommendation.max_tokens,
            "guard": recommendation.guard,
            "verification": record.model_dump(mode="json"),
        }
    )


def as_record(
    figures: AdapterFigures, *, created_by: str, day: str, data: str, seed: int
) -> VerificationRecord:
    """What of the figures goes into the profile. `day` is a date, `data` the file's sha256."""
    return VerificationRecord(
        created_by=created_by,
        day=day,
        data=data,
        seed=seed,
        answers=figures.on.num_answers,
        cap=figures.cap,
        temperature=figures.temperature,
        reference_tokens=figures.references.mean,
        guards_off=_run_record(figures.off),
        guards_on=_run_record(figures.on),
        speedup=figures.speedup,
        inside=_share(figures.inside),
        live_prefix=_share(figures.live_prefix),
        replayed=figures.replay.num_replayed,
        replayed_prefixes=figures.replay.num_prefixes,
    )


def _sampling(
    profile: ChatProfile | None, figures: AdapterFigures
) -> tuple[SamplingDefaults, list[str]]:
    known = SamplingDefaults() if profile is None else profile.sampling
    if known.temperature is not None:
        return known, [f"temperature {known.temperature:g} stays, as the profile has it"]
    measured = SamplingDefaults.model_validate({**known.model_dump(), "temperature": 0.0})
    return measured, [
        f"temperature 0: measured so, and the answers agree with the references by {figures.on.word_f1:.2f}"
    ]


def _max_tokens(
    profile: ChatProfile | None, lengths: Sequence[int]
) -> tuple[TokenLimits, list[str]]:
    """default: half as much again as all but one of 200 answers need, rounded up to STEP, at least LEAST_DEFAULT.

    limit: four times the default, and at least twice the longest answer seen: a client may want more, but not everything.
    """
    if len(lengths) < MIN_LENGTHS:
        known = TokenLimits() if profile is None else profile.max_tokens
        return known, [
            f"max_tokens stays: {len(lengths)} lengths are too few to set it, at least {MIN_LENGTHS} are needed"
        ]
    nearly_all, longest = quantile(lengths, 0.995), max(lengths)
    default = max(LEAST_DEFAULT, _rounded_up(HEADROOM * nearly_all))
    limit = _rounded_up(max(LIMIT_OVER_DEFAULT * default, 2 * longest))
    note = f"max_tokens {default}, at most {limit}: 99.5% of the answers have at most {nearly_all} tokens, the longest {longest}"
    return TokenLimits(default=default, limit=limit), [note]


def _rounded_up(number: float) -> int:
    return ceil(number / STEP) * STEP


def _guard(profile: ChatProfile | None, evidence: Evidence) -> tuple[Guard, list[str]]:
    """Role markers in fenced code: text where references hold them, an end where runaways hide behind them."""
    guard = Guard() if profile is None else profile.guard
    number = evidence.markers_in_references
    if number:
        note = f"role markers in code blocks do not end an answer: {number} references hold one; outside code it cuts them"
        return guard.model_copy(update={"role_markers_in_code": False}), [note]
    if evidence.spared_markers:
        note = (
            f"role markers in code blocks end an answer: {evidence.spared_markers} ran away past one, "
            "and no reference holds one"
        )
        return guard.model_copy(update={"role_markers_in_code": True}), [note]
    return guard, []


def _warnings(figures: AdapterFigures) -> list[str]:
    notes = []
    if figures.on.runaway.share > MANY_RUNAWAYS:
        advice = "" if figures.has_stop_head else "; fit a stop head: endturn calibrate"
        notes.append(
            f"{figures.on.runaway.share:.0%} still run to the cap with the guards on{advice}"
        )
    if figures.over_cap.count:
        notes.append(
            f"{figures.over_cap.count} references are longer than the cap of {figures.cap}: "
            "answers as long count as runaway; raise --cap"
        )
    return notes


def _run_record(figures: RunFigures) -> RunRecord:
    return RunRecord(
        kinds=figures.kinds,
        runaway=_share(figures.runaway),
        tokens=figures.lengths.mean,
        tokens_p95=figures.lengths.p95,
        word_f1=figures.word_f1,
    )


def _share(found: Rate) -> Share:
    return Share(share=found.share, low=found.low, high=found.high)
