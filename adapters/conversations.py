"""Conversations from a JSONL file in the forms trainers read: OpenAI `messages`, ShareGPT, Alpaca.

Read as a stream, a line at a time. A line that is none of these is counted and named, and the rest goes on. Knows no
template and no tokenizer.
"""

import hashlib
import heapq
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .data_lines import MAX_NAMED_LINES, BadLine, choice_order, named_lines, numbered_lines
from .errors import DataError

Role = Literal["system", "user", "assistant"]
# ShareGPT's names, and those that data sets in its form use instead.
_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "assistant": "assistant",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `content` is text."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Messages in order, with at least one answer that has text. `line` counts from 1."""

    line: int
    messages: tuple[Message, ...]

    @property
    def answer_positions(self) -> tuple[int, ...]:
        """Where in `messages` the answers are that have text and a question before them."""
        roles = [message.role for message in self.messages]
        first = roles.index("user") if "user" in roles else len(roles)
        return tuple(
            i
            for i, message in enumerate(self.messages)
            if i > first and message.role == "assistant" and message.content.strip()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationData:
    """What a file gave: conversations in the file's order, the first MAX_NAMED_LINES bad lines, and the file's sha256.

    `num_read` counts the good conversations of the whole file, of which a limit may have chosen some.
    """

    path: Path
    conversations: tuple[Conversation, ...]
    num_read: int
    bad_lines: tuple[BadLine, ...]
    num_bad: int
    sha256: str

    @property
    def num_answers(self) -> int:
        return sum(len(c.answer_positions) for c in self.conversations)


def read_conversations(
    path: Path, *, max_answers: int | None = None, seed: int = 0
) -> ConversationData:
    """Read the whole file, holding no more than `max_answers` answers: a choice by `seed` of whole conversations.

    The choice depends on the seed and the line numbers alone. It may go over by part of one conversation.

    Raises:
        DataError: the file cannot be read, or holds no conversation; the message names the first bad lines.
    """
    kept: list[tuple[int, Conversation]] = []  # a heap, the last in the order of choice on top
    bad: list[BadLine] = []
    num_read = num_bad = num_answers = 0
    digest = hashlib.sha256()
    for line in numbered_lines(path, digest):
        found = line if isinstance(line, BadLine) else _parse_line(*line)
        if isinstance(found, BadLine):
            num_bad += 1
            bad += [found] if len(bad) < MAX_NAMED_LINES else []
            continue
        num_read += 1
        heapq.heappush(kept, (-choice_order(seed, found.line), found))
        num_answers += len(found.answer_positions)
        while max_answers is not None:
            last = len(kept[0][1].answer_positions)
            if num_answers - last < max_answers:
                break
            heapq.heappop(kept)
            num_answers -= last
    if not kept:
        raise DataError(path, f"holds no conversation; {named_lines(bad, num_bad)}")
    conversations = sorted((found for _, found in kept), key=lambda c: c.line)
    return ConversationData(
        path=path,
        conversations=tuple(conversations),
        num_read=num_read,
        bad_lines=tuple(bad),
        num_bad=num_bad,
        sha256=digest.hexdigest(),
    )


def _parse_line(line: bytes, number: int) -> Conversation | BadLine:
    messages = row_messages(line, number)
    if isinstance(messages, BadLine):
        return messages
    conversation = Conversation(line=number, messages=messages)
    if not conversation.answer_positions:
        return BadLine(number, "has no answer: no assistant message with text after a question")
    return conversation


def row_messages(
    line: bytes, number: int, *, needs_answer: bool = True
) -> tuple[Message, ...] | BadLine:
    """The messages of one line; `needs_answer` False: an Alpaca row may lack its answer."""
    try:
        row = json.loads(line)
    except UnicodeDecodeError as exc:
        return BadLine(number, f"is not UTF-8 ({exc.reason} at byte {exc.start})")
    except (ValueError, RecursionError) as exc:
        return BadLine(number, f"is not JSON ({exc})")
    try:
        return tuple(_messages(row, needs_answer))
    except _NoConversation as exc:
        return BadLine(number, str(exc))


class _NoConversation(Exception):
    """Why a row is no conversation."""


def _messages(row: Any, needs_answer: bool) -> list[Message]:
    if not isinstance(row, dict):
        raise _NoConversation(
            f"holds {type(row).__name__}, not an object; one conversation a line is read"
        )
    if "messages" in row:
        return _listed(row["messages"], "messages", "role", "content")
    if "conversations" in row:
        system = _optional_text(row, "system")
        turns = row["conversations"]
        is_openai = isinstance(turns, list) and any(
            isinstance(t, dict) and "role" in t for t in turns
        )
        names = ("role", "content") if is_openai else ("from", "value")
        return [*system, *_listed(turns, "conversations", *names)]
    if "instruction" in row or "query" in row:
        return _alpaca(row, needs_answer)
    raise _NoConversation("has none of messages, conversations, instruction")


def _listed(turns: Any, field: str, role_name: str, text_name: str) -> list[Message]:
    if not isinstance(turns, list):
        raise _NoConversation(f"{field} is no list")
    found = []
    for i, turn in enumerate(turns):
        where = f"{field}[{i}]"
        if not isinstance(turn, dict):
            raise _NoConversation(f"{where} is no object")
        name = turn.get(role_name)
        role = _ROLES.get(name) if isinstance(name, str) else None
        if role is None:
            raise _NoConversation(f"{where}.{role_name}: {name!r:.40} is no role that is read")
        found.append(Message(role, _text(turn.get(text_name), f"{where}.{text_name}")))
    return found


def _alpaca(row: Mapping[str, Any], needs_answer: bool) -> list[Message]:
    """Alpaca's instruction, input and output, or ms-swift's query and response; earlier turns in `history`."""
    found = _optional_text(row, "system")
    history = row.get("history") or []
    if not isinstance(history, list):
        raise _NoConversation("history is no list")
    for i, pair in enumerate(history):
        if not isinstance(pair, list) or len(pair) != 2:
            raise _NoConversation(f"history[{i}] is no pair of question and answer")
        found.append(Message("user", _text(pair[0], f"history[{i}][0]")))
        found.append(Message("assistant", _text(pair[1], f"history[{i}][1]")))
    asks, answers = ("instruction", "output") if "instruction" in row else ("query", "response")
    question = [_text(row[asks], asks), *(m.content for m in _optional_text(row, "input"))]
    found.append(Message("user", "\n".join(question)))
    if needs_answer or row.get(answers) is not None:
        found.append(Message("assistant", _text(row.get(answers), answers)))
    return found


def _optional_text(row: Mapping[str, Any], field: str) -> list[Message]:
    """The field as a system message, nothing where it is absent or empty."""
    return [Message("system", _text(row[field], field))] if row.get(field) else []


def _text(value: Any, where: str) -> str:
    if isinstance(value, list) and all(
        isinstance(part, dict) and part.get("type") == "text" for part in value
    ):
        value = "".join(_text(part.get("text"), f"{where}.text") for part in value)
    if not isinstance(value, str):
        raise _NoConversation(f"{where} is no text, it is {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _NoConversation(f"{where} holds half a character (a lone surrogate)") from None
    return value
