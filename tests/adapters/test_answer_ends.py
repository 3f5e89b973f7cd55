import json
from pathlib import Path
from typing import Any

import pytest

from adapters.answer_ends import may_end

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "answer_ends.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
DEMO = Path(__file__).parents[1] / "demo"


def test_there_are_at_least_fifty_labelled_cases_of_both_kinds() -> None:
    labels = [case["may_end"] for case in CASES]
    assert len(labels) >= 50
    assert labels.count(True) >= 20
    assert labels.count(False) >= 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_the_judge_agrees_with_the_label(case: dict[str, Any]) -> None:
    """The judge must agree with every hand-labelled case: 100%, not a share of them."""
    assert may_end(case["text"], case.get("following")) is case["may_end"]


@pytest.mark.parametrize(("name", "least"), [("heldout", 0.99), ("second-heldout", 0.98)])
def test_the_ends_of_reference_answers_are_places_where_an_answer_may_end(
    name: str, least: float
) -> None:
    lines = (DEMO / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line)["messages"][1]["content"] for line in lines]
    assert sum(may_end(answer, "") for answer in answers) / len(answers) >= least


def test_trailing_white_space_changes_nothing() -> None:
    assert may_end("Return the sine of x. \n")
    assert not may_end("Return the sine of ", "x.")
