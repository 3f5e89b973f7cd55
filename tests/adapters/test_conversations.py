import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapters.conversations import Message, read_conversations
from adapters.data_lines import MAX_LINE_BYTES, MAX_NAMED_LINES, BadLine
from adapters.errors import DataError

ASKED = [Message("user", "Hi"), Message("assistant", "Hello.")]


def write(path: Path, *rows: Any) -> Path:
    """A JSONL file; rows that are bytes are written as they are."""
    file = path / "data.jsonl"
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def openai(*turns: str) -> dict[str, Any]:
    roles = ["user", "assistant"] * len(turns)
    return {
        "messages": [{"role": r, "content": t} for r, t in zip(roles, turns, strict=False)],
    }


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        (openai("Hi", "Hello."), ASKED),
        (
            {
                "messages": [
                    {"role": "developer", "content": "Be kind."},
                    *openai("Hi", "Hello.")["messages"],
                ]
            },
            [Message("system", "Be kind."), *ASKED],
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                    {"role": "assistant", "content": "Hello."},
                ]
            },
            ASKED,
        ),
        (
            {
                "conversations": [
                    {"from": "human", "value": "Hi"},
                    {"from": "gpt", "value": "Hello."},
                ]
            },
            ASKED,
        ),
        (
            {
                "system": "Be kind.",
                "conversations": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "Hello."},
                ],
            },
            [Message("system", "Be kind."), *ASKED],
        ),
        ({"instruction": "Hi", "input": "", "output": "Hello."}, ASKED),
        (
            {
                "instruction": "Add",
                "input": "1 2",
                "output": "3",
                "system": "Count.",
                "history": [["Hi", "Hello."]],
            },
            [
                Message("system", "Count."),
                *ASKED,
                Message("user", "Add\n1 2"),
                Message("assistant", "3"),
            ],
        ),
        ({"query": "Hi", "response": "Hello."}, ASKED),
    ],
)
def test_each_form_gives_its_messages(tmp_path: Path, row: Any, messages: list[Message]) -> None:
    data = read_conversations(write(tmp_path, row))
    assert list(data.conversations[0].messages) == messages
    assert data.num_bad == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"{", "is not JSON"),
        (b'{"messages": "\xff"}', "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
        ([openai("Hi", "Hello.")], "holds list, not an object"),
        ({"text": "Hi"}, "has none of messages, conversations, instruction"),
        ({"messages": "Hi"}, "messages is no list"),
        ({"messages": ["Hi"]}, r"messages\[0\] is no object"),
        ({"messages": [{"role": "tool", "content": "3"}]}, "'tool' is no role that is read"),
        ({"messages": [{"role": ["user"], "content": "3"}]}, "is no role that is read"),
        ({"messages": [{"role": "user", "content": None}]}, r"messages\[0\].content is no text"),
        (openai("Hi"), "has no answer"),
        (openai("Hi", "  "), "has no answer"),
        ({"messages": [{"role": "assistant", "content": "Hello."}]}, "has no answer"),
        (b'{"instruction": "Hi", "output": "\\ud800"}', "half a character"),
        ({"instruction": "Hi"}, "output is no text, it is NoneType"),
        ({"instruction": "Hi", "output": "Hello.", "history": ["Hi"]}, r"history\[0\] is no pair"),
        ({"instruction": "Hi", "output": "Hello.", "history": "Hi"}, "history is no list"),
    ],
)
def test_a_bad_line_is_named_with_its_reason_and_the_rest_is_read(
    tmp_path: Path, row: Any, reason: str
) -> None:
    data = read_conversations(write(tmp_path, openai("Hi", "Hello."), row, openai("Yes?", "No.")))
    assert [c.line for c in data.conversations] == [1, 3]
    assert data.num_bad == 1
    assert data.bad_lines[0].line == 2
    assert re.search(reason, data.bad_lines[0].reason)


def test_a_line_that_is_too_long_is_skipped_whole(tmp_path: Path) -> None:
    long = b'{"instruction": "' + b"x" * (2 * MAX_LINE_BYTES) + b'", "output": "y"}'
    file = write(tmp_path, long, openai("Hi", "Hello."))
    data = read_conversations(file)
    assert data.bad_lines == (BadLine(1, f"is longer than {MAX_LINE_BYTES:,} bytes"),)
    assert [c.line for c in data.conversations] == [2]
    assert data.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_only_the_first_bad_lines_are_named_and_all_are_counted(tmp_path: Path) -> None:
    data = read_conversations(write(tmp_path, openai("Hi", "Hello."), *[b"{"] * 50))
    assert data.num_bad == 50
    assert len(data.bad_lines) == MAX_NAMED_LINES


def test_blank_lines_and_a_byte_order_mark_are_no_bad_lines(tmp_path: Path) -> None:
    first = b"\xef\xbb\xbf" + json.dumps(openai("Hi", "Hello.")).encode()
    data = read_conversations(write(tmp_path, first, b"", b"  ", openai("Yes?", "No.")))
    assert data.num_bad == 0
    assert data.num_answers == 2


def test_every_answer_of_several_turns_counts(tmp_path: Path) -> None:
    data = read_conversations(write(tmp_path, openai("a", "b.", "c", "d.", "e")))
    assert data.conversations[0].answer_positions == (1, 3)
    assert data.num_answers == 2


def test_a_limit_chooses_whole_conversations_by_the_seed(tmp_path: Path) -> None:
    rows = [openai(f"q{i}", "a.", "q", "b.") for i in range(50)]
    file = write(tmp_path, *rows)
    chosen = read_conversations(file, max_answers=20, seed=1)
    again = read_conversations(file, max_answers=20, seed=1)
    other = read_conversations(file, max_answers=20, seed=2)
    assert chosen.num_answers == 20
    assert chosen.num_read == 50
    assert chosen.conversations == again.conversations
    assert chosen.conversations != other.conversations
    assert [c.line for c in chosen.conversations] == sorted(c.line for c in chosen.conversations)


def test_a_limit_over_what_there_is_keeps_everything(tmp_path: Path) -> None:
    data = read_conversations(write(tmp_path, openai("a", "b."), openai("c", "d.")), max_answers=9)
    assert data.num_answers == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [((), "it is empty"), ((b"{", b"[]"), "2 lines are none: line 1: is not JSON")],
)
def test_a_file_without_conversations_is_refused(
    tmp_path: Path, rows: tuple[bytes, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_conversations(write(tmp_path, *rows))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_conversations(tmp_path / "none.jsonl")
