"""Fit a stop head on answers whose ends are known, and say how good it is on conversations it has not seen.

Logistic regression over stop_features. Everything that is chosen (tokens, scale, weights) is chosen inside each fold of the
cross-validation too. Knows neither the model nor the file the answers came from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from .answer_ends import may_end as text_may_end
from .answer_logprobs import AnswerLogprobs
from .stop_curve import CurvePoint, interval, stop_curve
from .stop_features import stop_features
from .stop_head import Share, StopHeadFit, StopHeadRecord
from .tokenizer_files import TokenizerFiles

NUM_TOKENS = 16
MIN_ANSWERS = 50
MIN_AUC = 0.95
MAX_REFUSED_INSIDE = 0.03
MAX_REFUSED_MISSED = 0.5
NUM_RESAMPLES = 200
# A feature that hardly varies is not blown up, or one odd list would decide.
MIN_SCALE = 0.1
# Thresholds within this share of the answers of the best one count as good; the highest of them cuts least.
TOLERANCE = 0.005
Array = NDArray[np.float64]
Judge = Callable[[AnswerLogprobs, int], bool]
Lists = list[dict[int, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """`strength` is logistic regression's C for standardised features. The threshold keeps the shares of answers cut inside a
    sentence and cut early to `max_inside` and `max_early` where it can."""

    num_tokens: int = NUM_TOKENS
    strength: float = 1.0
    folds: int = 5
    seed: int = 0
    max_inside: float = 0.01
    max_early: float = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class StopHeadOutcome:
    """The fitted head with its figures, and the curve they are on. `refusal` says why it must not be used, None where it may."""

    record: StopHeadRecord
    curve: tuple[CurvePoint, ...]
    refusal: str | None


@dataclass(frozen=True, slots=True)
class _Weights:
    """A head without its threshold."""

    token_ids: tuple[int, ...]
    weights: Array
    bias: float

    def probabilities(self, lists: Lists) -> Array:
        scores = _matrix(lists, self.token_ids) @ self.weights + self.bias
        found: Array = 1 / (1 + np.exp(-scores))
        return found


def fit_stop_head(
    answers: Sequence[AnswerLogprobs],
    may_end: Judge,
    options: FitOptions | None = None,
    *,
    data: str | None = None,
) -> StopHeadOutcome:
    """Fit on all answers; figures and threshold come from cross-validation by conversation.

    Args:
        answers: in any order; the result depends on them and the seed alone.
        may_end: whether an answer may end after its first k tokens.
        data: sha256 of the file they came from, for the record.

    Raises:
        ValueError: there are fewer conversations than folds.
    """
    options = options or FitOptions()
    answers = sorted(answers, key=lambda found: (found.answer.line, len(found.answer.prompt_ids)))
    lists = [[found.listed(k) for k in range(len(found.ids))] for found in answers]
    lines = [found.answer.line for found in answers]
    probabilities = _cross_validate(lists, lines, options)
    curve = stop_curve(probabilities, lambda i, k: may_end(answers[i], k))
    point = choose_threshold(curve, options)
    fitted = _fit(lists, options)
    auc, low, high = _auc(probabilities, lines, options.seed)
    record = StopHeadRecord(
        token_ids=fitted.token_ids,
        weights=tuple(fitted.weights.tolist()),
        bias=fitted.bias,
        threshold=point.threshold,
        fit=StopHeadFit(
            answers=len(answers),
            conversations=len(set(lines)),
            tokens=sum(len(found.answer.token_ids) for found in answers),
            auc=auc,
            auc_low=low,
            auc_high=high,
            exact=_share(point.exact, point),
            early=_share(point.early, point),
            missed=_share(point.missed, point),
            inside=_share(point.inside, point),
            folds=options.folds,
            seed=options.seed,
            data=data,
        ),
    )
    return StopHeadOutcome(record=record, curve=curve, refusal=_refusal(auc, point))


def choose_threshold(curve: Sequence[CurvePoint], options: FitOptions) -> CurvePoint:
    """Cuts inside a sentence are bounded first (where that cannot be, they are as few as can be), then early ones; of what
    is left, the highest threshold that ends about as many answers exactly as the best."""
    num_answers = curve[0].num_answers
    least = min((p.inside for p in curve if p.missed < num_answers), default=0)
    bound = max(options.max_inside * num_answers, least)
    allowed = [p for p in curve if p.inside <= bound]
    allowed = [p for p in allowed if p.early <= options.max_early * num_answers] or allowed
    best = max(p.exact for p in allowed)
    good = [p for p in allowed if p.exact >= best - TOLERANCE * num_answers]
    return max(good, key=lambda p: p.threshold)


def sentence_judge(tokenizer: TokenizerFiles) -> Judge:
    """Whether an answer may end after its first k tokens: answer_ends, with the rest of the answer as what follows."""

    def judge(found: AnswerLogprobs, num_tokens: int) -> bool:
        ids = list(found.answer.token_ids)
        whole: str = tokenizer.tokenizer.decode(ids, skip_special_tokens=False)
        text: str = tokenizer.tokenizer.decode(ids[:num_tokens], skip_special_tokens=False)
        # A prefix that is none ends inside a character.
        return whole.startswith(text) and text_may_end(text, whole[len(text) :])

    return judge


def _fit(lists: Sequence[Lists], options: FitOptions) -> _Weights:
    from sklearn.linear_model import LogisticRegression

    token_ids = _likely_at_ends(lists, options.num_tokens)
    features = np.concatenate([_matrix(answer, token_ids) for answer in lists])
    ends = np.concatenate([_ends(answer) for answer in lists])
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), MIN_SCALE)
    model = LogisticRegression(C=options.strength, max_iter=5000)
    model.fit((features - mean) / scale, ends)
    weights: Array = model.coef_[0] / scale
    return _Weights(token_ids, weights, float(model.intercept_[0] - weights @ mean))


def _likely_at_ends(lists: Sequence[Lists], number: int) -> tuple[int, ...]:
    """The tokens with the highest mean probability where answers end."""
    total: dict[int, float] = {}
    for answer in lists:
        for token_id, logprob in answer[-1].items():
            total[token_id] = total.get(token_id, 0.0) + exp(logprob)
    # Ids break ties, so that the choice is the same on every run.
    return tuple(sorted(total, key=lambda token_id: (-total[token_id], token_id))[:number])


def _matrix(lists: Lists, token_ids: Sequence[int]) -> Array:
    return np.array([stop_features(logprobs, token_ids) for logprobs in lists])


def _ends(lists: Lists) -> NDArray[np.bool_]:
    """Whether the answer ends, at each of its places: at the last alone."""
    found: NDArray[np.bool_] = np.arange(len(lists)) == len(lists) - 1
    return found


def _cross_validate(
    lists: Sequence[Lists], lines: Sequence[int], options: FitOptions
) -> list[Array]:
    """Probabilities of each answer by a head that was fitted without its conversation."""
    distinct = np.unique(lines)
    if len(distinct) < options.folds:
        raise ValueError(f"{len(distinct)} conversations are too few for {options.folds} folds")
    order = np.random.default_rng(options.seed).permutation(len(distinct))
    fold_of = {int(line): int(at) % options.folds for line, at in zip(distinct, order, strict=True)}
    folds = [fold_of[line] for line in lines]
    found: dict[int, Array] = {}
    for fold in range(options.folds):
        head = _fit([a for a, of in zip(lists, folds, strict=True) if of != fold], options)
        found |= {i: head.probabilities(lists[i]) for i, of in enumerate(folds) if of == fold}
    return [found[i] for i in range(len(lists))]


def _auc(
    probabilities: Sequence[Array], lines: Sequence[int], seed: int
) -> tuple[float, float, float]:
    """Area under the ROC curve over all places, with a 95% interval: conversations drawn again and again."""
    from sklearn.metrics import roc_auc_score

    distinct = sorted(set(lines))
    of_line: dict[int, list[Array]] = {line: [] for line in distinct}
    for values, line in zip(probabilities, lines, strict=True):
        of_line[line].append(values)

    def area(chosen: Sequence[int]) -> float:
        drawn = [values for line in chosen for values in of_line[line]]
        ends = np.concatenate([np.arange(len(v)) == len(v) - 1 for v in drawn])
        return float(roc_auc_score(ends, np.concatenate(drawn)))

    rng = np.random.default_rng(seed)
    drawn = [area(rng.choice(distinct, len(distinct)).tolist()) for _ in range(NUM_RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return area(distinct), float(low), float(high)


def _share(count: int, point: CurvePoint) -> Share:
    found = interval(count, point.num_answers)
    return Share(share=found.share, low=found.low, high=found.high)


def _refusal(auc: float, point: CurvePoint) -> str | None:
    num_answers = point.num_answers
    if num_answers < MIN_ANSWERS:
        return f"{num_answers} answers are too few, at least {MIN_ANSWERS} are needed"
    if auc < MIN_AUC:
        return f"it tells ends from the rest with an AUC of {auc:.3f}, under {MIN_AUC}"
    inside, missed = point.inside / num_answers, point.missed / num_answers
    if inside > MAX_REFUSED_INSIDE:
        return f"it would cut {inside:.1%} of the answers inside a sentence, over {MAX_REFUSED_INSIDE:.0%}"
    if missed > MAX_REFUSED_MISSED:
        return f"it would miss {missed:.0%} of the ends, over {MAX_REFUSED_MISSED:.0%}"
    return None
