"""The operations that make text, and what clients ask of texts that were stored, which is in vain."""

from ..errors import (
    BodyTimeout,
    BodyTooLarge,
    InvalidRequest,
    PermissionDenied,
    RateLimited,
    Unavailable,
    UnknownModel,
    UnknownPath,
    UnsupportedMedia,
)
from ..schema.chat import ChatCompletionRequest
from ..schema.completions import CompletionRequest
from ..schema.messages_schema import CountTokensRequest, MessagesRequest
from ..schema.responses_schema import ResponsesRequest
from . import examples
from .chat_objects import ChatChunk, ChatCompletion
from .completion_objects import Completion, CompletionChunk
from .event_streams import chunk_stream, named_stream
from .messages_objects import MESSAGE_EVENTS, MessageAnswer, MessagesErrorBody, TokenCount
from .operation import Operation
from .response_events import RESPONSE_EVENTS
from .responses_objects import Response

# What any request with a body can fail with.
POSTED = (
    InvalidRequest,
    PermissionDenied,
    UnknownModel,
    BodyTimeout,
    BodyTooLarge,
    UnsupportedMedia,
    RateLimited,
    Unavailable,
)
_STORED = "Clients of OpenAI ask this of stored responses. Nothing is stored, so there is none."

GENERATION = (
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
        errors=POSTED,
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
        errors=POSTED,
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
        errors=POSTED,
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
        errors=POSTED,
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
        errors=POSTED,
        anthropic=True,
    ),
)

STORED_RESPONSES = tuple(
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
