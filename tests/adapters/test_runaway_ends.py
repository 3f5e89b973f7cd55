"""Where hand-made answers that ran on should have ended."""

import pytest

from adapters.runaway_ends import RunawayEnd, find_end

from .said import QUESTION, generation, pieces

MARKERS = ("\n\n### Human:", "\n### Human:")
ANSWER = "Join one or more path segments intelligently. The result has no dot at its end."


def found(
    *texts: str, markers_in_code: bool = False, markers: tuple[str, ...] = MARKERS, **fields: object
) -> tuple[str, str] | None:
    """The kind of the end, and the text before it."""
    made = generation(*texts, **fields)  # type: ignore[arg-type]  # a test's shorthand
    end = find_end(made, markers, markers_in_code=markers_in_code)
    return None if end is None else (end.kind, "".join(made.pieces[: end.step]))


@pytest.mark.parametrize(
    ("surplus", "kind"),
    [
        pytest.param("\n\n### Human:\nWhat is os?", "role_marker", id="marker"),
        pytest.param("\n\n\n\n### Human:", "role_marker", id="marker after more line breaks"),
        pytest.param("\n\nUser: And os.path.split?", "question", id="another template's marker"),
        pytest.param("\n\nWhat does os.path.split do?\nSplit a path.", "question", id="alike"),
        pytest.param(f"\n{QUESTION}", "question", id="the same question"),
        pytest.param(f" {ANSWER} {ANSWER}", "loop", id="exact loop"),
        pytest.param(
            "".join(f"\nNote {i}: it works on all systems." for i in range(1, 9)),
            None,
            id="near loop with a counter",
        ),
        pytest.param("", None, id="none"),
        pytest.param("\n\nIt was added in version 3.4, as was much else in this module", None),
    ],
)
def test_the_end_is_before_the_first_sign(surplus: str, kind: str | None) -> None:
    end = found(ANSWER, surplus)
    if kind is not None:
        assert end == (kind, ANSWER)
    elif "Note" in surplus:
        assert end == ("loop", f"{ANSWER}\nNote 1: it works on all systems.")
    else:
        assert end is None


def test_an_answer_that_ended_by_itself_ends_there() -> None:
    assert found(ANSWER, has_ended=True) == ("end_of_turn", ANSWER)
    assert found(ANSWER, "\n", has_ended=True) == ("end_of_turn", ANSWER)
    assert found(ANSWER, "\n\n### Human:\nWhy?", has_ended=True) == ("role_marker", ANSWER)


def test_the_earliest_sign_counts() -> None:
    loop_first = found(ANSWER, f" {ANSWER}", "\n\n### Human:")
    assert loop_first == ("loop", ANSWER)
    marker_first = found(ANSWER, "\n\n### Human:\nWhy?\n\n", ANSWER)
    assert marker_first == ("role_marker", ANSWER)


def test_the_turn_headers_of_the_prompt_open_another_turn() -> None:
    """Whatever the profile knows: the text before the question and the text after it."""
    assert found(ANSWER, "\n\n### Assistant:\nYes", markers=()) == ("question", ANSWER)
    prompt = f"Q: {QUESTION}\nA:"
    again = "\nQ: And os.sep?"
    assert found(ANSWER, again, prompt=prompt, markers=()) == ("question", ANSWER)
    bare = found(ANSWER, again, prompt="rendered otherwise", markers=())
    assert bare is None


def test_code_may_hold_what_would_open_a_turn() -> None:
    code = "```\n### Human:\nUser: me\n```"
    assert found(ANSWER, "\n", code) is None
    assert found(ANSWER, "\n", code, markers_in_code=True) == ("role_marker", f"{ANSWER}\n```")
    after = found(ANSWER, "\n", code, "\n\n### Human:")
    assert after == ("role_marker", f"{ANSWER}\n{code}")


@pytest.mark.parametrize("text", ["### Human:\nWhat is os?", "\n\n### Human:", ""])
def test_where_nothing_was_said_there_is_no_end(text: str) -> None:
    assert found(text) is None
    assert found(text, has_ended=True) is None


def test_an_answer_may_open_by_repeating_its_question() -> None:
    assert found(f"{QUESTION} {ANSWER}", "\n\n### Human:") == (
        "role_marker",
        f"{QUESTION} {ANSWER}",
    )


def test_short_and_very_long_questions_are_not_compared() -> None:
    assert found("Well.", "\n\nWhy is that?", question="Why so?") is None
    long = "Why " + "is that " * 50 + "?"
    assert found("Well.", "\n\nWhy is that so?", question=long, prompt="") is None


def test_the_step_is_that_of_the_first_token_of_the_surplus() -> None:
    made = generation(ANSWER, "\n\n### Human:", has_ended=False)
    end = find_end(made, MARKERS, markers_in_code=False)
    assert end == RunawayEnd("role_marker", len(pieces(ANSWER)))
    answer = made.answer(end.step)
    assert answer.answer.token_ids == made.token_ids[: end.step]
    assert answer.answer.line == made.line
    assert len(answer.ids) == end.step + 1
    assert answer.listed(end.step) == made.listed(end.step)


def test_half_characters_do_not_shift_the_step() -> None:
    """A token may complete no character: then its text comes with the token that does."""
    made = generation(ANSWER, "\n\n### Human:")
    split = type(made)(
        **{
            **{name: getattr(made, name) for name in made.__slots__},
            "pieces": ("", *made.pieces[:-1], made.pieces[-1]),
            "token_ids": (9, *made.token_ids),
        }
    )
    end = find_end(split, MARKERS, markers_in_code=False)
    assert end is not None
    assert "".join(split.pieces[: end.step]) == ANSWER
