"""`guard.repetition` of endturn.json: typed, strict, and absent means the defaults."""

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.chat_profile import ChatProfile, Guard, Repetition

PROFILE: dict[str, Any] = {
    "format": 1,
    "created_by": "test",
    "base": {"name": "base"},
    "end_of_turn": [],
}


def test_nothing_said_means_the_defaults_and_is_written_as_it_was() -> None:
    for guard in ({}, {"repetition": None}):
        made = ChatProfile.model_validate({**PROFILE, "guard": guard})
        assert made.guard == Guard()
        assert made.model_dump()["guard"]["repetition"] is None
    assert Repetition().exact.enabled
    assert Repetition().near.enabled


def test_what_is_left_out_keeps_its_default() -> None:
    given = {"exact": {"min_count": 9}, "near": {"enabled": False}}
    made = Guard.model_validate({"repetition": given}).repetition
    assert made is not None
    assert made.exact.min_count == 9
    assert made.exact.max_pattern_size == Repetition().exact.max_pattern_size
    assert not made.near.enabled


@pytest.mark.parametrize(
    "repetition",
    [
        {"exact": {"min_count": 1}},
        {"exact": {"min_count": "9"}},
        {"exact": {"max_pattern_size": 257}},
        {"exact": {"max_pattern_size": 0, "min_pattern_size": 0}},
        {"exact": {"min_pattern_size": 9, "max_pattern_size": 8}},
        {"exact": {"patterns": 9}},
        {"exact": False},
        {"near": {"enabled": 1}},
        {"near": {"prose": 10}},
        {"near": {"min_ratio": 1}},
        {"near": {"prose_ratio": 1}},
        {"near": {"min_ratio": float("inf")}},
        {"far": {}},
        [],
    ],
)
def test_what_makes_no_sense_is_refused(repetition: Any) -> None:
    with pytest.raises(ValidationError):
        Guard.model_validate({"repetition": repetition})
