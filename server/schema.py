"""OpenAI's request bodies with vLLM's extensions, and how a body becomes one. Responses are built in `routes`.

Types are strict: a number in a string is an error, as it is at OpenAI. Fields that would change the answer and are not
built yet are refused by name; other unknown fields are ignored, as OpenAI's clients expect.
"""

from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .errors import InvalidRequest

MAX_STOPS = 64
MAX_STOP_CHARS = 512
MAX_STOP_TOKEN_IDS = 256
MAX_N = 128
MAX_MESSAGES = 4096
MAX_TOP_LOGPROBS = 20

# Later versions answer these; until then a client is told, not ignored. Values that ask for nothing pass.
_NOT_YET: dict[str, tuple[Any, ...]] = {
    "tools": (None, []),
    "functions": (None, []),
    "response_format": (None, {"type": "text"}),
    "structured_outputs": (None,),
    "prompt_logprobs": (None,),
    "logit_bias": (None, {}),
    "echo": (None, False),
    "suffix": (None, ""),
    "best_of": (None, 1),
    "include_stop_str_in_output": (None, False),
    "use_beam_search": (None, False),
    "bad_words": (None, []),
    "allowed_token_ids": (None, []),
    "repetition_detection": (None,),
    "audio": (None,),
}

StopString = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]
TokenId = Annotated[int, Field(ge=0)]


class RequestPart(BaseModel):
    """Base of every request object."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)


class StreamOptions(RequestPart):
    """`stream_options`."""

    include_usage: bool | None = False


class EndturnOptions(RequestPart):
    """`endturn`: our own switches for one request."""

    model_config = ConfigDict(extra="forbid")

    guards: bool = True


class TextPart(RequestPart):
    """A content part; only text is served."""

    type: Literal["text"]
    text: str


class Message(RequestPart):
    """One message. Unknown keys are kept: templates read them."""

    model_config = ConfigDict(extra="allow")

    role: str = Field(min_length=1, max_length=64)
    content: str | list[TextPart] | None = None

    def for_template(self) -> dict[str, Any]:
        """The message as chat templates expect it: content is one string."""
        message = self.model_dump(exclude_unset=True)
        if isinstance(self.content, list):
            message["content"] = "".join(part.text for part in self.content)
        return message


class GenerationRequest(RequestPart):
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
    skip_special_tokens: bool | None = True
    endturn: EndturnOptions = EndturnOptions()

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_not_built(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for name, harmless in _NOT_YET.items():
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
    def stops(self) -> tuple[str, ...]:
        """The client's stop strings, without repeats, in order."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(dict.fromkeys(stop))


class ChatCompletionRequest(GenerationRequest):
    """`POST /v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    chat_template_kwargs: dict[str, Any] = {}
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


class TokenizeRequest(RequestPart):
    """`POST /tokenize`, vLLM's shape: a prompt or messages."""

    model: str | None = None
    prompt: str | None = None
    messages: list[Message] | None = Field(default=None, min_length=1, max_length=MAX_MESSAGES)
    add_special_tokens: bool | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    chat_template_kwargs: dict[str, Any] = {}
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


Body = TypeVar("Body", bound=RequestPart)


def parse_body(raw: bytes, kind: type[Body]) -> Body:
    """The request in `raw`.

    Raises:
        InvalidRequest: it is not UTF-8 JSON of that shape; `param` names the first field that is wrong.
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise InvalidRequest(f"the body is not valid JSON: {exc}", code="invalid_json") from exc
    if not isinstance(data, dict):
        raise InvalidRequest("the body must be a JSON object", code="invalid_json")
    try:
        return kind.model_validate(data)
    except ValidationError as exc:
        raise _as_invalid_request(exc) from exc


def _as_invalid_request(exc: ValidationError) -> InvalidRequest:
    # A union reports each of its branches; the branch that came furthest into the value says most.
    first = max(exc.errors(include_url=False), key=lambda error: len(error["loc"]))
    if len({error["loc"][:1] for error in exc.errors(include_url=False)}) > 1:
        first = exc.errors(include_url=False)[0]
    names = [part for part in first["loc"] if isinstance(part, int) or part in _FIELD_NAMES]
    param = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names).lstrip(
        "."
    )
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        message = f"{param}: this field is required"
    else:
        message = f"{param or 'body'}: {problem} (found {first['input']!r:.100})"
    return InvalidRequest(message, param=param or None)


_FIELD_NAMES = frozenset(
    name
    for kind in (
        ChatCompletionRequest,
        CompletionRequest,
        TokenizeRequest,
        DetokenizeRequest,
        Message,
        TextPart,
        StreamOptions,
        EndturnOptions,
    )
    for name in kind.model_fields
)
