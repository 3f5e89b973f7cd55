"""`POST /v1/chat/completions`, with vLLM's extensions, and vLLM's `/tokenize` and `/detokenize`. `request_body` makes them of bytes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from ..parsing.port import ParseRequest
from .generation_request import MAX_LOGPROBS, GenerationRequest, TokenId
from .request_parts import Conversation, Message, RefusedFields, RequestPart
from .tool_schema import ToolFields

MAX_MESSAGES = 4096
MAX_DETOKENIZED = 1 << 20


class ChatCompletionRequest(ToolFields, GenerationRequest):
    """`POST /v1/chat/completions`."""

    refused: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **GenerationRequest.refused,
        # Templates write the special tokens themselves.
        "add_special_tokens": (None, False),
        "audio": (None,),
        "best_of": (None, 1),
        "echo": (None, False),
        "function_call": (None, "none", "auto"),
        "modalities": (None, ["text"]),
        "suffix": (None, ""),
        "web_search_options": (None,),
    }
    also_known: ClassVar[frozenset[str]] = GenerationRequest.also_known | frozenset(refused)

    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=MAX_LOGPROBS)

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


class TokenizeRequest(RefusedFields, ToolFields):
    """`POST /tokenize`, vLLM's shape: a prompt or messages."""

    refused: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        name: GenerationRequest.refused[name]
        for name in ("chat_template", "media_io_kwargs", "mm_processor_kwargs")
    }
    also_known: ClassVar[frozenset[str]] = frozenset(refused)

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
    tokens: list[TokenId] = Field(max_length=MAX_DETOKENIZED)
