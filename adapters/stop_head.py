"""The stop head: how probable it is that an answer ends here, from one step's log-probabilities.

A logistic regression over stop_features, with the standardisation folded into its weights. A pure value: fitting is done
elsewhere, and serving asks it at every token of every stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, fsum
from operator import not_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from .chat_profile import ProfilePart
from .errors import ProfileError
from .stop_features import FLOOR, line_break_feature, line_breaks

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LINE_BREAKS = "line_breaks"
# What a head may read besides log-probabilities, by the names in endturn.json.
FEATURES = (LINE_BREAKS,)

MAX_TOKENS = 64
# No sane fit comes near; beyond, sums could overflow.
MAX_WEIGHT = 1000.0
MAX_BIAS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class StopHead:
    """`weights` and `bias` are for raw log-probabilities in nats; an answer ends where `probability` is over `threshold`.

    `line_breaks`: those in the text of each token, by id, from the served tokenizer; empty where the head does not read them.
    """

    token_ids: tuple[int, ...]
    weights: tuple[float, ...]
    bias: float
    threshold: float
    line_break_weight: float = 0.0
    line_breaks: Mapping[int, int] = field(default_factory=dict)
    # The score where every log-probability is at the floor, and what each adds above it: most tokens are not in the list.
    _floor_score: float = field(init=False, repr=False, compare=False)
    _weighted: tuple[tuple[int, float], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_floor_score", self.bias + FLOOR * fsum(self.weights))
        object.__setattr__(self, "_weighted", tuple(zip(self.token_ids, self.weights, strict=True)))

    def probability(self, logprobs: Mapping[int, float], num_line_breaks: int = 0) -> float:
        """That the answer ends before the token of this step.

        Args:
            logprobs: the step's list, as for stop_features.
            num_line_breaks: `line_breaks` of the answer's tokens so far, summed.
        """
        score = self._floor_score
        for token_id, weight in self._weighted:
            # As stop_features reads it: what is not above the floor counts as the floor, NaN too.
            if token_id in logprobs and (found := logprobs[token_id]) > FLOOR:
                score += weight * (found - FLOOR)
        if num_line_breaks:
            score += self.line_break_weight * line_break_feature(num_line_breaks)
        if score < 0:
            odds = exp(score)
            return odds / (1.0 + odds)
        return 1.0 / (1.0 + exp(-score))


class Share(ProfilePart):
    """A share of the answers with its 95% interval (Wilson)."""

    share: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class StopHeadFit(ProfilePart):
    """How the head was fitted, and what it did on conversations it was not fitted on (cross-validation).

    exact: ended where the reference does. early: before. missed: not at all. inside: the early ones that are inside a
    sentence, list item or code block. auc: of end against not the end, over all positions, with a 95% interval
    (bootstrap over conversations). data: sha256 of the file. source: whether it held answers, or prompts alone; then the
    references are where the model's own answers should have ended, and left_out are those that did not show it.
    """

    answers: int = Field(ge=1)
    conversations: int = Field(ge=1)
    tokens: int = Field(ge=1)
    auc: float = Field(ge=0, le=1)
    auc_low: float = Field(ge=0, le=1)
    auc_high: float = Field(ge=0, le=1)
    exact: Share
    early: Share
    missed: Share
    inside: Share
    folds: int = Field(ge=2)
    seed: int
    data: str | None = None
    source: Literal["answers", "prompts"] = Field(
        default="answers", exclude_if=lambda source: source == "answers"
    )
    left_out: int = Field(default=0, ge=0, exclude_if=not_)


class StopHeadRecord(ProfilePart):
    """`stop_head` in endturn.json. `features`: weights of what it reads besides log-probabilities, left out where there is none."""

    token_ids: tuple[int, ...] = Field(strict=False, min_length=1, max_length=MAX_TOKENS)
    weights: tuple[float, ...] = Field(strict=False, min_length=1, max_length=MAX_TOKENS)
    features: dict[str, float] = Field(default_factory=dict, exclude_if=not_)
    bias: float = Field(ge=-MAX_BIAS, le=MAX_BIAS)
    threshold: float = Field(gt=0, lt=1)
    fit: StopHeadFit | None = None

    @field_validator("features")
    @classmethod
    def _are_known(cls, features: dict[str, float]) -> dict[str, float]:
        for name, weight in features.items():
            if name not in FEATURES:
                raise ValueError(f"{name!r} is not known here, only {', '.join(FEATURES)} is")
            if abs(weight) > MAX_WEIGHT:
                raise ValueError(f"{name}: no weight may be over {MAX_WEIGHT:g} in size")
        return features

    @model_validator(mode="after")
    def _fits_together(self) -> "StopHeadRecord":
        if len(self.token_ids) != len(self.weights):
            raise ValueError(f"{len(self.token_ids)} token_ids and {len(self.weights)} weights")
        if len(set(self.token_ids)) != len(self.token_ids):
            raise ValueError("a token id stands twice in token_ids")
        if any(abs(weight) > MAX_WEIGHT for weight in self.weights):
            raise ValueError(f"weights: none may be over {MAX_WEIGHT:g} in size")
        return self

    def head(self, tokenizer: "Tokenizer") -> StopHead:
        """The value that serving asks. `tokenizer`: the one that answers are decoded with."""
        weight = self.features.get(LINE_BREAKS, 0.0)
        return StopHead(
            token_ids=self.token_ids,
            weights=self.weights,
            bias=self.bias,
            threshold=self.threshold,
            line_break_weight=weight,
            line_breaks=line_breaks(tokenizer) if weight else {},
        )


def read_stop_head(raw: Mapping[str, Any], path: Path, *, vocab_size: int) -> StopHeadRecord:
    """The stop head of a profile.

    Args:
        raw: `stop_head` of the endturn.json at `path`.
        vocab_size: token ids of the served model: a head that names others was fitted on another.

    Raises:
        ProfileError: it is no stop head, or not one for this model; the message names the field.
    """
    try:
        record = StopHeadRecord.model_validate(dict(raw))
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        field = ".".join(str(part) for part in ("stop_head", *first["loc"]))
        found = f" (found {first['input']!r:.80})" if first["loc"] else ""
        raise ProfileError(path, f"{field}: {first['msg']}{found}; fit it again") from exc
    outside = [token_id for token_id in record.token_ids if not 0 <= token_id < vocab_size]
    if outside:
        raise ProfileError(
            path,
            f"stop_head.token_ids: {outside[0]} is not in the served vocabulary of {vocab_size}; "
            "the head was fitted on another model: fit it again on this one",
        )
    return record
