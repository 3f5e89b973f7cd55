"""Where a text begins to repeat itself: hand-made loops, and texts that only look like them."""

import pytest

from adapters.loop_onset import loop_onset

FIRST = "Return the canonical path of the given file name."
LIST = "\n".join(
    [
        "1. abspath: Return an absolute version of the path.",
        "2. basename: The final part of a path.",
        "3. exists: Whether the path refers to something that is there.",
        "4. getsize: The size of a file in bytes.",
    ]
)


def onset(text: str, *, is_cut: bool = True) -> str | None:
    """What stands before the onset."""
    at = loop_onset(text, is_cut=is_cut)
    return None if at is None else text[:at]


@pytest.mark.parametrize(
    ("answer", "surplus"),
    [
        pytest.param(f"{FIRST} ", f"{FIRST} " * 3, id="a sentence again and again"),
        pytest.param(f"{FIRST}\n\n", f"{FIRST}\n\n{FIRST}\n\nReturn the can", id="a paragraph"),
        pytest.param(f"Yes. {FIRST} It is fast. ", FIRST, id="one long sentence, once"),
        pytest.param("It is so. ", "It is so. " * 4, id="a short sentence"),
        pytest.param("very ", "very " * 20, id="a word without an end"),
        pytest.param("It gives a, b, and then ", "a, b, and then " * 5, id="no sentences at all"),
        pytest.param(
            "Step 1: open the file.\n",
            "".join(f"Step {i}: open the file.\n" for i in range(2, 7)) + "Step 7: op",
            id="a counter goes up",
        ),
        pytest.param(
            "Point 1 is about the data of the first file.\n",
            "".join(
                f"Point {i} is about the data of the {w} file.\n" for i, w in enumerate("abcd")
            ),
            id="nearly the same lines",
        ),
        pytest.param("返回路径。", "返回路径。" * 5, id="no spaces between words"),
    ],
)
def test_a_loop_begins_with_the_second_copy(answer: str, surplus: str) -> None:
    assert onset(answer + surplus) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        FIRST,
        LIST,
        "Yes. No. Yes. It depends on the system.",
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
        f"{FIRST} It follows links. {FIRST[:-6]} directory.",
        "```\nfor i in range(3): print(i, i, i)\nfor i in range(3): print(i, i, i)\n```\nDone.",
    ],
)
def test_what_is_no_loop_has_no_onset(text: str) -> None:
    assert onset(text) is None


def test_a_text_that_ended_by_itself_is_in_no_endless_loop() -> None:
    """Three alike items before an end are a list; before a cut they may be all that would ever come."""
    alike = "It is so. " * 5
    assert onset(alike, is_cut=False) is None
    assert onset(alike) == "It is so. "
    assert onset(f"{FIRST} {FIRST}", is_cut=False) == f"{FIRST} "


def test_the_earliest_of_several_repetitions_counts() -> None:
    text = f"{FIRST} It is fast. {FIRST} " + "It is fast. " * 6
    assert onset(text) == f"{FIRST} It is fast. "
