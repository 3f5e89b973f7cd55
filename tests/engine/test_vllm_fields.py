"""Every field of vLLM's requests, by name: served, refused by name, or accepted and ignored. A new field fails the first test.

vLLM's own request classes are read, so a version that adds a field, or an object in one, is noticed when it is installed.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel
from vllm.entrypoints.anthropic.protocol import (
    AnthropicCountTokensRequest,
    AnthropicMessagesRequest,
)
from vllm.entrypoints.generate.base.protocol import (
    FunctionDefinition as VLLMFunction,
)
from vllm.entrypoints.generate.base.protocol import (
    JsonSchemaResponseFormat,
)
from vllm.entrypoints.generate.base.protocol import (
    StreamOptions as VLLMStreamOptions,
)
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionRequest as VLLMChat,
)
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionToolsParam,
)
from vllm.entrypoints.openai.completion.protocol import CompletionRequest as VLLMCompletion
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest as VLLMResponses
from vllm.entrypoints.serve.tokenize.protocol import (
    DetokenizeRequest as VLLMDetokenize,
)
from vllm.entrypoints.serve.tokenize.protocol import (
    TokenizeChatRequest,
    TokenizeCompletionRequest,
)

from server.errors import InvalidRequest
from server.schema.chat import ChatCompletionRequest, DetokenizeRequest, TokenizeRequest
from server.schema.completions import CompletionRequest
from server.schema.messages_schema import CountTokensRequest, MessagesRequest
from server.schema.output_schema import JsonSchema
from server.schema.request_body import as_request
from server.schema.request_object import RequestPart
from server.schema.request_parts import IgnoredFields, StreamOptions
from server.schema.responses_schema import ResponsesRequest
from server.schema.tool_schema import FunctionDefinition, Tool
from server.schema.unknown_fields import fields_of, refuse_unknown_fields

MESSAGES = [{"role": "user", "content": "x"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One of vLLM's kinds of requests, ours beside it, and a smallest body."""

    vllm: type[BaseModel]
    ours: type[RequestPart]
    body: dict[str, Any]
    # Fields of this kind alone: what they are sent with to be refused, and why others are ignored.
    refused: dict[str, Any] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)


# What a field is sent with, to be refused. It would change the answer, the prompt or the response.
REFUSED: dict[str, Any] = {
    "add_special_tokens": True,
    "chat_template": "{{ messages }}",
    "documents": [{"text": "x"}],
    "ec_transfer_params": {"x": 1},
    "echo": True,
    "kv_transfer_params": {"x": 1},
    "logprob_token_ids": [1],
    "media_io_kwargs": {"image": {"x": 1}},
    "mm_processor_kwargs": {"x": 1},
    "prompt_embeds": "x",
    "return_prompt_text": True,
    "return_token_ids": True,
    "return_tokens_as_token_ids": True,
    "suffix": "x",
    "thinking_token_budget": 9,
    "truncate_prompt_tokens": 9,
    "use_beam_search": True,
    "vllm_xargs": {"x": 1},
    "watermarking": True,
}
IGNORED: dict[str, str] = {
    "length_penalty": "of beam search alone",
    "mm_payload": "of vLLM's render endpoints alone",
    "request_id": "the id of a request is its header X-Request-Id",
    "return_mm_kwargs": "of vLLM's render endpoints alone",
    "return_token_offsets": "of vLLM's render endpoints alone",
    "routed_experts_prompt_start": "of what training asks for, which a request cannot",
    "session_id": "for caches of attention states outside the engine",
    "spaces_between_special_tokens": "of tokenizers that are not fast ones",
    "stream_interval": "deltas are merged where a client is slow",
    "truncation_side": "of truncate_prompt_tokens, which is refused",
}
KINDS = (
    Kind(vllm=VLLMChat, ours=ChatCompletionRequest, body={"model": "m", "messages": MESSAGES}),
    Kind(vllm=VLLMCompletion, ours=CompletionRequest, body={"model": "m", "prompt": "x"}),
    Kind(
        vllm=VLLMResponses,
        ours=ResponsesRequest,
        body={"model": "m", "input": "x"},
        refused={
            "background": True,
            "enable_response_messages": True,
            "previous_input_messages": MESSAGES,
            "previous_response_id": "resp_1",
            "prompt": {"id": "pmpt_1"},
        },
        ignored={
            "max_tool_calls": "of OpenAI's own tools, which are not here",
            "truncation": "a prompt over the context is an error",
        },
    ),
    Kind(
        vllm=AnthropicMessagesRequest,
        ours=MessagesRequest,
        body={"model": "m", "messages": MESSAGES, "max_tokens": 9},
    ),
    Kind(
        vllm=AnthropicCountTokensRequest,
        ours=CountTokensRequest,
        body={"model": "m", "messages": MESSAGES},
    ),
    Kind(vllm=TokenizeChatRequest, ours=TokenizeRequest, body={"messages": MESSAGES}),
    Kind(vllm=TokenizeCompletionRequest, ours=TokenizeRequest, body={"prompt": "x"}),
    Kind(vllm=VLLMDetokenize, ours=DetokenizeRequest, body={"tokens": [1]}),
)
# Objects inside requests: vLLM's, ours, and what of vLLM's is ignored.
PARTS: tuple[tuple[type[BaseModel], type[RequestPart], dict[str, str]], ...] = (
    (VLLMStreamOptions, StreamOptions, {}),
    (JsonSchemaResponseFormat, JsonSchema, {}),
    (ChatCompletionToolsParam, Tool, {"defer_loading": "of harmony models alone"}),
    (VLLMFunction, FunctionDefinition, {"defer_loading": "of harmony models alone"}),
)


def _named(kind: type[BaseModel]) -> set[str]:
    return {info.alias or name for name, info in kind.model_fields.items()}


def _served(kind: type[RequestPart]) -> set[str]:
    return set(fields_of(kind)) - set(IgnoredFields.model_fields)


def _read(kind: Kind, **fields: Any) -> Any:
    """The request with these fields, as chat where it is translated into that."""
    body = as_request({**kind.body, **fields}, kind.ours)
    return body.as_chat() if isinstance(body, ResponsesRequest | CountTokensRequest) else body


def _rows(*, refused: bool) -> list[tuple[Kind, str]]:
    return [(kind, name) for kind in KINDS for name in _listed(kind, refused=refused)]


def _listed(kind: Kind, *, refused: bool) -> list[str]:
    """The fields of vLLM's kind that are refused, or ignored."""
    of_all, of_kind = (REFUSED, kind.refused) if refused else (IGNORED, kind.ignored)
    listed = {*of_kind, *of_all} - _served(kind.ours)
    return sorted(listed & _named(kind.vllm))


def _id(value: Any) -> str:
    return value.vllm.__name__ if isinstance(value, Kind) else str(value)


@pytest.mark.parametrize("kind", KINDS, ids=_id)
def test_every_field_of_vllm_is_named(kind: Kind) -> None:
    ignored = {*IGNORED, *kind.ignored, *IgnoredFields.model_fields}
    known = _served(kind.ours) | {*REFUSED, *kind.refused} | ignored
    assert sorted(_named(kind.vllm) - known) == []


@pytest.mark.parametrize(("kind", "name"), _rows(refused=True), ids=_id)
def test_what_would_change_the_answer_is_refused_by_name(kind: Kind, name: str) -> None:
    value = kind.refused.get(name, REFUSED.get(name))
    with pytest.raises(InvalidRequest) as caught:
        _read(kind, **{name: value})
    assert caught.value.param == name
    assert name in caught.value.message
    assert _read(kind, **{name: None}) == _read(kind)


@pytest.mark.parametrize(("kind", "name"), _rows(refused=False), ids=_id)
def test_what_changes_nothing_is_accepted(kind: Kind, name: str) -> None:
    body = {**kind.body, name: 1}
    assert _read(kind, **body) == _read(kind)
    refuse_unknown_fields(body, kind.ours)


def test_no_name_is_out_of_date() -> None:
    """A field that vLLM gives up, or that is built here, leaves the lists above."""
    refused = {name for _, name in _rows(refused=True)}
    ignored = {name for _, name in _rows(refused=False)}
    of_kinds = {name for kind in KINDS for name in kind.refused}
    assert refused == {*REFUSED, *of_kinds}
    assert ignored == {*IGNORED, *(name for kind in KINDS for name in kind.ignored)}


@pytest.mark.parametrize(("vllm", "ours", "ignored"), PARTS, ids=_id)
def test_every_field_of_the_objects_in_requests_is_named(
    vllm: type[BaseModel], ours: type[RequestPart], ignored: dict[str, str]
) -> None:
    assert sorted(_named(vllm) - set(fields_of(ours)) - set(ignored)) == []
