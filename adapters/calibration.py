"""Fit the stop head of a converted adapter on answers, or on what it says when it runs on, and write it into its profile.

Reads the data, renders it by the profile's template, has base + adapter read every answer, and fits; what ran on comes from
an engine, with its lists. What is refused is written as refused: a profile never carries a head below the stated quality.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .answer_logprobs import ModelOptions, answer_logprobs
from .answer_tokens import SkippedAnswer, TokenizedAnswers, tokenize_answers
from .chat_profile import PROFILE_FILE, ChatProfile, read_profile, write_profile
from .conversations import ConversationData, read_conversations
from .errors import CheckpointError, DataError, ModelFilesError, ProfileError
from .generations_fit import GenerationsFit, find_ends, fit_on_ends
from .json_file import read_text
from .prompts import PromptData
from .runaway_ends import Generation
from .stop_features import line_breaks
from .stop_head_fit import (
    MIN_ANSWERS,
    FitOptions,
    StopHeadOutcome,
    fit_stop_head,
    sentence_judge,
)
from .tokenizer_files import MAX_TEMPLATE_BYTES, TokenizerFiles, read_tokenizer

MAX_ANSWER_TOKENS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOptions:
    """`max_answers` of the file are read by the model, chosen by `fit.seed` in whole conversations."""

    max_answers: int = 400
    max_tokens: int = MAX_ANSWER_TOKENS
    model: ModelOptions = field(default_factory=ModelOptions)
    fit: FitOptions = field(default_factory=FitOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The fitted head, and what became of the data. `generations` is there where it held prompts alone."""

    outcome: StopHeadOutcome
    data: ConversationData | PromptData
    skipped: tuple[SkippedAnswer, ...]
    generations: GenerationsFit | None = None


Progress = Callable[[int, int], None]


def calibrate(
    adapter: Path,
    base: Path,
    data: Path,
    options: CalibrationOptions | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Fit a stop head for the converted adapter in `adapter`.

    Args:
        base: the base's directory, an overlay of it where the adapter needs rows; not read where the adapter is merged.
        progress: told how many answers were read by the model, and of how many.

    Raises:
        ProfileError: it is not converted.
        DataError: too few answers can be used.
        AdapterError: a file is broken.
    """
    options = options or CalibrationOptions()
    profile = converted_profile(adapter)
    merged = profile.weights.path == "merge"
    model = adapter if merged else base
    tokenizer = _tokenizer(adapter, base, profile)
    template = read_text(
        adapter / profile.template.file, CheckpointError, max_bytes=MAX_TEMPLATE_BYTES
    )
    read = read_conversations(data, max_answers=options.max_answers, seed=options.fit.seed)
    tokenized = tokenize_answers(
        read.conversations, template, tokenizer, max_tokens=options.max_tokens
    )
    _refuse_too_few(tokenized, data, options.fit)
    answers = []
    weights = None if merged else adapter
    for found in answer_logprobs(model, weights, tokenized.answers, options.model):
        answers.append(found)
        if progress is not None:
            progress(len(answers), len(tokenized.answers))
    outcome = fit_stop_head(
        answers,
        sentence_judge(tokenizer),
        options.fit,
        data=read.sha256,
        line_breaks=line_breaks(tokenizer.tokenizer),
    )
    return Calibration(outcome=outcome, data=read, skipped=tokenized.skipped)


def calibrate_on_generations(
    adapter: Path,
    base: Path,
    prompts: PromptData,
    generations: Sequence[Generation],
    skipped: Sequence[SkippedAnswer] = (),
    options: FitOptions | None = None,
) -> Calibration:
    """Fit a stop head for the converted adapter in `adapter` on what it said when nothing of ours ended it.

    Args:
        base: the base's directory; not read where the adapter has a tokenizer of its own.
        prompts: where they came from; those that could not be asked are `skipped`.

    Raises:
        ProfileError: it is not converted.
        DataError: too few of them show where they should have ended.
        AdapterError: a file is broken.
    """
    options = options or FitOptions()
    profile = converted_profile(adapter)
    found = find_ends(
        generations, profile.role_markers, markers_in_code=profile.guard.role_markers_in_code
    )
    if len(found.ends) < MIN_ANSWERS:
        raise DataError(
            prompts.path,
            f"{len(found.ends)} of {len(generations)} answers show where they should have ended (a role marker, a question "
            f"of their own, a loop), at least {MIN_ANSWERS} are needed; give more prompts or a higher --cap, or answers "
            "with --data",
        )
    fitted = fit_on_ends(found, _tokenizer(adapter, base, profile), options, data=prompts.sha256)
    return Calibration(
        outcome=fitted.outcome, data=prompts, skipped=tuple(skipped), generations=fitted
    )


def write_stop_head(adapter: Path, calibration: Calibration) -> ChatProfile:
    """Put the head, or why there is none, into the adapter's profile; returns the profile.

    Raises:
        ConversionError: it is not converted.
    """
    outcome = calibration.outcome
    head = None if outcome.refusal else outcome.record.model_dump(mode="json")
    changed = converted_profile(adapter).model_copy(
        update={"stop_head": head, "stop_head_refusal": outcome.refusal}
    )
    write_profile(changed, adapter)
    return changed


def converted_profile(adapter: Path) -> ChatProfile:
    """The profile of a converted adapter.

    Raises:
        ProfileError: it has none.
    """
    profile = read_profile(adapter)
    if profile is None:
        raise ProfileError(adapter / PROFILE_FILE, "is missing: a raw adapter; convert it first")
    return profile


def _tokenizer(adapter: Path, base: Path, profile: ChatProfile) -> TokenizerFiles:
    own = profile.weights.path == "merge" or profile.tokenizer is not None
    path = adapter if own else base
    tokenizer = read_tokenizer(path, ModelFilesError, follow_links=True)
    if tokenizer is None:
        raise ModelFilesError(path, "has no tokenizer.json")
    return tokenizer


def _refuse_too_few(tokenized: TokenizedAnswers, data: Path, options: FitOptions) -> None:
    lines = {answer.line for answer in tokenized.answers}
    if len(tokenized.answers) >= MIN_ANSWERS and len(lines) >= options.folds:
        return
    why = ""
    if tokenized.skipped:
        why = f"; {len(tokenized.skipped)} were left out: {tokenized.skipped[0].reason}"
    raise DataError(
        data,
        f"has {len(tokenized.answers)} answers in {len(lines)} conversations to fit on, "
        f"at least {MIN_ANSWERS} are needed{why}",
    )
