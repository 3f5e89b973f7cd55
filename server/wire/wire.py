"""What every API's way of writing an answer has in common: what it is told beforehand, and what it must be able to write.

`sse` and `completion_wire` write OpenAI's chunks, `responses_wire` and `messages_wire` the events of the other two APIs. `routes/answer` calls them.
"""

import math
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
from .logprobs import LogprobsWriter, PromptLogprobs
from .token_counts import TokenCounts

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHead:
    """What is known of an answer before its first token.

    `id` is without the API's prefix; `created` is in seconds since 1970; `logprobs` is None where none were asked for, and
    so is `prompt_logprobs`. `plan` is the first prompt's; `counts` go on while the answer comes.
    """

    id: str
    model: str
    created: int
    plan: GenerationPlan
    prompts: Sequence[list[int]]
    counts: TokenCounts
    include_usage: bool = False
    # In every chunk, not only in the last one.
    continuous_usage: bool = False
    logprobs: LogprobsWriter | None = None
    prompt_logprobs: LogprobsWriter | None = None


@dataclass(slots=True)
class WholeChoice:
    """One choice collected to its end."""

    pieces: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    prompt_logprobs: PromptLogprobs = ()
    finish: Finish | None = None
    # Set where the text was read by parsers; `pieces` are then the content in it.
    parts: AnswerParts | None = None

    def add(self, delta: ChoiceDelta) -> None:
        """Take in one delta."""
        self.pieces.append(delta.text)
        self.logprobs += delta.logprobs
        self.finish = delta.finish
        if delta.prompt is not None:
            self.prompt_logprobs = delta.prompt.logprobs
        if delta.parsed is not None:
            self.parts = AnswerParts() if self.parts is None else self.parts
            self.parts.add(delta.parsed)

    @property
    def mean_logprob(self) -> float:
        """By token, of those that are listed."""
        if not self.logprobs:
            return -math.inf
        return sum(token.step.sampled for token in self.logprobs) / len(self.logprobs)


def best_choices(choices: Sequence[WholeChoice], plan: GenerationPlan) -> list[WholeChoice]:
    """Of each prompt's choices those that are returned: the ones with the highest log-probability by token, best first.

    Where every choice is returned, they stay in their order.
    """
    if plan.num_choices == plan.num_returned:
        return list(choices)
    best = []
    for start in range(0, len(choices), plan.num_choices):
        of_prompt = choices[start : start + plan.num_choices]
        ranked = sorted(of_prompt, key=lambda choice: choice.mean_logprob, reverse=True)
        best += ranked[: plan.num_returned]
    return best


class Wire(Protocol):
    """How one request's answer is written, as a stream or whole.

    A stream is `opening`, `delta` for each delta, then `closing`, or `error` where it fails after its first event. The head's
    counts know each delta before the wire does.
    """

    def opening(self) -> bytes:
        """Events before the first token."""
        ...

    def delta(self, delta: ChoiceDelta) -> bytes:
        """The events of one delta."""
        ...

    def closing(self) -> bytes:
        """The last events."""
        ...

    def error(self, exc: RequestError) -> bytes:
        """The last events of a stream that failed."""
        ...

    def whole(self, choices: Sequence[WholeChoice]) -> dict[str, Any]:
        """The body of an answer that was not streamed."""
        ...


MakeWire = Callable[[AnswerHead], Wire]


def event(data: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(data) + b"\n\n"


def named_event(data: dict[str, Any]) -> bytes:
    """One server-sent event that is named by its own `type`."""
    name: str = data["type"]
    return b"event: " + name.encode() + b"\n" + event(data)
