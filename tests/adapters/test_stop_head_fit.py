import re
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel

from adapters.answer_logprobs import AnswerLogprobs
from adapters.answer_tokens import TokenizedAnswer
from adapters.stop_curve import CurvePoint
from adapters.stop_features import NUM_LISTED, line_breaks
from adapters.stop_head_fit import (
    FitOptions,
    choose_threshold,
    fit_stop_head,
    is_clearly_better,
    sentence_judge,
)
from adapters.stop_regression import Recipe, fit, places
from adapters.tokenizer_files import TokenizerFiles
from server.engine import StepLogprobs
from server.stopping import HeadWatch
from tests.fakes import byte_tokenizer

END, GOES_ON, EITHER = 3, 4, 5
VOCABULARY = 200
NEWLINE, WORD = ord("\n"), ord("w")


def answer(line: int, num_tokens: int, rng: np.random.Generator, blur: float) -> AnswerLogprobs:
    """An answer after which END is likely and inside of which GOES_ON is; `blur` mixes the two."""
    return made(line, tuple(range(11, 11 + num_tokens)), {num_tokens}, rng, blur)


def list_answer(line: int, num_items: int, rng: np.random.Generator) -> AnswerLogprobs:
    """A list of items of two words: after each of them END is as likely as after the last."""
    token_ids = (WORD, WORD, NEWLINE) * (num_items - 1) + (WORD, WORD)
    return made(line, token_ids, set(range(2, 3 * num_items, 3)), rng, 0.3)


def made(
    line: int,
    token_ids: tuple[int, ...],
    looks_like_ends: set[int],
    rng: np.random.Generator,
    blur: float,
) -> AnswerLogprobs:
    ids, logprobs = [], []
    for place in range(len(token_ids) + 1):
        ends = place in looks_like_ends
        at_end, inside = (-0.2, -4.0) if ends else (-4.0, -0.2)
        listed = {
            END: at_end + rng.normal() * blur,
            GOES_ON: inside + rng.normal() * blur,
            EITHER: -3.0 + rng.normal(),
        }
        others = rng.choice(np.arange(10, VOCABULARY), NUM_LISTED - 3, replace=False)
        listed |= {int(i): -8.0 + rng.normal() for i in others}
        best = sorted(listed.items(), key=lambda item: -item[1])
        ids.append([i for i, _ in best])
        logprobs.append([min(p, -0.01) for _, p in best])
    return AnswerLogprobs(
        answer=TokenizedAnswer(line=line, prompt_ids=(1, 2), token_ids=token_ids),
        ids=np.array(ids, dtype=np.int32),
        logprobs=np.array(logprobs, dtype=np.float32),
    )


def answers(number: int, *, blur: float, seed: int = 0) -> list[AnswerLogprobs]:
    rng = np.random.default_rng(seed)
    return [answer(line, int(rng.integers(4, 15)), rng, blur) for line in range(1, number + 1)]


def test_clear_ends_are_found_on_conversations_not_fitted_on() -> None:
    outcome = fit_stop_head(answers(100, blur=0.3), lambda found, k: True, data="abc")
    fit = outcome.record.fit
    assert outcome.refusal is None
    assert fit is not None
    assert (fit.answers, fit.conversations, fit.data) == (100, 100, "abc")
    assert fit.auc > 0.999
    assert fit.exact.share > 0.97
    assert fit.auc_low <= fit.auc <= fit.auc_high
    head = outcome.record.head(byte_tokenizer())
    unseen = answers(20, blur=0.3, seed=1)
    for found in unseen:
        places = [head.probability(found.listed(k)) > head.threshold for k in range(len(found.ids))]
        assert places.index(True) == len(places) - 1


def test_the_tokens_most_likely_at_ends_are_chosen() -> None:
    outcome = fit_stop_head(answers(60, blur=0.3), lambda found, k: True, FitOptions(num_tokens=3))
    assert set(outcome.record.token_ids) == {END, GOES_ON, EITHER}
    assert outcome.record.token_ids[0] == END


def test_the_weights_are_folded_to_raw_log_probabilities() -> None:
    """The head as served gives the probabilities that the fit's own scaled features give."""
    found = answers(60, blur=0.5)
    head = fit_stop_head(found, lambda a, k: True).record.head(byte_tokenizer())
    ends = [head.probability(a.listed(len(a.ids) - 1)) for a in found]
    inside = [head.probability(a.listed(k)) for a in found for k in range(len(a.ids) - 1)]
    # Logistic regression with an intercept is calibrated in the large: probabilities sum to the number of ends.
    assert sum(ends) + sum(inside) == pytest.approx(len(found), rel=0.01)


def list_answers(number: int, seed: int = 0) -> list[AnswerLogprobs]:
    rng = np.random.default_rng(seed)
    return [list_answer(line, int(rng.integers(5, 7)), rng) for line in range(1, number + 1)]


def test_line_breaks_are_read_where_they_tell_an_end_from_an_item() -> None:
    found = list_answers(80)
    plain = fit_stop_head(found, lambda a, k: True).record
    more = fit_stop_head(found, lambda a, k: True, line_breaks={NEWLINE: 1}).record
    assert plain.features == {}
    assert set(more.features) == {"line_breaks"}
    assert plain.fit is not None
    assert more.fit is not None
    assert plain.fit.exact.share < 0.1
    assert more.fit.exact.share > 0.4, "half have five items: what tells five from six is not there"
    assert more.fit.auc > plain.fit.auc


@pytest.mark.parametrize("line_breaks", [{}, {WORD: 1}, {11: 1, 14: 2}])
def test_line_breaks_that_do_not_help_are_not_read(line_breaks: dict[int, int]) -> None:
    """None in the answers, or such as say nothing that the log-probabilities do not say."""
    found = answers(80, blur=0.6)
    may_end = lambda a, k: True  # noqa: E731
    more = fit_stop_head(found, may_end, line_breaks=line_breaks)
    assert more == fit_stop_head(found, may_end)


def test_serving_says_of_every_place_what_fitting_said() -> None:
    """One implementation: the head as served, fed token by token, against the regression's own probabilities."""
    found = list_answers(60)
    of_token = line_breaks(byte_tokenizer())
    record = fit_stop_head(found, lambda a, k: True, line_breaks=of_token).record
    assert record.features
    fitted = fit(
        [places(a, of_token) for a in found],
        Recipe(num_tokens=16, strength=1.0, line_breaks=True),
    )
    head = record.head(byte_tokenizer())
    for each in list_answers(10, seed=1):
        watch = HeadWatch(head)
        served = [
            watch.feed(token_id, StepLogprobs(each.listed(k), 0.0))
            for k, token_id in enumerate((*each.answer.token_ids, WORD))
        ]
        np.testing.assert_allclose(served, fitted.probabilities(places(each, of_token)), atol=1e-9)


def test_the_same_answers_and_seed_give_the_same_head_in_any_order() -> None:
    found = answers(60, blur=1.0)
    assert fit_stop_head(found, lambda a, k: True) == fit_stop_head(found[::-1], lambda a, k: True)


def test_a_conversation_is_never_on_both_sides_of_a_split() -> None:
    """Copies of one answer in one conversation must not help: the seen ones would give the others away."""
    rng = np.random.default_rng(0)
    apart = [answer(line, 6, rng, 0.0) for line in range(1, 61)]
    together = fit_stop_head(
        [answer(line % 5, 6, rng, 0.0) for line in range(60)], lambda a, k: True
    )
    assert together.record.fit is not None
    assert together.record.fit.conversations == 5
    with pytest.raises(ValueError, match="4 conversations are too few for 5 folds"):
        fit_stop_head([a for a in apart if a.answer.line < 5], lambda a, k: True)


@pytest.mark.parametrize(
    ("number", "blur", "reason"),
    [(40, 0.3, "40 answers are too few"), (60, 6.0, "AUC of 0.* under 0.95")],
)
def test_a_head_below_the_stated_quality_is_refused(number: int, blur: float, reason: str) -> None:
    outcome = fit_stop_head(answers(number, blur=blur), lambda found, k: True)
    assert outcome.refusal is not None
    assert re.search(reason, outcome.refusal)


def point(threshold: float, exact: int, early: int, inside: int) -> CurvePoint:
    return CurvePoint(
        threshold=threshold, exact=exact, early=early, missed=100 - exact - early, inside=inside
    )


@pytest.mark.parametrize(
    ("curve", "chosen"),
    [
        # Cuts inside a sentence come first, whatever they would gain.
        ([point(0.1, 95, 5, 4), point(0.5, 80, 5, 1)], 0.5),
        # Then early cuts.
        ([point(0.1, 75, 25, 0), point(0.5, 70, 20, 0)], 0.5),
        # Of equals the highest threshold, which cuts least.
        ([point(0.1, 80, 10, 0), point(0.4, 80, 10, 0), point(0.6, 79, 9, 0)], 0.4),
        # Where no threshold keeps to the bound, the one that cuts least inside and still ends something.
        ([point(0.1, 90, 10, 9), point(0.5, 60, 10, 5), point(0.9, 0, 0, 0)], 0.5),
        ([point(0.1, 50, 50, 1), point(0.5, 40, 45, 1)], 0.1),
    ],
)
def test_the_threshold_bounds_cuts_inside_a_sentence_then_early_ones(
    curve: list[CurvePoint], chosen: float
) -> None:
    options = FitOptions(max_inside=0.01, max_early=0.2)
    assert choose_threshold(curve, options).threshold == chosen


@pytest.mark.parametrize(
    ("more", "plain", "is_better"),
    [
        (point(0.5, 72, 10, 0), point(0.4, 70, 10, 0), True),
        (point(0.5, 71, 0, 0), point(0.4, 70, 10, 0), False),
        (point(0.5, 60, 0, 0), point(0.4, 70, 10, 0), False),
        # Within the bound on cuts inside a sentence, or no more of them than without.
        (point(0.5, 90, 10, 1), point(0.4, 70, 10, 0), True),
        (point(0.5, 90, 10, 2), point(0.4, 70, 10, 0), False),
        (point(0.5, 90, 10, 5), point(0.4, 70, 10, 5), True),
        (point(0.5, 90, 10, 6), point(0.4, 70, 10, 5), False),
    ],
)
def test_more_features_must_clearly_end_more_answers_exactly(
    more: CurvePoint, plain: CurvePoint, is_better: bool
) -> None:
    assert is_clearly_better(more, plain, FitOptions(max_inside=0.01)) == is_better


def test_a_head_that_cuts_sentences_is_refused() -> None:
    """Every early cut counts as inside here, and the ends are blurred enough to have some."""
    outcome = fit_stop_head(answers(100, blur=1.9), lambda found, k: False)
    assert outcome.record.fit is not None
    assert outcome.record.fit.early == outcome.record.fit.inside


def word_tokenizer(*words: str) -> TokenizerFiles:
    """A tokenizer of whole words, whose ids are their places."""
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[0]))
    tokenizer.decoder = Fuse()
    return TokenizerFiles(
        path=Path("base"),
        tokenizer=tokenizer,
        ids=tokenizer.get_vocab(),
        special_ids=frozenset(),
        added_ids=frozenset(),
        eos_token=None,
        bos_token=None,
        pad_token=None,
        chat_template=None,
    )


def test_the_judge_reads_the_text_of_the_tokens_and_what_follows() -> None:
    judge = sentence_judge(word_tokenizer("Uses os.", "path. ", "Then", " ends."))
    found = AnswerLogprobs(
        answer=TokenizedAnswer(line=1, prompt_ids=(0,), token_ids=(0, 1, 2, 3)),
        ids=np.zeros((5, NUM_LISTED), dtype=np.int32),
        logprobs=np.zeros((5, NUM_LISTED), dtype=np.float32),
    )
    assert [judge(found, k) for k in range(5)] == [False, False, True, False, True]
