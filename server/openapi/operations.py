"""Every operation of the API, in the order in which the document shows them."""

from ..errors import (
    BodyTooLarge,
    InvalidRequest,
    PermissionDenied,
    RateLimited,
    Unavailable,
    UnknownModel,
    UnknownPath,
    UnsupportedMedia,
)
from ..schema.chat import ChatCompletionRequest, DetokenizeRequest, TokenizeRequest
from ..schema.completions import CompletionRequest
from ..schema.messages_schema import CountTokensRequest, MessagesRequest
from ..schema.responses_schema import ResponsesRequest
from . import examples
from .chat_objects import ChatChunk, ChatCompletion
from .completion_objects import Completion, CompletionChunk
from .event_streams import chunk_stream, named_stream
from .messages_objects import MESSAGE_EVENTS, MessageAnswer, MessagesErrorBody, TokenCount
from .model_objects import ModelEntry, ModelList
from .operation import Operation
from .plain_objects import (
    Alive,
    DetokenizedPrompt,
    Ready,
    TokenizedPrompt,
    Version,
)
from .response_events import RESPONSE_EVENTS
from .responses_objects import Response
from .schema_words import Schema

# Tags group operations, in this order.
TAGS = {
    "Chat": "OpenAI's chat completions.",
    "Completions": "OpenAI's text completions.",
    "Responses": "OpenAI's Responses, stateless: a translation into chat.",
    "Messages": "Anthropic's Messages: a translation into chat.",
    "Models": "What is served.",
    "Tokens": "vLLM's text to token ids, and back.",
    "Operations": "For orchestrators and monitoring; none of them needs a key.",
    "Description": "This document.",
}
_POSTED = (
    InvalidRequest,
    PermissionDenied,
    UnknownModel,
    BodyTooLarge,
    UnsupportedMedia,
    RateLimited,
    Unavailable,
)
_TEXT: Schema = {"type": "string"}
_STORED = "Clients of OpenAI ask this of stored responses. Nothing is stored, so there is none."

_GENERATION = (
    Operation(
        method="post",
        path="/v1/chat/completions",
        tag="Chat",
        summary="Answer a conversation",
        description=(
            "The messages are rendered by the model's chat template. `stop_detail` says why each answer ended. "
            "Fields of vLLM's (`top_k`, `stop_token_ids`, ...) work beside OpenAI's."
        ),
        body=ChatCompletionRequest,
        examples=examples.CHAT,
        answer=ChatCompletion,
        stream=chunk_stream(ChatChunk),
        errors=_POSTED,
    ),
    Operation(
        method="post",
        path="/v1/completions",
        tag="Completions",
        summary="Continue a text",
        description="No template; the model's stops are in effect all the same.",
        body=CompletionRequest,
        examples=examples.COMPLETION,
        answer=Completion,
        stream=chunk_stream(CompletionChunk),
        errors=_POSTED,
    ),
    Operation(
        method="post",
        path="/v1/responses",
        tag="Responses",
        summary="Answer a conversation",
        description=(
            "OpenAI's newer form of chat. Nothing is stored: the whole conversation is sent as `input`. "
            "Fields of chat completions that this API has not (`stop`, `seed`, `endturn`, ...) work too."
        ),
        body=ResponsesRequest,
        examples=examples.RESPONSES,
        answer=Response,
        stream=named_stream(RESPONSE_EVENTS),
        errors=_POSTED,
    ),
    Operation(
        method="post",
        path="/v1/messages",
        tag="Messages",
        summary="Answer a conversation",
        description=(
            "Anthropic's form of chat. Fields of chat completions that this API has not "
            "(`seed`, `min_p`, `endturn`, ...) work too."
        ),
        body=MessagesRequest,
        examples=examples.MESSAGES,
        answer=MessageAnswer,
        stream=named_stream((*MESSAGE_EVENTS, MessagesErrorBody)),
        errors=_POSTED,
        anthropic=True,
    ),
    Operation(
        method="post",
        path="/v1/messages/count_tokens",
        tag="Messages",
        summary="Count the tokens of a prompt",
        description="How many tokens the prompt of such a request to `/v1/messages` has.",
        body=CountTokensRequest,
        examples=examples.COUNT,
        answer=TokenCount,
        errors=_POSTED,
        anthropic=True,
    ),
)

_STORED_RESPONSES = tuple(
    Operation(
        method=method,
        path=path,
        tag="Responses",
        summary=summary,
        description=_STORED,
        errors=(UnknownPath, *more),
        path_parameters={"response_id": "The id of a response."},
        answers=False,
    )
    for method, path, summary, more in (
        ("get", "/v1/responses/{response_id}", "Fetch a stored response", ()),
        ("delete", "/v1/responses/{response_id}", "Delete a stored response", ()),
        ("get", "/v1/responses/{response_id}/input_items", "List what it answered", ()),
        (
            "post",
            "/v1/responses/{response_id}/cancel",
            "Cancel a response",
            (RateLimited, Unavailable),
        ),
    )
)

_MODELS_AND_TOKENS = (
    Operation(
        method="get",
        path="/v1/models",
        tag="Models",
        summary="List the models",
        description="The base first, then its adapters.",
        answer=ModelList,
    ),
    Operation(
        method="get",
        path="/v1/models/{model_id}",
        tag="Models",
        summary="Describe a model",
        description="The name may have slashes, as they are or as %2F.",
        answer=ModelEntry,
        errors=(InvalidRequest, UnknownModel),
        path_parameters={"model_id": "A name of GET /v1/models."},
    ),
    Operation(
        method="post",
        path="/tokenize",
        tag="Tokens",
        summary="Text or a conversation to token ids",
        description="A conversation is rendered by the model's chat template. Without `model` the base is meant.",
        body=TokenizeRequest,
        examples=examples.TOKENIZE,
        answer=TokenizedPrompt,
        errors=_POSTED,
    ),
    Operation(
        method="post",
        path="/detokenize",
        tag="Tokens",
        summary="Token ids to text",
        description="Special tokens are shown. Without `model` the base is meant.",
        body=DetokenizeRequest,
        examples=examples.DETOKENIZE,
        answer=DetokenizedPrompt,
        errors=_POSTED,
    ),
)

_OPERATIONS = (
    Operation(
        method="get",
        path="/livez",
        tag="Operations",
        summary="Should the process live?",
        description="It should while its engine is not dead.",
        answer=Alive,
        errors=(Unavailable,),
        open_to_all=True,
    ),
    Operation(
        method="get",
        path="/readyz",
        tag="Operations",
        summary="Does the server take requests?",
        description="It does when it is loaded, not draining and its engine lives.",
        answer=Ready,
        errors=(Unavailable,),
        open_to_all=True,
    ),
    Operation(
        method="get",
        path="/health",
        tag="Operations",
        summary="As vLLM's",
        description="200 without a body, 503 once the engine is dead.",
        errors=(Unavailable,),
        open_to_all=True,
    ),
    Operation(
        method="get",
        path="/version",
        tag="Operations",
        summary="The version of endturn",
        description="As vLLM's, with our own version.",
        answer=Version,
        open_to_all=True,
    ),
    Operation(
        method="get",
        path="/metrics",
        tag="Operations",
        summary="Prometheus metrics",
        description="endturn's, vLLM's and the process's. 404 where `--metrics-port` moves them.",
        answer=_TEXT,
        media_type="text/plain",
        errors=(UnknownPath,),
        open_to_all=True,
    ),
    Operation(
        method="get",
        path="/openapi.json",
        tag="Description",
        summary="This document",
        description="OpenAPI 3.1. `/docs` and `/redoc` show it.",
        answer={"type": "object"},
    ),
)

OPERATIONS: tuple[Operation, ...] = (
    *_GENERATION,
    *_STORED_RESPONSES,
    *_MODELS_AND_TOKENS,
    *_OPERATIONS,
)
