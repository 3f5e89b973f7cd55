"""JSON Schema in words: the pieces that amendments are made of."""

from typing import Any

Schema = dict[str, Any]

NULL: Schema = {"type": "null"}
TEXT: Schema = {"type": "string"}
OBJECT: Schema = {"type": "object"}
ARRAY: Schema = {"type": "array"}
TRUE: Schema = {"const": True}
NOT_NULL: Schema = {"not": NULL}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, NULL]}


def given(name: str, schema: Schema) -> Schema:
    """An object that has the field, and a value of that schema in it."""
    return {"required": [name], "properties": {name: schema}}


def not_together(said: str, *schemas: Schema) -> Schema:
    """What does not fit all of the schemas at once; `said` is the rule in words."""
    return {"description": said, "not": {"allOf": list(schemas)}}


def when(said: str, condition: Schema, *needed: Schema) -> Schema:
    """Where the condition holds, all of the others do; `said` is the rule in words.

    Not as `if` and `then`: these make two kinds of object in the pages that show the document.
    """
    return not_together(said, condition, {"not": {"allOf": list(needed)}})


def exactly_one_of(*names: str) -> Schema:
    """An object with one of these fields, and not null."""
    return {"oneOf": [given(name, NOT_NULL) for name in names]}


def some(items: Schema | None = None) -> Schema:
    """An array of at least one."""
    return {**ARRAY, "minItems": 1, **({} if items is None else {"items": items})}


def not_here(instead: str) -> Schema:
    """A field that another API has: it may be null."""
    return {**NULL, "description": f"This API has {instead} instead."}
