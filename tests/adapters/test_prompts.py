import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from adapters.conversations import Message
from adapters.data_lines import MAX_NAMED_LINES
from adapters.errors import DataError
from adapters.prompts import read_prompts

ASKED = (Message("user", "Hi"),)


def write(path: Path, *rows: Any, name: str = "prompts.jsonl") -> Path:
    file = path / name
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def turns(*contents: str) -> dict[str, Any]:
    roles = ["user", "assistant"] * len(contents)
    return {
        "messages": [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)],
    }


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        (turns("Hi"), ASKED),
        (turns("Hi", "Hello."), ASKED),
        (turns("Hi", ""), ASKED),
        (
            turns("Hi", "Hello.", "Why?", "So."),
            (*ASKED, Message("assistant", "Hello."), Message("user", "Why?")),
        ),
        ({"instruction": "Hi"}, ASKED),
        ({"instruction": "Hi", "output": None}, ASKED),
        ({"instruction": "Hi", "output": "Hello."}, ASKED),
        ({"conversations": [{"from": "human", "value": "Hi"}], "system": "Be kind."},
         (Message("system", "Be kind."), *ASKED)),
    ],
)  # fmt: skip
def test_what_is_asked_ends_with_the_last_question(
    tmp_path: Path, row: Any, messages: tuple[Message, ...]
) -> None:
    data = read_prompts(write(tmp_path, row))
    [prompt] = data.prompts
    assert prompt.messages == messages
    assert prompt.question == messages[-1].content


def test_a_plain_file_has_one_question_a_line(tmp_path: Path) -> None:
    file = write(tmp_path, b"Hi", b"", b'  {"not": "JSON here"} ', b"\xff", name="asked.TXT")
    data = read_prompts(file)
    assert [(p.line, p.question) for p in data.prompts] == [(1, "Hi"), (3, '{"not": "JSON here"}')]
    assert (data.num_read, data.num_bad) == (2, 1)
    assert data.bad_lines[0].line == 4
    assert "is not UTF-8" in data.bad_lines[0].reason
    assert data.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_lines_without_a_question_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    bad = [{"messages": [{"role": "system", "content": "Be kind."}]}, turns(" "), b"{"]
    data = read_prompts(write(tmp_path, turns("Hi"), *bad, *[b"["] * 30))
    assert (data.num_read, data.num_bad) == (1, 33)
    assert [line.line for line in data.bad_lines] == list(range(2, 2 + MAX_NAMED_LINES))
    assert data.bad_lines[0].reason == "has no question: no user message with text"
    assert "is not JSON" in data.bad_lines[2].reason


def test_a_limit_chooses_by_the_seed_alone(tmp_path: Path) -> None:
    file = write(tmp_path, *[turns(f"q{i}") for i in range(50)])
    chosen = read_prompts(file, max_prompts=20, seed=1)
    assert (len(chosen.prompts), chosen.num_read) == (20, 50)
    assert chosen == read_prompts(file, max_prompts=20, seed=1)
    assert chosen.prompts != read_prompts(file, max_prompts=20, seed=2).prompts
    lines = [prompt.line for prompt in chosen.prompts]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("rows", "message"),
    [((), "holds no prompt; it is empty"), ((b"{",), "1 lines are none: line 1: is not JSON")],
)
def test_a_file_without_prompts_is_refused(
    tmp_path: Path, rows: tuple[bytes, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_prompts(write(tmp_path, *rows))
    with pytest.raises(DataError, match="cannot be read"):
        read_prompts(tmp_path / "none.jsonl")
