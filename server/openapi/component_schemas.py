"""JSON schemas of request and response objects, from the pydantic models, as `components.schemas` of an OpenAPI document.

What only the validators of a request know is added from amendments.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import (
    GenerateJsonSchema,
    JsonSchemaValue,
    models_json_schema,
)
from pydantic_core import core_schema

from ..schema.request_object import RequestPart
from ..schema.request_parts import EndturnOptions
from .field_notes import FIELD_NOTES
from .schema_words import Schema

_REF = "#/components/schemas/{model}"
# What the reader of a body makes an integer of; a larger one is read as a number with a fraction.
MAX_INTEGER = 2**64 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What the validators of one kind of object know.

    `fields` replace schemas of fields, or add them; `together` are schemas that the object must fit as a whole.
    """

    fields: Mapping[str, Schema] = field(default_factory=dict)
    together: tuple[Schema, ...] = ()


def reference(model: type[BaseModel]) -> Schema:
    """The schema of `model`, by its name."""
    return {"$ref": _REF.format(model=model.__name__)}


def component_schemas(
    requests: Sequence[type[RequestPart]],
    responses: Iterable[type[BaseModel]],
    amendments: Mapping[type[RequestPart], Amendment],
    *,
    unknown_fields: bool,
) -> dict[str, Schema]:
    """A schema for each model and for each object in them, by name.

    Args:
        unknown_fields: whether requests may have fields that nothing knows.
    """
    schemas = {**_definitions(responses, _Plain), **_definitions(requests, _RequestWords)}
    parts = {kind.__name__: kind for kind in _subclasses(RequestPart)}
    noted: tuple[type[BaseModel], ...] = (*requests, EndturnOptions)
    for each in noted:
        _add_notes(schemas[each.__name__])
    for name in schemas.keys() & parts.keys():
        for kind in reversed(parts[name].__mro__):
            if kind in amendments:
                _add_amendment(schemas[name], amendments[kind])
        _add_refused(schemas[name], parts[name])
    for name in schemas.keys() & parts.keys():
        continued = parts[name].continues
        if continued is not None:
            _add_continued(schemas[name], schemas[continued.__name__])
    if not unknown_fields:
        for name in schemas.keys() & parts.keys():
            _close(schemas[name], parts[name])
    return schemas


class _Plain(GenerateJsonSchema):
    """Field names made into titles, and null as a default, say nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  (pydantic's signature)
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("default", ...) is None:
            del made["default"]
        return made


class _RequestWords(_Plain):
    """What is needed comes first, and integers are those that the reader of a body can read."""

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        made = super().int_schema(schema)
        if not made.keys() & {"maximum", "exclusiveMaximum"}:
            made["maximum"] = MAX_INTEGER
        return made

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        fields, needed = made.get("properties", {}), made.get("required", ())
        made["properties"] = {name: fields[name] for name in (*needed, *fields)}
        return made


def _definitions(
    kinds: Iterable[type[BaseModel]], words: type[GenerateJsonSchema]
) -> dict[str, Schema]:
    _, found = models_json_schema(
        [(kind, "validation") for kind in dict.fromkeys(kinds)],
        ref_template=_REF,
        schema_generator=words,
    )
    definitions: dict[str, Schema] = found["$defs"]
    return definitions


def _subclasses(kind: type[RequestPart]) -> Iterable[type[RequestPart]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _add_notes(schema: Schema) -> None:
    for name, described in schema.get("properties", {}).items():
        if name in FIELD_NOTES:
            described.setdefault("description", FIELD_NOTES[name])


def _add_amendment(schema: Schema, amendment: Amendment) -> None:
    properties = schema.setdefault("properties", {})
    for name, amended in amendment.fields.items():
        kept = {
            key: value
            for key, value in properties.get(name, {}).items()
            if key in ("default", "description")
        }
        properties[name] = {**kept, **amended}
    if amendment.together:
        schema["allOf"] = [*schema.get("allOf", ()), *amendment.together]


def _add_refused(schema: Schema, kind: type[RequestPart]) -> None:
    for name, harmless in getattr(kind, "refused", {}).items():
        schema["properties"].setdefault(
            name,
            {"enum": list(harmless), "description": "Not served: other values are refused."},
        )


def _add_continued(schema: Schema, continued: Schema) -> None:
    """Fields of another API that go on to a chat request are what they are there."""
    for name, described in continued["properties"].items():
        schema["properties"].setdefault(name, described)


def _close(schema: Schema, kind: type[RequestPart]) -> None:
    if kind.model_config.get("extra") == "allow" and kind.continues is None:
        return
    known = kind.also_known | (kind.continues.also_known if kind.continues else frozenset())
    for name in sorted(known):
        schema["properties"].setdefault(name, {"description": "Accepted and ignored."})
    schema["additionalProperties"] = False
