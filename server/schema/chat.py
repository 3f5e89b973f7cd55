"""OpenAI's request bodies with vLLM's extensions. `request_body` makes them of bytes.

Types are strict: a number in a string is an error, as it is at OpenAI. Fields that would change the answer and are not
built yet are refused by name; other unknown fields are ignored, as OpenAI's clients expect.
"""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from ..errors import InvalidRequest
from ..parsing.port import ParseRequest
from .output_schema import ConstraintFields
from .request_parts import (
    Conversation,
    EndturnOptions,
    Message,
    RepetitionDetectionField,
    RequestPart,
    StreamOptions,
)
from .tool_schema import ToolFields

MAX_STOPS = 64
MAX_STOP_CHARS = 512
MAX_STOP_TOKEN_IDS = 256
MAX_N = 128
MAX_MESSAGES = 4096
MAX_TOP_LOGPROBS = 20
MAX_BIASES = 1024
MAX_BAD_WORDS = 256
MAX_ALLOWED_TOKEN_IDS = 64 << 10

# Later versions answer these; until then a client is told, not ignored. Values that ask for nothing pass.
_NOT_YET: dict[str, tuple[Any, ...]] = {
    "functions": (None, []),
    "prompt_logprobs": (None,),
    "echo": (None, False),
    "suffix": (None, ""),
    "best_of": (None, 1),
    "use_beam_search": (None, False),
    "audio": (None,),
}

StopString = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]
TokenId = Annotated[int, Field(ge=0)]
TokenIdKey = Annotated[str, Field(pattern=r"^[0-9]{1,10}$")]
Bias = Annotated[float, Field(ge=-100, le=100)]


class GenerationRequest(ConstraintFields):
    """What chat and text completion share. None means: not sent."""

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
    priority: int = Field(default=0, ge=-(2**31), lt=2**31)
    endturn: EndturnOptions = EndturnOptions()

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_not_built(cls, data: Any) -> Any:
        for name, harmless in _NOT_YET.items() if isinstance(data, dict) else ():
            if name in data and data[name] not in harmless:
                raise InvalidRequest(
                    f"{name} is not supported by this server; leave it out", param=name
                )
        return data

    @field_validator("stop")
    @classmethod
    def _not_too_many_stops(cls, stop: str | list[str] | None) -> str | list[str] | None:
        if isinstance(stop, list) and len(stop) > MAX_STOPS:
            raise ValueError(f"at most {MAX_STOPS} stop strings are accepted, found {len(stop)}")
        return stop

    @property
    def client_max_tokens(self) -> int | None:
        """The client's own limit, under whichever name it was sent."""
        return self.max_tokens

    @property
    def num_top_logprobs(self) -> int | None:
        """How many likely tokens to list beside each token of the answer; None where no log-probabilities are asked for."""
        return None

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


class ChatCompletionRequest(ToolFields, GenerationRequest):
    """`POST /v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=MAX_TOP_LOGPROBS)

    @model_validator(mode="after")
    def _top_logprobs_need_logprobs(self) -> "ChatCompletionRequest":
        if self.top_logprobs and not self.logprobs:
            raise InvalidRequest("top_logprobs needs logprobs to be true", param="top_logprobs")
        return self

    @property
    def num_top_logprobs(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def client_max_tokens(self) -> int | None:
        if self.max_completion_tokens is not None:
            return self.max_completion_tokens
        return self.max_tokens

    @property
    def conversation(self) -> Conversation:
        return Conversation(
            others_said=tuple(m.text for m in self.messages if m.role != "assistant"),
            opens_a_turn=self.add_generation_prompt and not self.continue_final_message,
        )

    @property
    def parse_request(self) -> ParseRequest:
        return ParseRequest(
            tools=tuple(self.tool_objects),
            demand=self.demand,
            parallel_calls=self.parallel_tool_calls is not False,
            include_reasoning=self.include_reasoning,
            structured=self.structured,
            template_kwargs=self.template_kwargs,
        )


class CompletionRequest(GenerationRequest):
    """`POST /v1/completions`: one prompt, as text or as token ids."""

    prompt: str | list[str] | list[TokenId] = Field(min_length=1)
    add_special_tokens: bool = True
    logprobs: int | None = Field(default=None, ge=0, le=MAX_TOP_LOGPROBS)

    @property
    def num_top_logprobs(self) -> int | None:
        return self.logprobs

    @field_validator("prompt")
    @classmethod
    def _one_prompt(cls, prompt: str | list[str] | list[int]) -> str | list[int]:
        if isinstance(prompt, list) and isinstance(prompt[0], str):
            if len(prompt) > 1:
                raise ValueError("one prompt a request is supported; send one request a prompt")
            return prompt[0]
        return prompt


class TokenizeRequest(ToolFields):
    """`POST /tokenize`, vLLM's shape: a prompt or messages."""

    model: str | None = None
    prompt: str | None = None
    messages: list[Message] | None = Field(default=None, min_length=1, max_length=MAX_MESSAGES)
    add_special_tokens: bool | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    return_token_strs: bool | None = False

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "TokenizeRequest":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give exactly one of prompt and messages")
        return self


class DetokenizeRequest(RequestPart):
    """`POST /detokenize`, vLLM's shape."""

    model: str | None = None
    tokens: list[TokenId]
