"""The held-out questions of a verification, and the prompts they become. Pure values."""

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.conversations import Conversation, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The turns before one answer of the data, and that answer. `line` is the conversation's in the file."""

    index: int
    line: int
    messages: tuple[Message, ...]
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A question as the model sees it."""

    question: Question
    token_ids: tuple[int, ...]

    @property
    def index(self) -> int:
        return self.question.index


@dataclass(frozen=True, slots=True)
class Failure:
    """A question without an answer, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Prompts that can be asked, and questions that cannot."""

    prompts: tuple[Prompt, ...]
    refused: tuple[Failure, ...]


def questions(conversations: Iterable[Conversation]) -> tuple[Question, ...]:
    """One question for every answer, after the turns before it as the data has them."""
    answers = [(found, at) for found in conversations for at in found.answer_positions]
    return tuple(
        Question(
            index=index,
            line=found.line,
            messages=found.messages[:at],
            reference=found.messages[at].content,
        )
        for index, (found, at) in enumerate(answers)
    )
