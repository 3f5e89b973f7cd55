"""`POST /v1/completions` on the wire: the whole completion, and the chunks of a stream."""

from typing import Literal

from .plain_objects import Count, Ended, Logprob, PromptLogprobs, Timestamp, Usage
from .wire_object import WireObject, absent


class CompletionLogprobs(WireObject):
    """Log-probabilities of the tokens of the text; offsets are in characters. The first token of a prompt has none."""

    tokens: list[str]
    token_logprobs: list[Logprob | None]
    top_logprobs: list[dict[str, Logprob] | None]
    text_offset: list[Count]


class LastCompletionChoice(Ended):
    """The last of a continuation."""

    index: Count
    text: str
    logprobs: CompletionLogprobs | None


class CompletionChoice(LastCompletionChoice):
    """One continuation, after the prompt where it was to be echoed."""

    prompt_logprobs: PromptLogprobs = absent("Where they were asked for.")


class OpenCompletionChoice(WireObject):
    """More of a continuation."""

    index: Count
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: None


class Completion(WireObject):
    """A text continued."""

    id: str
    object: Literal["text_completion"]
    created: Timestamp
    model: str
    choices: list[CompletionChoice]
    usage: Usage


class CompletionChunk(WireObject):
    """One event of a stream. With `stream_options.include_usage`, `usage` is null but in the last chunk, which has no choices.

    With `continuous_usage_stats` too, it is never null.
    """

    id: str
    object: Literal["text_completion"]
    created: Timestamp
    model: str
    choices: list[OpenCompletionChoice | LastCompletionChoice]
    usage: Usage | None = absent()
