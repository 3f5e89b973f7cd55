import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from adapters.errors import ProfileError
from adapters.stop_curve import CurvePoint, interval, stop_curve
from adapters.stop_features import FLOOR, line_break_feature, line_breaks, stop_features
from adapters.stop_head import StopHead, read_stop_head
from tests.fakes import byte_tokenizer

RAW = {"token_ids": [5, 7, 9], "weights": [0.5, -0.25, 1.0], "bias": 12.0, "threshold": 0.5}
HEAD = StopHead(token_ids=(5, 7, 9), weights=(0.5, -0.25, 1.0), bias=12.0, threshold=0.5)
PROFILE = Path("adapter/endturn.json")
TOKENIZER = byte_tokenizer()
NEWLINE = ord("\n")


def test_a_token_outside_the_list_counts_as_the_floor() -> None:
    assert stop_features({5: -1.5, 8: -0.1}, (5, 7)) == [-1.5, FLOOR]


@pytest.mark.parametrize("logprob", [-25.0, -math.inf, math.nan])
def test_a_log_probability_below_the_floor_counts_as_the_floor(logprob: float) -> None:
    assert stop_features({5: logprob}, (5,)) == [FLOOR]


@given(st.dictionaries(st.sampled_from([5, 7, 9, 11]), st.floats(-30, 0)))
def test_the_probability_is_the_logistic_of_the_weighted_features(listed: dict[int, float]) -> None:
    score = sum(
        w * max(listed.get(i, FLOOR), FLOOR) for i, w in zip((5, 7, 9), HEAD.weights, strict=True)
    )
    assert HEAD.probability(listed) == pytest.approx(1 / (1 + math.exp(-(score + HEAD.bias))))


@pytest.mark.parametrize(("bias", "expected"), [(1e6, 1.0), (-1e6, 0.0)])
def test_the_largest_scores_do_not_overflow(bias: float, expected: float) -> None:
    head = read_stop_head({**RAW, "bias": bias}, PROFILE, vocab_size=10).head(TOKENIZER)
    assert head.probability({}) == expected


@given(st.text(alphabet="a\u00e4\u6f22\r\n "))
def test_the_line_breaks_of_the_tokens_are_those_of_the_text(text: str) -> None:
    """Characters of several bytes are split among tokens here; a line break never is."""
    of_token = line_breaks(TOKENIZER)
    assert of_token == {NEWLINE: 1}
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    assert sum(of_token.get(token_id, 0) for token_id in ids) == text.count("\n")


def test_a_token_may_have_several_line_breaks_or_be_a_byte_of_its_own() -> None:
    """Ids with gaps, a token of two line breaks, one within a word, and a byte as SentencePiece's fallback spells it."""
    vocabulary = {"a": 0, "\n\n": 3, ".\n": 4, "<0x0A>": 7, "<0x41>": 8}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    assert line_breaks(tokenizer) == {3: 2, 4: 1, 7: 1}


def test_line_breaks_so_far_are_weighted_beside_the_log_probabilities() -> None:
    raw = {**RAW, "features": {"line_breaks": -2.0}}
    head = read_stop_head(raw, PROFILE, vocab_size=10).head(TOKENIZER)
    assert (head.line_break_weight, head.line_breaks) == (-2.0, {NEWLINE: 1})
    assert head.probability({5: -1.0}) == HEAD.probability({5: -1.0})
    score = 12.0 - 0.5 - 20 * (1.0 - 0.25) - 2.0 * math.log(1 + 3)
    assert head.probability({5: -1.0}, 3) == pytest.approx(1 / (1 + math.exp(-score)))
    assert line_break_feature(0) == 0.0


def test_a_head_is_read_as_it_was_written() -> None:
    record = read_stop_head(RAW, PROFILE, vocab_size=10)
    assert record.head(TOKENIZER) == HEAD, "a file of before there were features"
    assert "features" not in record.model_dump(mode="json")
    again = read_stop_head(json.loads(record.model_dump_json()), PROFILE, vocab_size=10)
    assert again == record
    more = read_stop_head(
        {**RAW, "features": {"line_breaks": 0.5}}, PROFILE, vocab_size=10
    ).model_dump(mode="json")
    assert more["features"] == {"line_breaks": 0.5}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"token_ids": [5, 7, 10]},
            "stop_head.token_ids: 10 is not in the served vocabulary of 10",
        ),
        ({"token_ids": [5, 7, -1]}, "stop_head.token_ids: -1 is not in the served vocabulary"),
        ({"token_ids": [5, 7]}, "2 token_ids and 3 weights"),
        ({"token_ids": [5, 7, 7]}, "stands twice"),
        ({"token_ids": []}, "stop_head.token_ids"),
        ({"weights": [0.5, math.nan, 1.0]}, "stop_head.weights.1: .*finite"),
        ({"weights": [0.5, math.inf, 1.0]}, "stop_head.weights.1: .*finite"),
        ({"weights": [0.5, "1", 1.0]}, "stop_head.weights.1"),
        ({"weights": [0.5, 1e9, 1.0]}, "none may be over"),
        ({"features": {"entropy": 1.0}}, "stop_head.features: .*'entropy' is not known here"),
        ({"features": {"line_breaks": math.nan}}, "stop_head.features.line_breaks: .*finite"),
        ({"features": {"line_breaks": -math.inf}}, "stop_head.features.line_breaks: .*finite"),
        ({"features": {"line_breaks": "1"}}, "stop_head.features.line_breaks"),
        ({"features": {"line_breaks": None}}, "stop_head.features.line_breaks"),
        ({"features": {"line_breaks": -1e9}}, "line_breaks: no weight may be over"),
        ({"features": ["line_breaks"]}, "stop_head.features"),
        ({"bias": math.nan}, "stop_head.bias"),
        ({"bias": None}, "stop_head.bias"),
        ({"threshold": 0.0}, "stop_head.threshold"),
        ({"threshold": 1.0}, "stop_head.threshold"),
        ({"threshold": -0.1}, "stop_head.threshold"),
        ({"threshold": math.nan}, "stop_head.threshold"),
        ({"threshold": "0.5"}, "stop_head.threshold"),
        ({"token_ids": [5, 7, 2**40]}, "is not in the served vocabulary of 10"),
        ({"token_ids": [5, 7, True]}, "stop_head.token_ids"),
        ({"token_ids": [5, 7, 8.5]}, "stop_head.token_ids"),
        ({"temperature": 1.0}, "stop_head.temperature"),
        ({"fit": {"answers": 1}}, "stop_head.fit"),
    ],
)
def test_a_head_that_cannot_be_right_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        read_stop_head({**RAW, **changed}, PROFILE, vocab_size=10)


def test_serving_a_head_loads_neither_torch_nor_scikit_learn() -> None:
    script = "import adapters.stop_head, sys; sys.exit(bool({'torch', 'sklearn', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_curve_counts_exact_early_missed_and_inside() -> None:
    answers = [[0.1, 0.2, 0.9], [0.1, 0.6, 0.9], [0.7, 0.1, 0.9], [0.1, 0.2, 0.3]]
    asked: list[tuple[int, int]] = []

    def may_end(answer: int, place: int) -> bool:
        asked.append((answer, place))
        return place == 1

    curve = stop_curve([np.array(a) for a in answers], may_end, [0.25, 0.5, 0.95])
    assert curve == (
        CurvePoint(threshold=0.25, exact=2, early=2, missed=0, inside=1),
        CurvePoint(threshold=0.5, exact=1, early=2, missed=1, inside=1),
        CurvePoint(threshold=0.95, exact=0, early=0, missed=4, inside=0),
    )
    assert sorted(asked) == [(1, 1), (2, 0)]


def test_a_probability_at_the_threshold_does_not_end_the_answer() -> None:
    (point,) = stop_curve([np.array([0.1, 0.5])], lambda i, k: True, [0.5])
    assert point.missed == 1


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 300, 0.0, 0.0126),
        (3, 300, 0.0034, 0.0290),
        (150, 300, 0.4437, 0.5563),
        (5, 5, 0.5655, 1.0),
    ],
)
def test_the_interval_is_wilsons(count: int, total: int, low: float, high: float) -> None:
    found = interval(count, total)
    assert found.share == count / total
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


@pytest.mark.parametrize(("count", "total"), [(1, 0), (2, 1), (-1, 3)])
def test_no_share_has_no_interval(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        interval(count, total)
