"""The parts of an answer come one after the other, whole, however they were found."""

from collections import defaultdict
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from server.parsing.answer_parts import AnswerParts
from server.parsing.port import ParsedDelta, ToolCallDelta
from server.wire.answer_sequence import AnswerSequence, Piece, whole_delta

TEXT = st.text("ab", max_size=3)
CALL = st.builds(
    lambda index, arguments: ToolCallDelta(
        index=index, id=f"id{index}", name=f"name{index}", arguments=arguments
    ),
    st.integers(0, 2),
    TEXT,
)
DELTA = st.builds(
    lambda content, reasoning, calls: ParsedDelta(
        content=content, reasoning=reasoning, tool_calls=tuple(calls)
    ),
    TEXT,
    TEXT,
    st.lists(CALL, max_size=2),
)


def texts(pieces: list[Piece]) -> dict[tuple[str, int | None], str]:
    found: dict[tuple[str, int | None], str] = defaultdict(str)
    for piece in pieces:
        found[piece.part] += piece.text
    return dict(found)


@given(st.lists(DELTA, max_size=8))
def test_calls_never_come_back_and_nothing_is_lost(deltas: list[ParsedDelta]) -> None:
    sequence, parts = AnswerSequence(), AnswerParts()
    pieces = []
    for delta in deltas:
        parts.add(delta)
        pieces += list(sequence.feed(delta))
    pieces += list(sequence.flush())
    runs = [part for part, _ in groupby(piece.part for piece in pieces)]
    calls = [part for part in runs if part[0] == "call"]
    assert len(calls) == len(set(calls))
    written = texts(pieces)
    assert written.get(("content", None), "") == parts.content
    assert written.get(("reasoning", None), "") == parts.reasoning
    assert {part[1]: text for part, text in written.items() if part[0] == "call"} == {
        index: call.arguments for index, call in parts.calls.items()
    }


def test_text_before_the_first_call_is_never_held() -> None:
    sequence = AnswerSequence()
    for delta in (ParsedDelta(content="a"), ParsedDelta(reasoning="b"), ParsedDelta(content="c")):
        assert [piece.text for piece in sequence.feed(delta)]
    assert list(sequence.flush()) == []


def test_held_call_keeps_what_came_first_of_id_and_name() -> None:
    sequence = AnswerSequence()
    first = ToolCallDelta(index=0, id="a", name="x")
    late = ToolCallDelta(index=1, id="b", name="y")
    assert len(list(sequence.feed(ParsedDelta(tool_calls=(first, late))))) == 1
    more = ToolCallDelta(index=1, arguments="{}")
    assert list(sequence.feed(ParsedDelta(tool_calls=(more,)))) == []
    [held] = sequence.flush()
    assert (held.call_id, held.name, held.text) == ("b", "y", "{}")


def test_whole_answer_is_read_as_one_that_came_at_once() -> None:
    parts = AnswerParts()
    parts.add(ParsedDelta(content="a", reasoning="b", tool_calls=(ToolCallDelta(index=0, id="c"),)))
    assert whole_delta(parts) == ParsedDelta(
        content="a", reasoning="b", tool_calls=(ToolCallDelta(index=0, id="c", name=""),)
    )
