"""Fit a stop head on answers whose ends are known, and say how good it is on conversations it has not seen.

The regression is cross-validated, with and without line breaks; threshold and figures are of what it says of answers it was
not fitted on. Knows neither the model nor the file the answers came from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .answer_ends import may_end as text_may_end
from .answer_logprobs import AnswerLogprobs
from .stop_curve import CurvePoint, interval, stop_curve
from .stop_head import LINE_BREAKS, Share, StopHeadFit, StopHeadRecord
from .stop_regression import Array, Places, Recipe, cross_validate, fit, places
from .tokenizer_files import TokenizerFiles

NUM_TOKENS = 16
MIN_ANSWERS = 50
MIN_AUC = 0.95
MAX_REFUSED_INSIDE = 0.03
MAX_REFUSED_MISSED = 0.5
NUM_RESAMPLES = 200
# Of the answers, so many more must end exactly for line breaks to be read too: less is chance with a few hundred of them.
MIN_GAIN = 0.02
# Thresholds within this share of the answers of the best one count as good; the highest of them cuts least.
TOLERANCE = 0.005
Judge = Callable[[AnswerLogprobs, int], bool]


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


def fit_stop_head(
    answers: Sequence[AnswerLogprobs],
    may_end: Judge,
    options: FitOptions | None = None,
    *,
    data: str | None = None,
    line_breaks: Mapping[int, int] | None = None,
) -> StopHeadOutcome:
    """Fit on all answers; figures and threshold come from cross-validation by conversation.

    Args:
        answers: in any order; the result depends on them and the seed alone.
        may_end: whether an answer may end after its first k tokens.
        data: sha256 of the file they came from, for the record.
        line_breaks: those of each token (stop_features.line_breaks); the head reads them where that ends more answers
            exactly. None: it does not.

    Raises:
        ValueError: there are fewer conversations than folds.
    """
    options = options or FitOptions()
    answers = sorted(answers, key=lambda found: (found.answer.line, len(found.answer.prompt_ids)))
    read = [places(found, line_breaks or {}) for found in answers]
    chosen = _choose(read, lambda i, k: may_end(answers[i], k), options)
    fitted, point = fit(read, chosen.recipe), chosen.point
    lines = [answer.line for answer in read]
    auc, low, high = _auc(chosen.probabilities, lines, options.seed)
    weights = fitted.weights.tolist()
    record = StopHeadRecord(
        token_ids=fitted.token_ids,
        weights=tuple(weights[: len(fitted.token_ids)]),
        features={LINE_BREAKS: weights[-1]} if fitted.line_breaks else {},
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
    return StopHeadOutcome(record=record, curve=chosen.curve, refusal=_refusal(auc, point))


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeldOut:
    """What a recipe says of answers it was not fitted on, and the threshold that is best for it."""

    recipe: Recipe
    probabilities: list[Array]
    curve: tuple[CurvePoint, ...]
    point: CurvePoint


def _choose(
    answers: Sequence[Places], may_end: Callable[[int, int], bool], options: FitOptions
) -> _HeldOut:
    """Log-probabilities alone, or line breaks too where that is clearly better."""

    def held_out(recipe: Recipe) -> _HeldOut:
        found = cross_validate(answers, recipe, folds=options.folds, seed=options.seed)
        curve = stop_curve(found, may_end)
        point = choose_threshold(curve, options)
        return _HeldOut(recipe=recipe, probabilities=found, curve=curve, point=point)

    recipe = Recipe(num_tokens=options.num_tokens, strength=options.strength)
    plain = held_out(recipe)
    if not any(answer.num_line_breaks[-1] for answer in answers):
        return plain
    more = held_out(replace(recipe, line_breaks=True))
    return more if is_clearly_better(more.point, plain.point, options) else plain


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


def is_clearly_better(more: CurvePoint, plain: CurvePoint, options: FitOptions) -> bool:
    """Whether a head that reads more is to be preferred: where it ends MIN_GAIN more of the answers exactly, and cuts no more
    of them inside a sentence than is allowed, or than the plain one does."""
    bound = max(options.max_inside * plain.num_answers, plain.inside)
    return more.exact - plain.exact >= MIN_GAIN * plain.num_answers and more.inside <= bound


def sentence_judge(tokenizer: TokenizerFiles) -> Judge:
    """Whether an answer may end after its first k tokens: answer_ends, with the rest of the answer as what follows."""

    def judge(found: AnswerLogprobs, num_tokens: int) -> bool:
        ids = list(found.answer.token_ids)
        whole: str = tokenizer.tokenizer.decode(ids, skip_special_tokens=False)
        text: str = tokenizer.tokenizer.decode(ids[:num_tokens], skip_special_tokens=False)
        # A prefix that is none ends inside a character.
        return whole.startswith(text) and text_may_end(text, whole[len(text) :])

    return judge


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
