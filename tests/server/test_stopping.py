"""Text stops: earliest completion wins, nothing depends on how the text is cut."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.stopping import StopMatch, StopMatcher, StopText
from server.stopping.matcher import MARKS


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


A, B = (chr(mark) for mark in MARKS[:2])
MARKED = st.text(alphabet="ab\n" + A + B, max_size=30)
MARKED_STOPS = st.lists(
    st.builds(
        StopText,
        st.text(alphabet="ab\n" + A + B, min_size=1, max_size=4),
        st.just("stop_string"),
        at_start=st.just(False),
        is_shown=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


def watch(stops: list[StopText], deltas: list[str]) -> tuple[str, StopMatch | None]:
    # Marks are fed where a stop holds one.
    matcher, shown = StopMatcher((*stops, StopText(A + B + "never", "stop_string"))), ""
    for delta in deltas:
        shown += matcher.feed(delta)
        if matcher.match is not None:
            break
    return shown + matcher.flush(), matcher.match


def visible(text: str) -> str:
    return text.replace(A, "").replace(B, "")


@pytest.mark.parametrize(
    ("stop", "text", "shown", "start"),
    [
        ("x" + A, "ax" + A + "b", "a", 1),
        ("x" + A, "axb" + A, "axb", None),
        (A + "\n", "ab" + A + "\nc", "ab", 2),
        (A + "\n" + B, "ab" + A + "\n" + A + "\n" + B, "ab\n", 3),
        ("ab", "a" + A + "b", "", 0),  # what is shown never holds a stop
        (A, "a" + A, "a", 1),
    ],
)
def test_a_token_that_is_not_shown_takes_part_in_a_stop(
    stop: str, text: str, shown: str, start: int | None
) -> None:
    for deltas in ([text], list(text)):
        found, match = watch([StopText(stop, "stop_string")], deltas)
        assert found == shown
        assert (None if match is None else match.start) == start


@given(text=MARKED, stops=MARKED_STOPS, cuts=st.lists(st.integers(0, 30), max_size=8))
def test_any_split_gives_the_same_result_with_tokens_that_are_not_shown(
    text: str, stops: list[StopText], cuts: list[int]
) -> None:
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    deltas = [text[start:end] for start, end in pairwise(bounds)]
    whole = watch(stops, [text])
    assert watch(stops, deltas) == whole == watch(stops, list(text))
    shown, match = whole
    assert visible(text).startswith(shown)
    if match is None:
        assert shown == visible(text)
    else:
        assert match.shown_end == len(shown)
        assert match.stop.is_shown or match.start == len(shown)
        assert not match.stop.is_shown or shown.endswith(visible(match.stop.text))
    unmarked = [stop.text for stop in stops if stop.text == visible(stop.text)]
    if match is None or not match.stop.is_shown:
        assert not any(stop in shown for stop in unmarked)


def test_a_stop_may_stay_in_the_text() -> None:
    assert watch([StopText("END", "stop_string", is_shown=True)], ["the E", "ND."])[0] == "the END"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("### H: b", ""), ("### Hi", "### Hi"), ("a### H:", "a### H:"), ("##", "##"), ("", "")],
)
def test_a_marker_at_the_start_is_one_only_there(text: str, shown: str) -> None:
    for deltas in ([text], list(text)):
        assert watch([StopText("### H:", "role_marker", at_start=True)], deltas)[0] == shown


@pytest.mark.parametrize(
    ("stop", "text", "shown"),
    [
        ("e", "cafe\u0301s", "caf"),  # the cut is before the letter and its accent
        ("\u0301", "cafe\u0301", None),  # between them there is none
        ("\u0301x", "cafe\u0301xx\u0301x", None),
        ("\U0001f466", "\U0001f468\u200d\U0001f466 \U0001f466", "\U0001f468\u200d\U0001f466 "),
        ("\U0001f3fd", "\U0001f44d\U0001f3fd", None),
        ("\ufe0f", "\u2764\ufe0f", None),
        ("\u0e34", "\u0e01\u0e34", None),
        ("\u0301", "\u0301", ""),  # nothing is before it
    ],
)
def test_a_stop_never_begins_inside_a_character_as_readers_see_it(
    stop: str, text: str, shown: str | None
) -> None:
    for deltas in ([text], list(text)):
        assert watch([StopText(stop, "stop_string")], deltas)[0] == (
            text if shown is None else shown
        )


READERS = st.text(alphabet="ae\u0301\u200d\ufe0f\U0001f468\U0001f3fd", max_size=20)


@given(text=READERS, stops=st.lists(READERS.filter(bool), min_size=1, max_size=3))
def test_no_cut_is_inside_a_character_as_readers_see_it(text: str, stops: list[str]) -> None:
    matched = [StopText(stop, "stop_string") for stop in stops]
    shown, match = watch(matched, [text])
    assert (shown, match) == watch(matched, list(text))
    if match is not None and shown:
        after = text[len(shown)]
        assert shown[-1] != "\u200d"
        assert unicodedata.category(after) not in {"Mn", "Me", "Mc", "Sk", "Cf"}
