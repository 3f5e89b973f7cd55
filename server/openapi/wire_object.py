"""The base of every object that is sent. The wires write plain dicts; these classes say what is in them, for the document and the tests."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class WireObject(BaseModel):
    """Has no other fields than those named. A field with a default may be left out; see `absent`."""

    model_config = ConfigDict(extra="forbid", strict=True)


def absent(description: str | None = None) -> Any:
    """The default of a field that is left out where it says nothing, and that is never null unless its type says so."""
    return Field(default=None, description=description, json_schema_extra=without_default)


def without_default(schema: dict[str, Any]) -> None:
    """Takes back what would be said of a default."""
    schema.pop("default", None)
