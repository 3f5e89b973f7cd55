"""Logistic regression over stop_features: from answers whose ends are known to weights, and probabilities for others.

Everything that is chosen (tokens, scale, weights) is chosen from the answers that are fitted on alone. Knows no threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp

import numpy as np
from numpy.typing import NDArray

from .answer_logprobs import AnswerLogprobs
from .stop_features import line_break_feature, stop_features

# A feature that hardly varies is not blown up, or one odd list would decide.
MIN_SCALE = 0.1
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is fitted: `num_tokens` log-probabilities and, where `line_breaks`, the line breaks so far. `strength` is logistic
    regression's C for standardised features."""

    num_tokens: int
    strength: float
    line_breaks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What one answer shows after its first k tokens, k from 0 to all n: the list, and the line breaks so far.

    It ends at the last place alone. `line` is its conversation's.
    """

    line: int
    lists: Sequence[Mapping[int, float]]
    num_line_breaks: Sequence[int]

    @property
    def ends(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.arange(len(self.lists)) == len(self.lists) - 1
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Weights for raw features: one a token, and the line breaks' last where they are read."""

    token_ids: tuple[int, ...]
    weights: Array
    bias: float
    line_breaks: bool

    def probabilities(self, answer: Places) -> Array:
        """That the answer ends, at each of its places."""
        scores = _matrix(answer, self.token_ids, line_breaks=self.line_breaks) @ self.weights
        found: Array = 1 / (1 + np.exp(-(scores + self.bias)))
        return found


def places(found: AnswerLogprobs, line_breaks: Mapping[int, int]) -> Places:
    """The places of one answer. `line_breaks`: those of each token, by id, as stop_features gives them."""
    token_ids = found.answer.token_ids
    counts = accumulate((line_breaks.get(token_id, 0) for token_id in token_ids), initial=0)
    return Places(
        line=found.answer.line,
        lists=[found.listed(k) for k in range(len(found.ids))],
        num_line_breaks=tuple(counts),
    )


def fit(answers: Sequence[Places], recipe: Recipe) -> Regression:
    """The regression of all places of `answers`."""
    from sklearn.linear_model import LogisticRegression

    token_ids = likely_at_ends(answers, recipe.num_tokens)
    features = np.concatenate(
        [_matrix(answer, token_ids, line_breaks=recipe.line_breaks) for answer in answers]
    )
    ends = np.concatenate([answer.ends for answer in answers])
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), MIN_SCALE)
    model = LogisticRegression(C=recipe.strength, max_iter=5000)
    model.fit((features - mean) / scale, ends)
    weights: Array = model.coef_[0] / scale
    return Regression(
        token_ids=token_ids,
        weights=weights,
        bias=float(model.intercept_[0] - weights @ mean),
        line_breaks=recipe.line_breaks,
    )


def cross_validate(
    answers: Sequence[Places], recipe: Recipe, *, folds: int, seed: int
) -> list[Array]:
    """Probabilities of each answer by a regression that was fitted without its conversation.

    Raises:
        ValueError: there are fewer conversations than folds.
    """
    distinct = np.unique([answer.line for answer in answers])
    if len(distinct) < folds:
        raise ValueError(f"{len(distinct)} conversations are too few for {folds} folds")
    order = np.random.default_rng(seed).permutation(len(distinct))
    fold_of = {int(line): int(at) % folds for line, at in zip(distinct, order, strict=True)}
    found: dict[int, Array] = {}
    for fold in range(folds):
        fitted = fit([answer for answer in answers if fold_of[answer.line] != fold], recipe)
        found |= {
            i: fitted.probabilities(answer)
            for i, answer in enumerate(answers)
            if fold_of[answer.line] == fold
        }
    return [found[i] for i in range(len(answers))]


def likely_at_ends(answers: Sequence[Places], number: int) -> tuple[int, ...]:
    """The tokens with the highest mean probability where answers end."""
    total: dict[int, float] = {}
    for answer in answers:
        for token_id, logprob in answer.lists[-1].items():
            total[token_id] = total.get(token_id, 0.0) + exp(logprob)
    # Ids break ties, so that the choice is the same on every run.
    return tuple(sorted(total, key=lambda token_id: (-total[token_id], token_id))[:number])


def _matrix(answer: Places, token_ids: Sequence[int], *, line_breaks: bool) -> Array:
    """[places, features]."""
    rows = [stop_features(listed, token_ids) for listed in answer.lists]
    if line_breaks:
        for row, number in zip(rows, answer.num_line_breaks, strict=True):
            row.append(line_break_feature(number))
    return np.array(rows)
