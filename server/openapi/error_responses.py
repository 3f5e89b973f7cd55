"""The responses of requests that fail, by status, in OpenAI's shape and in Anthropic's; and the headers of every response."""

from collections.abc import Iterable

from ..errors import RequestError, UnknownPath
from ..observing.request_id import REQUEST_ID_HEADER
from ..wire.messages_wire import REQUEST_ID_HEADER as ANTHROPIC_ID_HEADER
from ..wire.messages_wire import error_type as anthropic_type
from .component_schemas import reference
from .messages_objects import MessagesErrorBody
from .plain_objects import ErrorBody
from .schema_words import Schema

# These say when to try again.
_RETRIED = frozenset({429, 503})
_NUMBER: Schema = {"type": "integer", "minimum": 0}

HEADERS: dict[str, Schema] = {
    REQUEST_ID_HEADER: {
        "description": "The id of the request: the client's own where it can be used.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    ANTHROPIC_ID_HEADER: {
        "description": "The same, where Anthropic's clients look for it.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "required": True,
        "schema": _NUMBER,
    },
}
# What is left of a key's limits, where it has some.
LIMIT_HEADERS: dict[str, Schema] = {
    f"x-ratelimit-{what}-{unit}": {"description": description, "schema": schema}
    for unit in ("requests", "tokens")
    for what, description, schema in (
        ("limit", f"How many {unit} a minute this key may have.", _NUMBER),
        ("remaining", f"How many {unit} are left of this minute.", _NUMBER),
        ("reset", f"When all {unit} are back.", {"type": "string", "pattern": "^[0-9]+s$"}),
    )
}


def headers_named(names: Iterable[str]) -> Schema:
    """The `headers` of a response."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def shared_response(description: str, *, anthropic: bool, retried: bool = False) -> Schema:
    """A response without content."""
    names = [REQUEST_ID_HEADER]
    names += [ANTHROPIC_ID_HEADER] if anthropic else []
    names += ["Retry-After"] if retried else []
    return {"description": description, "headers": headers_named(names)}


def status_of(kind: type[RequestError]) -> int:
    """The HTTP status of the error; a path that is unknown to an operation is one that is not there."""
    return 404 if kind is UnknownPath else kind.status


def error_response(kind: type[RequestError], *, anthropic: bool) -> Schema:
    """The response to a request that fails so."""
    status, type_name, body = status_of(kind), kind.type, reference(ErrorBody)
    if anthropic:
        type_name, body = anthropic_type(status), reference(MessagesErrorBody)
    typed: Schema = {"properties": {"error": {"properties": {"type": {"const": type_name}}}}}
    description = (kind.__doc__ or "").partition("\n")[0]
    made = shared_response(description, anthropic=anthropic, retried=status in _RETRIED)
    return {**made, "content": {"application/json": {"schema": {"allOf": [body, typed]}}}}
