"""A pydantic model of untrusted JSON: whatever is wrong with it costs little to find and to tell.

pydantic notes every error of a value, at some 6 µs and a kilobyte each: a list of millions of wrong items would take minutes
and gigabytes. So a list ends at its first wrong item, and an object of absurdly many fields is one error.
"""

from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema

MAX_FIELDS = 10_000
_SEQUENCES = frozenset({"list", "tuple", "set", "frozenset"})
# What of a schema holds values instead of schemas.
_NO_SCHEMAS = frozenset({"metadata", "default", "config", "expected"})


def _fail_fast(node: Any) -> None:
    if isinstance(node, dict):
        kind = node.get("type")  # a schema's kind, or the schema of a field that is called type
        if isinstance(kind, str) and kind in _SEQUENCES:
            node["fail_fast"] = True
        for name, inner in node.items():
            if name not in _NO_SCHEMAS:
                _fail_fast(inner)
    elif isinstance(node, list | tuple):
        for inner in node:
            _fail_fast(inner)


class BoundedModel(BaseModel):
    """Base of such models."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        _fail_fast(schema)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if len(data) > MAX_FIELDS:
            raise ValueError(f"an object has at most {MAX_FIELDS:,} fields, found {len(data):,}")
        for name, value in data.items():
            if isinstance(value, dict) and len(value) > MAX_FIELDS:
                raise ValueError(
                    f"{name!r:.80} has {len(value):,} fields, an object has at most {MAX_FIELDS:,}"
                )
        return data


def shown(value: Any, max_chars: int) -> str:
    """The beginning of `value` as Python writes it; JSON may be nested deeper than that can be done."""
    try:
        return f"{value!r:.{max_chars}}"
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deep"
