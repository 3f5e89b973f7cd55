"""Do more features make a better stop head? Log-probabilities alone against the same with others beside them.

`python -m tests.bench.stop_head_features --adapter DIR --template ms-swift:default --train FILE --heldout FILE`: every
variant is fitted on the same answers, gets its threshold by cross-validation on them, and is judged on the held-out ones.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adapters.answer_logprobs import AnswerLogprobs, ModelOptions, answer_logprobs
from adapters.answer_tokens import tokenize_answers
from adapters.conversations import read_conversations
from adapters.errors import ModelFilesError
from adapters.stop_curve import CurvePoint, interval, stop_curve
from adapters.stop_features import line_break_feature, line_breaks, stop_features
from adapters.stop_head_fit import FitOptions, choose_threshold, sentence_judge
from adapters.stop_regression import Places, likely_at_ends, places
from adapters.templates import find_template
from adapters.tokenizer_files import TokenizerFiles, read_tokenizer
from server.demo import demo_base_model
from server.settings import default_cache_dir

Array = NDArray[np.float64]
FOLDS = 5
NUM_LAST_TOKENS = 8
EVERYTHING = ("token", "entropy", "punctuation", "position", "lines")


@dataclass(frozen=True, slots=True)
class Variant:
    """`num_tokens` log-probabilities (0: the end-of-sequence token's alone) and further features, in one model."""

    name: str
    num_tokens: int = 16
    extra: tuple[str, ...] = ()
    trees: bool = False


COMPARED = Variant("16 tokens")
VARIANTS = (
    Variant("EOS alone", 0),
    Variant("1 token", 1),
    Variant("8 tokens", 8),
    COMPARED,
    Variant("24 tokens", 24),
    Variant("32 tokens", 32),
    Variant("16 tokens + token just emitted", extra=("token",)),
    Variant("16 tokens + entropy of the list", extra=("entropy",)),
    Variant("16 tokens + sentence-final punctuation", extra=("punctuation",)),
    Variant("16 tokens + position", extra=("position",)),
    Variant("16 tokens + line breaks so far", extra=("lines",)),
    Variant("16 tokens + position + line breaks", extra=("position", "lines")),
    Variant("16 tokens + all five", extra=EVERYTHING),
    Variant("boosted trees, 16 tokens", trees=True),
    Variant("boosted trees, 16 tokens + all five", extra=EVERYTHING, trees=True),
)


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers in a fixed order with everything that features are made of."""

    found: Sequence[AnswerLogprobs]
    tokenizer: TokenizerFiles
    line_breaks: Mapping[int, int]

    @property
    def places(self) -> list[Places]:
        return [places(found, self.line_breaks) for found in self.found]

    def some(self, found: Sequence[AnswerLogprobs]) -> "Answers":
        """These of the answers."""
        return replace(self, found=found)

    def last_tokens(self) -> list[int]:
        """The tokens that most answers end with."""
        counts = Counter(found.answer.token_ids[-1] for found in self.found)
        return [token_id for token_id, _ in counts.most_common(NUM_LAST_TOKENS)]


def extra_features(
    kind: str, found: AnswerLogprobs, place: int, last: Sequence[int], tokenizer: TokenizerFiles
) -> list[float]:
    """The features of one kind after `place` tokens of an answer; line breaks are not among these."""
    emitted = found.answer.token_ids[place - 1] if place else -1
    if kind == "token":
        return [float(emitted == token_id) for token_id in last]
    if kind == "position":
        return [float(np.log1p(place))]
    if kind == "punctuation":
        text: str = tokenizer.tokenizer.decode([emitted]) if place else ""
        return [float(text.rstrip("\"')]*_`\n ").endswith((".", "!", "?")))]
    listed = found.logprobs[place].astype(np.float64)
    tail = max(1e-6, 1.0 - float(np.exp(listed).sum()))
    return [float(-(np.exp(listed) * listed).sum() - tail * np.log(tail))]


class Design:
    """The features of one variant; which tokens they are about is chosen from the answers it is made with."""

    def __init__(self, variant: Variant, answers: Answers) -> None:
        self._variant = variant
        self._last = answers.last_tokens()
        eos = answers.tokenizer.eos_token_id
        self._token_ids = (
            likely_at_ends(answers.places, variant.num_tokens)
            if variant.num_tokens
            else (0 if eos is None else eos,)
        )

    def matrices(self, answers: Answers) -> list[Array]:
        """One matrix an answer, [places, features]."""
        return [
            np.array([self._row(answers, found, shown, place) for place in range(len(found.ids))])
            for found, shown in zip(answers.found, answers.places, strict=True)
        ]

    def _row(
        self, answers: Answers, found: AnswerLogprobs, shown: Places, place: int
    ) -> list[float]:
        row = stop_features(shown.lists[place], self._token_ids)
        for kind in self._variant.extra:
            if kind == "lines":
                row.append(line_break_feature(shown.num_line_breaks[place]))
            else:
                row += extra_features(kind, found, place, self._last, answers.tokenizer)
        return row


def predict(variant: Variant, train: Answers, other: Answers) -> list[Array]:
    """Probabilities for the answers of `other` by a model fitted on `train`."""
    design = Design(variant, train)
    model: Any = (
        HistGradientBoostingClassifier(max_iter=150, learning_rate=0.05, random_state=0)
        if variant.trees
        else make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    )
    matrices = design.matrices(train)
    model.fit(np.concatenate(matrices), ends(matrices))
    return [model.predict_proba(matrix)[:, 1] for matrix in design.matrices(other)]


def ends(places: Sequence[Array]) -> NDArray[np.bool_]:
    return np.concatenate([np.arange(len(rows)) == len(rows) - 1 for rows in places])


def cross_validated(variant: Variant, train: Answers) -> list[Array]:
    predicted: dict[int, Array] = {}
    for fold in range(FOLDS):
        seen = [f for i, f in enumerate(train.found) if i % FOLDS != fold]
        unseen = range(fold, len(train.found), FOLDS)
        values = predict(variant, train.some(seen), train.some([train.found[i] for i in unseen]))
        predicted |= dict(zip(unseen, values, strict=True))
    return [predicted[i] for i in range(len(train.found))]


def curve_of(probabilities: Sequence[Array], answers: Answers) -> tuple[CurvePoint, ...]:
    judge = sentence_judge(answers.tokenizer)
    return stop_curve(probabilities, lambda i, k: judge(answers.found[i], k))


def row(
    variant: Variant, train: Answers, heldout: Answers, max_early: int | None
) -> tuple[str, int]:
    """One line of the table, and the answers cut early; all but the threshold is measured on the held-out answers.

    `max_early` is that of the variant the others are compared with: the last column is at equal cost.
    """
    chosen = choose_threshold(curve_of(cross_validated(variant, train), train), FitOptions())
    probabilities = predict(variant, train, heldout)
    curve = curve_of(probabilities, heldout)
    point = next(p for p in curve if p.threshold == chosen.threshold)
    auc = roc_auc_score(ends(probabilities), np.concatenate(probabilities))
    shares = []
    for count in (point.exact, point.early, point.missed, point.inside):
        found = interval(count, point.num_answers)
        shares.append(f"{found.share:.1%} ({found.low:.1%} to {found.high:.1%})")
    allowed = [p for p in curve if p.early <= (point.early if max_early is None else max_early)]
    best = max(allowed, key=lambda p: p.exact)
    at_equal_cost = (
        f"{best.exact / best.num_answers:.1%}, missed {best.missed / best.num_answers:.1%}"
    )
    line = f"| {variant.name} | {auc:.4f} | {chosen.threshold:.2f} | {' | '.join(shares)} | {at_equal_cost} |"
    return line, point.early


def table(train: Answers, heldout: Answers, report: Callable[[str], None] = print) -> None:
    report(
        f"| features | AUC | threshold | exact | early | missed | inside a sentence | exact with no more early than {COMPARED.name} |"
    )
    report("|---|---|---|---|---|---|---|---|")
    _, max_early = row(COMPARED, train, heldout, None)
    for variant in VARIANTS:
        report(row(variant, train, heldout, max_early)[0])


def read_answers(
    args: argparse.Namespace, base: Path, tokenizer: TokenizerFiles, file: Path, limit: int
) -> Answers:
    template = find_template(*args.template.split(":"))
    if template is None:
        raise SystemExit(f"no template {args.template}")
    data = read_conversations(file, max_answers=limit)
    tokenized = tokenize_answers(data.conversations, template.source, tokenizer, max_tokens=2048)
    found = answer_logprobs(base, args.adapter, tokenized.answers, ModelOptions())
    return Answers(
        sorted(found, key=lambda f: f.answer.line), tokenizer, line_breaks(tokenizer.tokenizer)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--adapter", required=True, type=Path)
    parser.add_argument("--template", required=True, help="trainer:name of the template table")
    parser.add_argument("--train", required=True, type=Path)
    parser.add_argument("--heldout", required=True, type=Path)
    parser.add_argument("--answers", type=int, default=200, help="answers to fit on")
    parser.add_argument("--heldout-answers", type=int, default=800)
    args = parser.parse_args()
    base = demo_base_model(default_cache_dir())
    tokenizer = read_tokenizer(base, ModelFilesError, follow_links=True)
    if tokenizer is None:
        raise SystemExit("the demo's base has no tokenizer")
    train = read_answers(args, base, tokenizer, args.train, args.answers)
    heldout = read_answers(args, base, tokenizer, args.heldout, args.heldout_answers)
    print(f"{len(train.found)} answers to fit on, {len(heldout.found)} held out\n", flush=True)
    table(train, heldout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
