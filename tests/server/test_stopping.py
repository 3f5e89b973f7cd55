"""Text stops: earliest completion wins, nothing depends on how the text is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.stopping import StopMatcher, StopText


def run(stops: tuple[str, ...], deltas: list[str]) -> tuple[str, str | None, int | None]:
    matcher = StopMatcher(tuple(StopText(text, "stop_string") for text in stops))
    shown = ""
    for delta in deltas:
        shown += matcher.feed(delta)
        if matcher.match is not None:
            return shown, matcher.match.stop.text, matcher.match.start
    return shown + matcher.flush(), None, None


@pytest.mark.parametrize(
    ("stops", "deltas", "shown", "stop"),
    [
        (("STOP",), ["hello ST", "OP more"], "hello ", "STOP"),
        (("STOP",), ["hello ST", "AY"], "hello STAY", None),
        (("\n\n### Human:",), ["Yes.\n", "\n##", "# Human", ":"], "Yes.", "\n\n### Human:"),
        (("abcd", "bc"), ["xabcd"], "xa", "bc"),  # bc is complete before abcd
        (("bc", "abc"), ["xabc"], "x", "abc"),  # complete together: the longer
        (("aab",), ["aaab"], "a", "aab"),
        (("é",), ["caf", "é!"], "caf", "é"),
        (("a", "b"), [""], "", None),
    ],
)
def test_matches(stops: tuple[str, ...], deltas: list[str], shown: str, stop: str | None) -> None:
    text, found, start = run(stops, deltas)
    assert (text, found) == (shown, stop)
    assert start == (None if stop is None else len(shown))


def test_text_that_may_be_a_stop_is_held_back_and_flushed() -> None:
    matcher = StopMatcher((StopText("END", "stop_string"),))
    assert matcher.feed("the EN") == "the "
    assert matcher.num_returned == 4
    assert matcher.flush() == "EN"
    assert matcher.num_returned == 6


MARKER = StopText("\n# H:", "role_marker", outside_code=True)
PIECES = st.lists(st.sampled_from(["```", "```py", "\n", "\n# H:", "# H", "x", " "]), max_size=14)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n# H: b", "a"),
        ("```\n# H: b\n```\nend", None),
        ("```py\nx\n# H: b\n```\nend\n# H: c", "```py\nx\n# H: b\n```\nend"),
        ("in `a` and ``` b\n# H: c", "in `a` and ``` b"),
        ("```\nnever closed\n# H: b", None),
    ],
)
def test_marker_inside_a_code_block_is_text(text: str, shown: str | None) -> None:
    matcher = StopMatcher((MARKER,))
    assert matcher.feed(text) + (matcher.flush() if matcher.match is None else "") == (
        text if shown is None else shown
    )
    assert (matcher.match is None) == (shown is None)


@given(pieces=PIECES)
def test_code_blocks_are_seen_however_the_text_is_cut(pieces: list[str]) -> None:
    text = "".join(pieces)
    results = []
    for deltas in ([text], pieces, list(text)):
        matcher, shown = StopMatcher((MARKER,)), ""
        for delta in deltas:
            shown += matcher.feed(delta)
            if matcher.match is not None:
                break
        results.append((shown + matcher.flush(), matcher.match))
    assert results[0] == results[1] == results[2]


SHORT = st.text(alphabet="ab\n#", max_size=40)
STOPS = st.lists(st.text(alphabet="ab\n#", min_size=1, max_size=5), min_size=1, max_size=4)


@given(text=SHORT, stops=STOPS, cuts=st.lists(st.integers(0, 40), max_size=8))
def test_any_split_gives_the_same_result(text: str, stops: list[str], cuts: list[int]) -> None:
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    deltas = [text[start:end] for start, end in pairwise(bounds)]
    assert run(tuple(stops), deltas) == run(tuple(stops), [text]) == run(tuple(stops), list(text))


@given(text=SHORT, stops=STOPS)
def test_what_is_shown_is_a_prefix_without_any_stop(text: str, stops: list[str]) -> None:
    shown, found, _ = run(tuple(stops), list(text))
    assert text.startswith(shown)
    assert not any(stop in shown for stop in stops)
    assert (found is None) == (shown == text)
