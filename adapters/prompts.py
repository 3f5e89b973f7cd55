"""Prompts without answers from a file: conversations in the forms that trainers read, or one plain question a line.

An answer that stands at the end of a conversation is left out: what is asked for is what the model would say there.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

from .conversations import Message, row_messages
from .data_lines import MAX_NAMED_LINES, BadLine, choice_order, named_lines, numbered_lines
from .errors import DataError

PLAIN_SUFFIX = ".txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConversation:
    """Messages in order, the last is a question. `line` counts from 1."""

    line: int
    messages: tuple[Message, ...]

    @property
    def question(self) -> str:
        return self.messages[-1].content


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptData:
    """What a file gave: prompts in the file's order, the first MAX_NAMED_LINES bad lines, and the file's sha256.

    `num_read` counts the good lines of the whole file, of which a limit may have chosen some.
    """

    path: Path
    prompts: tuple[OpenConversation, ...]
    num_read: int
    bad_lines: tuple[BadLine, ...]
    num_bad: int
    sha256: str


def read_prompts(path: Path, *, max_prompts: int | None = None, seed: int = 0) -> PromptData:
    """Read the whole file, holding no more than `max_prompts` prompts: a choice that depends on the seed and the lines alone.

    A file whose name ends in .txt has one question a line, any other is JSONL.

    Raises:
        DataError: the file cannot be read, or holds no prompt; the message names the first bad lines.
    """
    reader = _Reader(path)
    if max_prompts is None:
        kept = list(reader.good_lines())
    else:
        kept = nsmallest(max_prompts, reader.good_lines(), key=lambda p: choice_order(seed, p.line))
    if not kept:
        raise DataError(path, f"holds no prompt; {named_lines(reader.bad_lines, reader.num_bad)}")
    return PromptData(
        path=path,
        prompts=tuple(sorted(kept, key=lambda prompt: prompt.line)),
        num_read=reader.num_read,
        bad_lines=tuple(reader.bad_lines),
        num_bad=reader.num_bad,
        sha256=reader.digest.hexdigest(),
    )


class _Reader:
    """One pass over a file, counting."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parse = _plain if path.suffix.lower() == PLAIN_SUFFIX else _conversation
        self.digest = hashlib.sha256()
        self.bad_lines: list[BadLine] = []
        self.num_read = self.num_bad = 0

    def good_lines(self) -> Iterator[OpenConversation]:
        for line in numbered_lines(self._path, self.digest):
            found = line if isinstance(line, BadLine) else self._parse(*line)
            if isinstance(found, OpenConversation):
                self.num_read += 1
                yield found
                continue
            self.num_bad += 1
            if len(self.bad_lines) < MAX_NAMED_LINES:
                self.bad_lines.append(found)


def _plain(line: bytes, number: int) -> OpenConversation | BadLine:
    try:
        text = line.decode().strip()
    except UnicodeDecodeError as exc:
        return BadLine(number, f"is not UTF-8 ({exc.reason} at byte {exc.start})")
    return OpenConversation(line=number, messages=(Message("user", text),))


def _conversation(line: bytes, number: int) -> OpenConversation | BadLine:
    messages = row_messages(line, number, needs_answer=False)
    if isinstance(messages, BadLine):
        return messages
    asked = [i for i, m in enumerate(messages) if m.role == "user" and m.content.strip()]
    if not asked:
        return BadLine(number, "has no question: no user message with text")
    return OpenConversation(line=number, messages=messages[: asked[-1] + 1])
