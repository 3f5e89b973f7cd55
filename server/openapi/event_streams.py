"""How a stream of server-sent events is described: by its events, one schema for each of them.

OpenAPI before 3.2 has no words of its own for it; tools read the schema of `text/event-stream` as that of an event, an object
with `event` and `data`, and `contentSchema` as what is in the data.
"""

from collections.abc import Sequence
from typing import get_args

from pydantic import BaseModel

from .component_schemas import reference
from .plain_objects import ErrorBody
from .schema_words import Schema

MEDIA_TYPE = "text/event-stream"
DONE = "[DONE]"
# What an event without a name is called.
_UNNAMED: Schema = {"const": "message", "description": "Not sent: the default."}


def chunk_stream(chunk: type[BaseModel]) -> Schema:
    """OpenAI's older streams: unnamed events with chunks, an error in place of the last ones where it fails, and the end."""
    data = [_json(reference(chunk)), _json(reference(ErrorBody)), {"const": DONE}]
    return {
        "type": "object",
        "description": "An event: a chunk, an error as the last one where the answer fails, or the end.",
        "required": ["data"],
        "properties": {"event": _UNNAMED, "data": {"anyOf": data}},
        "additionalProperties": False,
    }


def named_stream(events: Sequence[type[BaseModel]]) -> Schema:
    """Streams of named events, each with the object in it that its name says."""
    return {
        "description": "An event: its name is the `type` of the object that is its data.",
        "oneOf": [_named(event) for event in events],
    }


def _named(event: type[BaseModel]) -> Schema:
    names = list(get_args(event.model_fields["type"].annotation))
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {"event": {"enum": names}, "data": _json(reference(event))},
        "additionalProperties": False,
    }


def _json(schema: Schema) -> Schema:
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
