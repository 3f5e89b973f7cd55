"""What is missing from an answer that was given out in pieces."""

import pytest

from server.parsing.answer_parts import AnswerParts
from server.parsing.port import ParsedDelta, ToolCallDelta


def call(index: int = 0, arguments: str = "{}", name: str | None = "f") -> ToolCallDelta:
    return ToolCallDelta(index=index, id=f"id{index}", name=name, arguments=arguments)


def given(*deltas: ParsedDelta) -> AnswerParts:
    parts = AnswerParts()
    for delta in deltas:
        parts.add(delta)
    return parts


def test_deltas_add_up() -> None:
    parts = given(
        ParsedDelta(content="a", reasoning="x"),
        ParsedDelta(content="b", tool_calls=(call(arguments='{"a'),)),
        ParsedDelta(tool_calls=(ToolCallDelta(index=0, arguments='": 1}'), call(1))),
    )
    assert (parts.content, parts.reasoning) == ("ab", "x")
    assert [(c.id, c.name, c.arguments) for c in parts.calls.values()] == [
        ("id0", "f", '{"a": 1}'),
        ("id1", "f", "{}"),
    ]


@pytest.mark.parametrize(
    ("so_far", "whole", "missing"),
    [
        (
            ParsedDelta(content="a"),
            ParsedDelta(content="ab", reasoning="r"),
            ParsedDelta(content="b", reasoning="r"),
        ),
        # Something else was given out: it cannot be taken back.
        (ParsedDelta(content="x"), ParsedDelta(content="ab", reasoning="r"), ParsedDelta()),
        (ParsedDelta(content="x"), ParsedDelta(reasoning="x"), ParsedDelta()),
        (ParsedDelta(), ParsedDelta(tool_calls=(call(),)), ParsedDelta(tool_calls=(call(),))),
        (
            ParsedDelta(tool_calls=(call(arguments='{"a"'),)),
            ParsedDelta(tool_calls=(call(arguments='{"a": 1}'),)),
            ParsedDelta(tool_calls=(ToolCallDelta(index=0, arguments=": 1}"),)),
        ),
        # The same JSON, spelled differently.
        (
            ParsedDelta(tool_calls=(call(arguments='{"a":1}'),)),
            ParsedDelta(tool_calls=(call(arguments='{"a": 1}'),)),
            ParsedDelta(),
        ),
        (
            ParsedDelta(tool_calls=(call(arguments="{"),)),
            ParsedDelta(tool_calls=(call(arguments="{}", name="g"),)),
            ParsedDelta(),
        ),
        # A call that was cut off: the whole answer has its markup as content.
        (
            ParsedDelta(tool_calls=(call(arguments="{"),)),
            ParsedDelta(content="<tool_call>{"),
            ParsedDelta(),
        ),
    ],
    ids=range(8),
)
def test_missing_parts(so_far: ParsedDelta, whole: ParsedDelta, missing: ParsedDelta) -> None:
    assert given(so_far).missing_from(whole) == missing


def test_a_delta_without_anything_is_false() -> None:
    assert not ParsedDelta()
    assert ParsedDelta(reasoning="r")
