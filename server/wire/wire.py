"""What every API's way of writing an answer has in common: what it is told beforehand, and what it must be able to write.

`sse` writes OpenAI's chunks, `responses_wire` and `messages_wire` the events of the other two APIs. `routes/answer` calls them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from ..choice import TokenLogprobs
from ..errors import RequestError
from ..finish import Finish
from ..generation import ChoiceDelta
from ..parsing.answer_parts import AnswerParts
from ..sampling import GenerationPlan
from .logprobs import LogprobsWriter

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHead:
    """What is known of an answer before its first token.

    `id` is without the API's prefix; `created` is in seconds since 1970; `logprobs` is None where none were asked for.
    """

    id: str
    model: str
    created: int
    plan: GenerationPlan
    num_prompt_tokens: int
    include_usage: bool = False
    logprobs: LogprobsWriter | None = None

    @property
    def num_choices(self) -> int:
        return self.plan.sampling.n * self.plan.copies


@dataclass(slots=True)
class WholeChoice:
    """One choice collected to its end."""

    pieces: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    finish: Finish | None = None
    # Set where the text was read by parsers; `pieces` are then the content in it.
    parts: AnswerParts | None = None

    def add(self, delta: ChoiceDelta) -> None:
        """Take in one delta."""
        self.pieces.append(delta.text)
        self.logprobs += delta.logprobs
        self.finish = delta.finish
        if delta.parsed is not None:
            self.parts = AnswerParts() if self.parts is None else self.parts
            self.parts.add(delta.parsed)


class Wire(Protocol):
    """How one request's answer is written, as a stream or whole.

    A stream is `opening`, `delta` for each delta, then `closing`, or `error` where it fails after its first event.
    """

    def opening(self) -> bytes:
        """Events before the first token."""
        ...

    def delta(self, delta: ChoiceDelta) -> bytes:
        """The events of one delta."""
        ...

    def closing(self, num_tokens: int) -> bytes:
        """The last events; `num_tokens` were generated, those of every choice together."""
        ...

    def error(self, exc: RequestError) -> bytes:
        """The last events of a stream that failed."""
        ...

    def whole(self, choices: Sequence[WholeChoice]) -> dict[str, Any]:
        """The body of an answer that was not streamed."""
        ...


MakeWire = Callable[[AnswerHead], Wire]


def usage(num_prompt_tokens: int, num_completion_tokens: int) -> dict[str, int]:
    """OpenAI's usage object; completion tokens are those generated, the end token included."""
    return {
        "prompt_tokens": num_prompt_tokens,
        "completion_tokens": num_completion_tokens,
        "total_tokens": num_prompt_tokens + num_completion_tokens,
    }


def num_generated_tokens(choices: Sequence[WholeChoice]) -> int:
    """How many tokens were generated for `choices`."""
    return sum(choice.finish.num_tokens for choice in choices if choice.finish is not None)


def event(data: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(data) + b"\n\n"


def named_event(data: dict[str, Any]) -> bytes:
    """One server-sent event that is named by its own `type`."""
    name: str = data["type"]
    return b"event: " + name.encode() + b"\n" + event(data)
