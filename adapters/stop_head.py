"""The stop head: how probable it is that an answer ends here, from one step's log-probabilities.

A logistic regression over stop_features, with the standardisation folded into its weights. A pure value: fitting is done
elsewhere, and serving asks it at every token of every stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from operator import mul
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from .chat_profile import ProfilePart
from .errors import ProfileError
from .stop_features import stop_features

MAX_TOKENS = 64
# No sane fit comes near; beyond, sums could overflow.
MAX_WEIGHT = 1000.0
MAX_BIAS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class StopHead:
    """`weights` and `bias` are for raw log-probabilities in nats; an answer ends where `probability` is over `threshold`."""

    token_ids: tuple[int, ...]
    weights: tuple[float, ...]
    bias: float
    threshold: float

    def probability(self, logprobs: Mapping[int, float]) -> float:
        """That the answer ends before the token of this step. `logprobs`: the step's list, as for stop_features."""
        score = self.bias + sum(map(mul, self.weights, stop_features(logprobs, self.token_ids)))
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
    (bootstrap over conversations). data: sha256 of the file.
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


class StopHeadRecord(ProfilePart):
    """`stop_head` in endturn.json."""

    token_ids: tuple[int, ...] = Field(strict=False, min_length=1, max_length=MAX_TOKENS)
    weights: tuple[float, ...] = Field(strict=False, min_length=1, max_length=MAX_TOKENS)
    bias: float = Field(ge=-MAX_BIAS, le=MAX_BIAS)
    threshold: float = Field(gt=0, lt=1)
    fit: StopHeadFit | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "StopHeadRecord":
        if len(self.token_ids) != len(self.weights):
            raise ValueError(f"{len(self.token_ids)} token_ids and {len(self.weights)} weights")
        if len(set(self.token_ids)) != len(self.token_ids):
            raise ValueError("a token id stands twice in token_ids")
        if any(abs(weight) > MAX_WEIGHT for weight in self.weights):
            raise ValueError(f"weights: none may be over {MAX_WEIGHT:g} in size")
        return self

    def head(self) -> StopHead:
        """The value that serving asks."""
        return StopHead(
            token_ids=self.token_ids,
            weights=self.weights,
            bias=self.bias,
            threshold=self.threshold,
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
