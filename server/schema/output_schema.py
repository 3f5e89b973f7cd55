"""How a client asks for structured output: OpenAI's `response_format` and vLLM's `structured_outputs`.

Only shape and size are judged here; whether a schema, regex or grammar can be enforced is for the engine to say.
"""

from typing import Any, Literal, Self

import orjson
from pydantic import ConfigDict, Field, field_validator, model_validator

from ..parsing.structured_output import ConstraintKind, StructuredOutput
from .request_object import RequestPart

MAX_SCHEMA_BYTES = 256 << 10
# The engine's own bound; the cost of turning a schema into a mask grows steeply with its depth.
MAX_SCHEMA_DEPTH = 64
MAX_PATTERN_CHARS = 16 << 10
MAX_GRAMMAR_CHARS = 64 << 10
MAX_CHOICES = 1024
_CONSTRAINTS: tuple[ConstraintKind, ...] = (
    "json", "json_object", "regex", "choice", "grammar", "structural_tag",
)  # fmt: skip


def schema_text(schema: Any) -> str:
    """A JSON schema as JSON text.

    Raises:
        ValueError: it is too large, nested too deep, or no JSON object.
    """
    if not isinstance(schema, dict):
        raise ValueError("a JSON schema must be a JSON object")  # noqa: TRY004  (pydantic turns ValueErrors alone into ours)
    _check_depth(schema)
    try:
        text = orjson.dumps(schema)
    except orjson.JSONEncodeError as exc:
        raise ValueError(f"this schema cannot be written as JSON: {exc}") from exc
    if len(text) > MAX_SCHEMA_BYTES:
        raise ValueError(f"a JSON schema has at most {MAX_SCHEMA_BYTES:,} bytes, found {len(text)}")
    return text.decode()


def _check_depth(schema: Any) -> None:
    level = [schema]
    for _ in range(MAX_SCHEMA_DEPTH):
        children = [
            child for node in level for child in (node.values() if isinstance(node, dict) else node)
        ]
        level = [child for child in children if isinstance(child, dict | list)]
        if not level:
            return
    raise ValueError(f"objects and arrays of a JSON schema nest at most {MAX_SCHEMA_DEPTH} deep")


class JsonSchema(RequestPart):
    """`response_format.json_schema`. The schema is always enforced, whatever `strict` says."""

    name: str = Field(min_length=1, max_length=256)
    description: str | None = None
    json_schema: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None

    @field_validator("json_schema")
    @classmethod
    def _is_not_too_large(cls, schema: dict[str, Any]) -> dict[str, Any]:
        schema_text(schema)
        return schema


class ResponseFormat(RequestPart):
    """OpenAI's `response_format`: text, json_object or json_schema; and vLLM's structural_tag, in its newer or its older form."""

    type: Literal["text", "json_object", "json_schema", "structural_tag"]
    json_schema: JsonSchema | None = None
    format: dict[str, Any] | None = None
    structures: list[dict[str, Any]] | None = None
    triggers: list[str] | None = None

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> "ResponseFormat":
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError('type "json_schema" needs the field json_schema')
        if self.type == "structural_tag":
            if self.format is None and (self.structures is None or self.triggers is None):
                raise ValueError('type "structural_tag" needs format, or structures and triggers')
            schema_text(self._tag())
        return self

    def _tag(self) -> dict[str, Any]:
        if self.format is not None:
            return {"type": self.type, "format": self.format}
        return {"type": self.type, "structures": self.structures, "triggers": self.triggers}

    @property
    def constraint(self) -> StructuredOutput | None:
        """What the answer must look like; None for text."""
        if self.type == "json_object":
            return StructuredOutput(kind="json_object")
        if self.type == "json_schema" and self.json_schema is not None:
            return StructuredOutput(kind="json", text=schema_text(self.json_schema.json_schema))
        if self.type == "structural_tag":
            return StructuredOutput(kind="structural_tag", text=schema_text(self._tag()))
        return None


class StructuredOutputs(RequestPart):
    """vLLM's `structured_outputs`: exactly one constraint, and how white space and unknown keys are treated."""

    # A misspelt constraint must not be an answer without one.
    model_config = ConfigDict(extra="forbid")

    json_value: str | dict[str, Any] | None = Field(default=None, alias="json")
    json_object: Literal[True] | None = None
    regex: str | None = Field(default=None, max_length=MAX_PATTERN_CHARS)
    choice: list[str] | None = Field(default=None, min_length=1, max_length=MAX_CHOICES)
    grammar: str | None = Field(default=None, min_length=1, max_length=MAX_GRAMMAR_CHARS)
    structural_tag: str | None = Field(default=None, min_length=1, max_length=MAX_SCHEMA_BYTES)
    disable_any_whitespace: bool = False
    disable_additional_properties: bool = False
    whitespace_pattern: str | None = Field(default=None, max_length=MAX_PATTERN_CHARS)

    @field_validator("json_value")
    @classmethod
    def _is_a_schema(cls, schema: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
        return None if schema is None else schema_text(_parsed(schema))

    @field_validator("structural_tag")
    @classmethod
    def _is_json(cls, tag: str | None) -> str | None:
        return None if tag is None else schema_text(_parsed(tag))

    @model_validator(mode="after")
    def _is_one_constraint(self) -> "StructuredOutputs":
        given = self._given()
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise ValueError(f"exactly one of {', '.join(_CONSTRAINTS)} must be set, found {found}")
        return self

    def _given(self) -> list[ConstraintKind]:
        values = {"json": self.json_value}
        return [
            kind
            for kind in _CONSTRAINTS
            if (values[kind] if kind in values else getattr(self, kind)) is not None
        ]

    @property
    def constraint(self) -> StructuredOutput:
        """What the answer must look like."""
        [kind] = self._given()
        text = {
            "json": self.json_value,
            "regex": self.regex,
            "grammar": self.grammar,
            "structural_tag": self.structural_tag,
        }.get(kind)
        return StructuredOutput(
            kind=kind,
            text=text if isinstance(text, str) else "",
            choices=tuple(self.choice or ()),
            disable_any_whitespace=self.disable_any_whitespace,
            disable_additional_properties=self.disable_additional_properties,
            whitespace_pattern=self.whitespace_pattern,
        )


class ConstraintFields(RequestPart):
    """What of a request says how its answer must look."""

    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None

    @model_validator(mode="after")
    def _is_one_constraint(self) -> Self:
        if self.structured_outputs is not None and self._format_constraint() is not None:
            raise ValueError(
                "response_format and structured_outputs cannot both constrain an answer"
            )
        return self

    def _format_constraint(self) -> StructuredOutput | None:
        return None if self.response_format is None else self.response_format.constraint

    @property
    def structured(self) -> StructuredOutput | None:
        """What the answer must look like; None where it is free."""
        if self.structured_outputs is not None:
            return self.structured_outputs.constraint
        return self._format_constraint()


def _parsed(schema: str | dict[str, Any]) -> Any:
    if not isinstance(schema, str):
        return schema
    try:
        return orjson.loads(schema)
    except orjson.JSONDecodeError as exc:
        raise ValueError(f"this is not valid JSON: {exc}") from exc
