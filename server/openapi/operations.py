"""Every operation of the API, in the order in which the document shows them."""

from ..errors import (
    InvalidRequest,
    Unavailable,
    UnknownModel,
    UnknownPath,
)
from ..schema.chat import DetokenizeRequest, TokenizeRequest
from . import examples
from .adapter_operations import ADAPTER_OPERATIONS
from .generation_operations import GENERATION, POSTED, STORED_RESPONSES
from .model_objects import ModelEntry, ModelList
from .operation import Operation
from .plain_objects import (
    Alive,
    DetokenizedPrompt,
    Ready,
    TokenizedPrompt,
    Version,
)
from .schema_words import Schema

# Tags group operations, in this order.
TAGS = {
    "Chat": "OpenAI's chat completions.",
    "Completions": "OpenAI's text completions.",
    "Responses": "OpenAI's Responses, stateless: a translation into chat.",
    "Messages": "Anthropic's Messages: a translation into chat.",
    "Models": "What is served.",
    "Adapters": "What is served of adapters, and changing it while the server runs: for admins.",
    "Tokens": "vLLM's text to token ids, and back.",
    "Operations": "For orchestrators and monitoring; none of them needs a key.",
    "Description": "This document.",
}
_TEXT: Schema = {"type": "string"}

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
        errors=POSTED,
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
        errors=POSTED,
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
    *GENERATION,
    *STORED_RESPONSES,
    *_MODELS_AND_TOKENS,
    *ADAPTER_OPERATIONS,
    *_OPERATIONS,
)
