"""One way to ask, and what came of asking everything that way. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..finish import Finish
from .question import Failure


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to ask: its name in tables, and fields of the request."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


_UNGUARDED = {"endturn": {"guards": False}}
GUARDS_OFF = Variant("guards off", _UNGUARDED)
GUARDS_ON = Variant("guards on")
# What people are told to do about answers that do not end.
TODAYS_ADVICE = (
    Variant("repetition_penalty 1.1", {**_UNGUARDED, "repetition_penalty": 1.1}),
    Variant("repetition_penalty 1.3", {**_UNGUARDED, "repetition_penalty": 1.3}),
    Variant("temperature 0.7", {**_UNGUARDED, "temperature": 0.7}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client would have got."""

    text: str
    finish: Finish

    @property
    def num_tokens(self) -> int:
        """Tokens of the text: neither the end token nor what a stop took back."""
        return num_shown(self.finish)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Every question asked in one way; answers by the question's index."""

    variant: Variant
    answers: Mapping[int, Answer]
    failures: tuple[Failure, ...]
    seconds: float


def num_shown(finish: Finish) -> int:
    """How many of a choice's tokens its text is made of."""
    end = 0 if finish.cause.token_id is None else 1
    return finish.num_tokens - finish.num_trimmed_tokens - end
