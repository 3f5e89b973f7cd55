"""Fit the stop head of a converted adapter on answers, and write it into its profile.

Reads the data, renders it by the profile's template, has base + adapter read every answer, and fits. What is refused is
written as refused: a profile never carries a head below the stated quality.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .answer_logprobs import ModelOptions, answer_logprobs
from .answer_tokens import SkippedAnswer, TokenizedAnswers, tokenize_answers
from .chat_profile import PROFILE_FILE, ChatProfile, read_profile, write_profile
from .conversations import ConversationData, read_conversations
from .errors import CheckpointError, DataError, ModelFilesError, ProfileError
from .json_file import read_text
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
    """The fitted head, and what became of the data."""

    outcome: StopHeadOutcome
    data: ConversationData
    skipped: tuple[SkippedAnswer, ...]


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
    tokenizer = _tokenizer(adapter if merged or profile.tokenizer is not None else base)
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
    outcome = fit_stop_head(answers, sentence_judge(tokenizer), options.fit, data=read.sha256)
    return Calibration(outcome=outcome, data=read, skipped=tokenized.skipped)


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


def _tokenizer(path: Path) -> TokenizerFiles:
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
