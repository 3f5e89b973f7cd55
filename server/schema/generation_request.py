"""What a chat request and a text completion share, and which fields of OpenAI's and vLLM's are refused or ignored.

Types are strict: a number in a string is an error, as it is at OpenAI. Fields that would change the answer and are not
built are refused by name; other unknown fields are ignored, as OpenAI's clients expect, or refused where the operator wants it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator, model_validator

from ..errors import InvalidRequest
from ..parsing.port import ParseRequest
from .output_schema import ConstraintFields
from .request_parts import (
    Conversation,
    EndturnOptions,
    IgnoredFields,
    RefusedFields,
    RepetitionDetectionField,
    StreamOptions,
)

MAX_STOPS = 64
MAX_STOP_CHARS = 512
MAX_STOP_TOKEN_IDS = 256
MAX_N = 128
MAX_LOGPROBS = 20
MAX_BIASES = 1024
MAX_BAD_WORDS = 256
MAX_ALLOWED_TOKEN_IDS = 64 << 10
MAX_SALT_CHARS = 1024

# vLLM's, or OpenAI's for other models; a client that sends one is told, not ignored. Values that ask for nothing pass.
_REFUSED: dict[str, tuple[Any, ...]] = {
    "chat_template": (None,),
    "documents": (None, []),
    "ec_transfer_params": (None, {}),
    "functions": (None, []),
    "guided_choice": (None, []),
    "guided_grammar": (None,),
    "guided_json": (None,),
    "guided_regex": (None,),
    "kv_transfer_params": (None, {}),
    "logprob_token_ids": (None, []),
    "media_io_kwargs": (None, {}),
    "mm_processor_kwargs": (None, {}),
    "prompt_embeds": (None,),
    "return_prompt_text": (None, False),
    "return_token_ids": (None, False),
    "return_tokens_as_token_ids": (None, False),
    "thinking_token_budget": (None, -1),
    "truncate_prompt_tokens": (None,),
    "use_beam_search": (None, False),
    "vllm_xargs": (None, {}),
    "watermarking": (None,),
}
# vLLM's, without effect here: for beam search, for its render endpoints, for slow tokenizers, for caches outside the engine, or
# about the size of a stream's events. The id of a request is its header X-Request-Id.
_WITHOUT_EFFECT = frozenset(
    {"length_penalty", "mm_payload", "request_id", "return_mm_kwargs", "return_token_offsets"}
    | {"routed_experts_prompt_start", "session_id", "spaces_between_special_tokens"}
    | {"stream_interval", "truncation_side"}
)
_INSTEAD = {
    "functions": "send tools",
    "guided_choice": "send structured_outputs",
    "guided_grammar": "send structured_outputs",
    "guided_json": "send response_format or structured_outputs",
    "guided_regex": "send structured_outputs",
}

StopString = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]
TokenId = Annotated[int, Field(ge=0)]
TokenIdKey = Annotated[str, Field(pattern=r"^[0-9]{1,10}$")]
Bias = Annotated[float, Field(ge=-100, le=100)]


class GenerationRequest(RefusedFields, IgnoredFields, ConstraintFields):
    """What chat and text completion share. None means: not sent."""

    refused: ClassVar[Mapping[str, tuple[Any, ...]]] = _REFUSED
    instead: ClassVar[Mapping[str, str]] = _INSTEAD
    also_known: ClassVar[frozenset[str]] = frozenset(_REFUSED) | _WITHOUT_EFFECT

    model: str = Field(min_length=1, max_length=256)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=None, ge=1, le=MAX_N)
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=-1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    repetition_penalty: float | None = Field(default=None, gt=0, le=2)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: StopString | list[StopString] | None = None
    stop_token_ids: list[TokenId] | None = Field(default=None, max_length=MAX_STOP_TOKEN_IDS)
    min_tokens: int | None = Field(default=None, ge=0)
    ignore_eos: bool | None = False
    include_stop_str_in_output: bool | None = False
    repetition_detection: RepetitionDetectionField | None = None
    skip_special_tokens: bool | None = True
    logit_bias: dict[TokenIdKey, Bias] | None = Field(default=None, max_length=MAX_BIASES)
    allowed_token_ids: list[TokenId] | None = Field(
        default=None, min_length=1, max_length=MAX_ALLOWED_TOKEN_IDS
    )
    bad_words: list[StopString] | None = Field(default=None, max_length=MAX_BAD_WORDS)
    prompt_logprobs: int | None = Field(default=None, ge=0, le=MAX_LOGPROBS)
    cache_salt: str | None = Field(default=None, min_length=1, max_length=MAX_SALT_CHARS)
    priority: int = Field(default=0, ge=-(2**31), lt=2**31)
    endturn: EndturnOptions = EndturnOptions()

    @field_validator("stop")
    @classmethod
    def _not_too_many_stops(cls, stop: str | list[str] | None) -> str | list[str] | None:
        if isinstance(stop, list) and len(stop) > MAX_STOPS:
            raise ValueError(f"at most {MAX_STOPS} stop strings are accepted, found {len(stop)}")
        return stop

    @model_validator(mode="after")
    def _prompt_logprobs_are_not_streamed(self) -> "GenerationRequest":
        if self.stream and self.prompt_logprobs is not None:
            raise InvalidRequest(
                "prompt_logprobs: they are not part of a stream; leave stream out",
                param="prompt_logprobs",
            )
        return self

    @property
    def client_max_tokens(self) -> int | None:
        """The client's own limit, under whichever name it was sent."""
        return self.max_tokens

    @property
    def num_candidates(self) -> int:
        """How many choices to generate for each prompt; `n` of them are returned."""
        return self.n or 1

    @property
    def num_top_logprobs(self) -> int | None:
        """How many likely tokens to list beside each token of the answer; None where no log-probabilities are asked for."""
        return None

    @property
    def num_prompt_logprobs(self) -> int | None:
        """The same for the tokens of the prompt."""
        return self.prompt_logprobs

    @property
    def lists_the_end(self) -> bool:
        """Whether log-probabilities are listed of what ended the answer too, though it is no part of the text."""
        return False

    @property
    def conversation(self) -> Conversation | None:
        """What was said so far; None for a text completion."""
        return None

    @property
    def parse_request(self) -> ParseRequest | None:
        """What parsers need to know; None where the text is the answer."""
        return None

    @property
    def stops(self) -> tuple[str, ...]:
        """The client's stop strings, without repeats, in order."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(dict.fromkeys(stop))
