"""Fit the stop head of a converted adapter on answers, and write it into its profile.

Reads the data, renders it by the profile's template, has base + adapter read every answer, and fits. What is refused is
written as refused: a profile never carries a head below the stated quality.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .answer_logprobs import AnswerLogprobs, ModelOptions, answer_logprobs
from .answer_tokens import SkippedAnswer, TokenizedAnswer, tokenize_answers
from .chat_profile import ChatProfile, read_profile, write_profile
from .conversations import ConversationData, read_conversations
from .errors import CheckpointError, ConversionError
from .inspection import BaseModel
from .json_file import read_text
from .stop_head_fit import FitOptions, StopHeadOutcome, fit_stop_head, sentence_judge
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


Progress = Callable[[Iterator[AnswerLogprobs], int], Iterator[AnswerLogprobs]]


def calibrate(
    adapter: Path,
    base: BaseModel,
    model: Path,
    data: Path,
    options: CalibrationOptions,
    progress: Progress,
) -> Calibration:
    """Fit a stop head for the converted adapter in `adapter`.

    Args:
        model: the directory whose weights are loaded: the base, its overlay, or `adapter` itself where it is merged.
        progress: gets the answers as they are read and how many there are; returns them.

    Raises:
        ConversionError: it is not converted, or too few answers can be used.
        AdapterError: a file is broken.
    """
    profile = converted_profile(adapter)
    tokenizer = _tokenizer(adapter, profile, base)
    template = read_text(
        adapter / profile.template.file, CheckpointError, max_bytes=MAX_TEMPLATE_BYTES
    )
    read = read_conversations(data, max_answers=options.max_answers, seed=options.fit.seed)
    tokenized = tokenize_answers(
        read.conversations, template, tokenizer, max_tokens=options.max_tokens
    )
    _refuse_too_few(tokenized.answers, tokenized.skipped, data, options.fit)
    weights = None if model == adapter else adapter
    answers = list(
        progress(
            answer_logprobs(model, weights, tokenized.answers, options.model),
            len(tokenized.answers),
        )
    )
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
        ConversionError: it has none.
    """
    profile = read_profile(adapter)
    if profile is None:
        raise ConversionError(adapter, "is a raw adapter; convert it first: endturn convert")
    return profile


def _tokenizer(adapter: Path, profile: ChatProfile, base: BaseModel) -> TokenizerFiles:
    if profile.tokenizer is None:
        return base.tokenizer
    own = read_tokenizer(adapter, CheckpointError)
    if own is None:
        raise CheckpointError(adapter, "has lost its tokenizer.json; convert it again")
    return own


def _refuse_too_few(
    answers: Sequence[TokenizedAnswer],
    skipped: Sequence[SkippedAnswer],
    data: Path,
    options: FitOptions,
) -> None:
    if len({answer.line for answer in answers}) >= options.folds:
        return
    why = f"; line {skipped[0].line}: {skipped[0].reason}" if skipped else ""
    raise ConversionError(
        data, f"{len(answers)} answers can be used, which is too few to calibrate on{why}"
    )
