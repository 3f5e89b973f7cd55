"""The OpenAPI document of a server: a pure function of the little that differs from one to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel

from .. import __version__
from ..observing.request_id import REQUEST_ID_HEADER
from ..schema.request_object import RequestPart
from . import chat_amendments, messages_amendments, responses_amendments
from .chat_objects import ChatChunk
from .completion_objects import CompletionChunk
from .component_schemas import Amendment, component_schemas
from .error_responses import HEADERS, LIMIT_HEADERS
from .messages_objects import MESSAGE_EVENTS, MessagesErrorBody
from .operations import OPERATIONS, TAGS
from .plain_objects import ErrorBody
from .response_events import RESPONSE_EVENTS
from .schema_words import Schema

_DESCRIPTION = """\
Base language models with LoRA adapters as chat, with every answer ending where it should.

Every response has the header `X-Request-Id`. Errors are in the shape of the API that was called. An unknown path is
answered with 404, a method that a path does not take with 405, in the same shape.
Numbers are read strictly: a number in a string is an error, and so is 1.0 for an integer.
"""
_AMENDMENTS: Mapping[type[RequestPart], Amendment] = {
    **chat_amendments.AMENDMENTS,
    **messages_amendments.AMENDMENTS,
    **responses_amendments.AMENDMENTS,
}
_SECURITY: Schema = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer KEY`, everywhere.",
    },
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "As Anthropic's clients send it, below /v1/messages.",
    },
}
_REQUEST_ID: Schema = {
    "name": REQUEST_ID_HEADER,
    "in": "header",
    "description": "An id for the request, of 1 to 128 visible ASCII characters. Another one is made in place of what is none.",
    "schema": {"type": "string"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What of a server shows in its document.

    `model` is the one examples ask for. `has_keys`: a key is needed. `unknown_fields`: requests may have some.
    """

    model: str
    has_keys: bool = False
    unknown_fields: bool = True


def document(facts: ServerFacts) -> dict[str, Any]:
    """The OpenAPI document."""
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        described = operation.as_object(facts.model, has_keys=facts.has_keys)
        paths.setdefault(operation.path, {})[operation.method] = described
    components: Schema = {
        "schemas": _schemas(facts),
        "headers": {**HEADERS, **(LIMIT_HEADERS if facts.has_keys else {})},
        "parameters": {REQUEST_ID_HEADER: _REQUEST_ID},
    }
    if facts.has_keys:
        components["securitySchemes"] = _SECURITY
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "endturn",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": components,
    }


@cache
def document_text(facts: ServerFacts) -> bytes:
    """The document as JSON text. It takes a tenth of a second to make, so it is kept."""
    return orjson.dumps(document(facts))


def _schemas(facts: ServerFacts) -> Schema:
    requests = [operation.body for operation in OPERATIONS if operation.body is not None]
    answers: list[type[BaseModel]] = [
        operation.answer for operation in OPERATIONS if isinstance(operation.answer, type)
    ]
    events: tuple[type[BaseModel], ...] = (
        ChatChunk,
        CompletionChunk,
        *MESSAGE_EVENTS,
        *RESPONSE_EVENTS,
    )
    return component_schemas(
        requests,
        [*answers, *events, ErrorBody, MessagesErrorBody],
        _AMENDMENTS,
        unknown_fields=facts.unknown_fields,
    )
