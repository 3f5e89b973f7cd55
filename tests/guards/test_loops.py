"""The loop guard: what must pass passes, what must be stopped is, and nothing depends on how the text is cut."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.stopping import LoopFound, LoopGuard, LoopSettings

from .cases import Case, blind_legitimate, blind_loops, legitimate, loops

SMALL = LoopSettings(
    stride=16, history=64, min_ratio=2, prose_ratio=1.5, exact=32, prose=48, other=90
)


def watch(pieces: Iterable[str], found_by: LoopSettings | None = None) -> LoopFound | None:
    guard = LoopGuard(found_by or LoopSettings())
    for piece in pieces:
        if (found := guard.feed(piece)) is not None:
            return found
    return None


def half(cases: list[Case], which: str) -> list[Case]:
    return [case for case in cases if case.half == which]


def table(title: str, cases: list[Case]) -> str:
    """How many of each half were stopped, and the names of the fewer."""
    lines = [title]
    for which in ("tune", "test"):
        part = half(cases, which)
        names: dict[bool, list[str]] = {True: [], False: []}
        for case in part:
            names[watch([case.text]) is not None].append(case.name)
        few = min(names.values(), key=len)
        lines.append(f"  {which}: {len(names[True])} of {len(part)} stopped; {', '.join(few)}")
    return "\n".join(lines)


def test_no_legitimate_text_is_stopped() -> None:
    cases = legitimate()
    print(table("legitimate", cases))  # noqa: T201
    assert len(cases) >= 60
    assert len(half(cases, "test")) >= 30
    assert [case.name for case in cases if watch(case.pieces)] == []


def test_nine_of_ten_loops_are_stopped() -> None:
    """Of those that had gone on for as long as the guard asks of prose when the generation was cut."""
    cases = loops()
    long = [case for case in cases if case.num_repeated >= LoopSettings().prose]
    print(table("loops", cases) + "\n" + table("long loops", long))  # noqa: T201
    assert len(long) >= 60
    part = half(long, "test")
    assert len(part) >= 30
    assert sum(watch(case.pieces) is not None for case in part) >= 0.9 * len(part)


def test_exact_cycles_that_the_model_made_are_loops() -> None:
    exact = [case for case in loops() if case.exact and case.num_repeated >= LoopSettings().prose]
    assert sum(watch(case.pieces) is not None for case in exact) >= 0.9 * len(exact)


NEAR_LOOPS = {
    "a list": "{i}. The ocean is a great place to live.\n",
    "steps": "Step {i}: Add the flour to the mixture and stir.\n\n",
    "a counter inside": "Then we counted the sheep, and there were {i} of them in the field.\n",
    "two counters": "In week {i} we walked {j} kilometres, and then it began to rain.\n",
    "zeros in front": "Lesson {i:03}: the teacher asks and the children answer.\n",
    "asked again": "Q: What is the capital of Italy?\nA: The capital of Italy is Rome.\n\n",
}


@pytest.mark.parametrize("line", NEAR_LOOPS.values(), ids=NEAR_LOOPS)
def test_the_same_sentence_with_a_counter_is_a_loop(line: str) -> None:
    start = "Here is what I think about it. "
    found = watch([start, *(line.format(i=i, j=3 * i) for i in range(1, 400))])
    assert found is not None
    assert found.num_chars <= 2 * LoopSettings().prose
    assert found.ratio >= LoopSettings().min_ratio


def test_other_scripts_take_longer() -> None:
    """Their characters are three bytes each, so that fewer of them fit into one reference of the compression."""
    found = watch(f"{i}. 海は生き物が暮らすのにとても良い場所です。\n" for i in range(1, 400))
    assert found is not None
    assert found.num_chars <= 2 * LoopSettings().other


SENTENCE = (
    "He said that the sea was calm and the boat was ready, so they all went down to the shore. "
)


@pytest.mark.parametrize(
    "cycle",
    [
        "the ",
        "ha! ",
        "no, no, never. ",
        SENTENCE,
        SENTENCE * 3 + "But nobody came. " * 2 + SENTENCE[:40],
    ],
)
def test_exact_cycles_are_loops(cycle: str) -> None:
    assert watch([cycle] * (4000 // len(cycle))) is not None


def test_markup_with_a_counter_is_a_loop_only_when_it_is_long() -> None:
    """Nothing but its length tells the years of a form from a list that goes on for ever."""
    options = [f'    <option value="{year}">{year}</option>\n' for year in range(2024, 1600, -1)]
    assert watch(options[:75]) is None
    found = watch(options)
    assert found is not None
    assert found.num_stale == LoopSettings().other


def test_the_evidence_says_where() -> None:
    settings = LoopSettings()
    found = watch([SENTENCE] * 100)
    assert found is not None
    assert found.num_chars % settings.stride == 0
    assert found.num_stale == settings.exact


def test_numbers_that_do_not_count_are_new() -> None:
    """Long runs of digits, and more columns than are remembered, are text like any other."""
    values = [pow(3, i, 10**15 + 37) for i in range(2000)]
    assert watch(f"The value is {value} now.\n" for value in values) is None
    assert watch(f"{'abcdefgh'[i % 8]}{i * i % 977}{'xyz'[i % 3]}" for i in values) is None


def test_lengths_are_at_least_a_stride_and_rounded_up() -> None:
    with pytest.raises(ValueError, match="prose is 100"):
        LoopSettings(prose=100)
    with pytest.raises(ValueError, match="stride is 0"):
        LoopSettings(stride=0)
    found = watch([SENTENCE] * 100, LoopSettings(exact=1000))
    assert found is not None
    assert found.num_stale == 1024


WORDS = st.lists(
    st.sampled_from(["1", "22 ", "the sea ", "\n", "x", "éa", "3.5", "日本", "<p>"]), max_size=80
)


@settings(max_examples=60)
@given(words=WORDS, times=st.integers(1, 8), cuts=st.lists(st.integers(0, 900), max_size=12))
def test_any_split_gives_the_same_result(words: list[str], times: int, cuts: list[int]) -> None:
    text = "".join(words) * times
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    assert watch(pieces, SMALL) == watch([text], SMALL) == watch(list(text), SMALL)


@pytest.mark.parametrize("size", [1, 3, 255, 256, 257, 5000])
def test_real_texts_give_the_same_result_in_pieces_of_any_size(size: int) -> None:
    for case in [*legitimate()[::40], *loops()[::20]]:
        pieces = [case.text[i : i + size] for i in range(0, len(case.text), size)]
        assert watch(pieces) == watch([case.text])


def test_the_pieces_of_a_case_are_its_text() -> None:
    assert all("".join(case.pieces) == case.text for case in [*legitimate(), *loops()])


def test_what_others_wrote_without_knowing_the_guard_passes() -> None:
    cases = blind_legitimate()
    assert len(cases) >= 80
    assert [case.name for case in cases if watch(case.pieces)] == []


def test_a_loop_is_never_found_before_it_began() -> None:
    """By the place from which on, for its reader, a text brings nothing new."""
    for case in blind_loops():
        if (found := watch([case.text])) is not None:
            assert found.num_chars > len(case.text) - case.num_repeated
