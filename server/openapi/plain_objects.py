"""What every API has in common on the wire: why an answer ended, usage, log-probabilities, errors; and the small bodies."""

from typing import Annotated, Literal

from pydantic import Field

from ..finish import FinishReason, SetBy, StopKind
from .wire_object import WireObject, absent

Count = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Logprob = Annotated[float, Field(ge=-9999, le=0)]
Byte = Annotated[int, Field(ge=0, le=255)]
Timestamp = Annotated[int, Field(ge=0, description="Seconds since 1970.")]


class Limit(WireObject):
    """The most tokens the answer could have, and who said so."""

    value: int = Field(ge=0)
    set_by: SetBy


class StopDetail(WireObject):
    """endturn's own words for why the answer ended, with the token id, the text or the probability that ended it."""

    kind: StopKind
    token_id: Count = absent("The end-of-turn token or the client's stop token.")
    text: str = absent("The stop string or role marker that was found.")
    probability: Probability = absent("What the stop head made of the step it ended at.")
    trimmed_tokens: int = Field(
        ge=0, description="Generated tokens that a text stop kept from the client."
    )
    limit: Limit


class Ended(WireObject):
    """Why a choice ended, in three vocabularies."""

    finish_reason: FinishReason
    stop_reason: int | str | None = Field(
        description="vLLM's: a token id, a string, repetition_detected, or null for the end of sequence."
    )
    stop_detail: StopDetail


class TokenLogprob(WireObject):
    """One token and its log-probability; -9999 stands for a probability of zero."""

    token: str
    logprob: Logprob
    bytes: list[Byte]


class ListedLogprob(TokenLogprob):
    """A token of the answer, with the likeliest of its step beside it."""

    top_logprobs: list[TokenLogprob]


class RankedLogprob(WireObject):
    """A likely token of a step of the prompt: vLLM's form."""

    logprob: Logprob
    rank: int | None = Field(ge=1, description="1 is the likeliest.")
    decoded_token: str


# For each token of a prompt itself and the likeliest, by their ids; the first has none.
PromptLogprobs = list[dict[str, RankedLogprob] | None]


class CachedTokens(WireObject):
    """Of the prompt's tokens."""

    cached_tokens: int = Field(ge=0, description="Found in the prefix cache.")


class ReasoningTokens(WireObject):
    """Of the answer's tokens."""

    reasoning_tokens: int = Field(ge=0, description="What the model thought.")


class Usage(WireObject):
    """Tokens of the prompts and of the answers; those of the answers are counted as generated, the end token included."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    prompt_tokens_details: CachedTokens = absent("Where the engine says.")
    completion_tokens_details: ReasoningTokens = absent("Where a parser tells.")


class TokenizedPrompt(WireObject):
    """Token ids, and the tokens as strings where they were asked for."""

    count: Count
    max_model_len: int = Field(ge=1)
    tokens: list[Count]
    token_strs: list[str] | None


class DetokenizedPrompt(WireObject):
    """The text of token ids."""

    prompt: str


class Alive(WireObject):
    """The process should live."""

    status: Literal["alive"]


class Ready(WireObject):
    """The server takes requests."""

    status: Literal["ready"]


class Version(WireObject):
    """The version of endturn."""

    version: str


class Error(WireObject):
    """What went wrong: what to do is in the message, the field in `param`."""

    message: str
    type: Literal["invalid_request_error", "requests", "service_unavailable_error", "server_error"]
    param: str | None
    code: str | None


class ErrorBody(WireObject):
    """OpenAI's error."""

    error: Error
