"""Structured output as clients ask for it: shapes, limits, and the constraint that comes of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from server.parsing.structured_output import StructuredOutput
from server.schema.output_schema import (
    MAX_CHOICES,
    MAX_SCHEMA_BYTES,
    MAX_SCHEMA_DEPTH,
    ResponseFormat,
    StructuredOutputs,
    schema_text,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TEXT = '{"type":"object","properties":{"a":{"type":"integer"}}}'


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth - 1):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("body", "constraint"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, StructuredOutput(kind="json_object")),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}},
            StructuredOutput(kind="json", text=TEXT),
        ),
        (
            {"type": "structural_tag", "format": {"type": "any_text"}},
            StructuredOutput(
                kind="structural_tag",
                text='{"type":"structural_tag","format":{"type":"any_text"}}',
            ),
        ),
        (
            {"type": "structural_tag", "structures": [], "triggers": ["<"]},
            StructuredOutput(
                kind="structural_tag",
                text='{"type":"structural_tag","structures":[],"triggers":["<"]}',
            ),
        ),
    ],
    ids=["text", "json_object", "json_schema", "structural_tag", "older structural_tag"],
)
def test_response_formats(body: dict[str, Any], constraint: StructuredOutput | None) -> None:
    assert ResponseFormat.model_validate(body).constraint == constraint


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"type": "xml"}, "Input should be 'text', 'json_object', 'json_schema' or"),
        ({"type": "json_schema"}, "needs the field json_schema"),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, "Field required"),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": nested(99)}},
            "nest at most",
        ),
        ({"type": "structural_tag", "structures": []}, "needs format, or structures and"),
        ({"type": "structural_tag", "format": nested(99)}, "nest at most"),
    ],
    ids=["type", "no schema", "no schema in it", "too deep", "half a tag", "too deep a tag"],
)
def test_wrong_response_formats(body: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ResponseFormat.model_validate(body)


@pytest.mark.parametrize(
    ("body", "constraint"),
    [
        ({"json": SCHEMA}, StructuredOutput(kind="json", text=TEXT)),
        ({"json": TEXT}, StructuredOutput(kind="json", text=TEXT)),
        ({"json_object": True}, StructuredOutput(kind="json_object")),
        (
            {"regex": "a+", "whitespace_pattern": " "},
            StructuredOutput(kind="regex", text="a+", whitespace_pattern=" "),
        ),
        ({"choice": ["a", "b"]}, StructuredOutput(kind="choice", choices=("a", "b"))),
        (
            {"grammar": 'root ::= "a"', "disable_any_whitespace": True},
            StructuredOutput(kind="grammar", text='root ::= "a"', disable_any_whitespace=True),
        ),
        (
            {"structural_tag": '{"structures": []}'},
            StructuredOutput(kind="structural_tag", text='{"structures":[]}'),
        ),
    ],
    ids=["json", "json text", "json_object", "regex", "choice", "grammar", "structural_tag"],
)
def test_structured_outputs(body: dict[str, Any], constraint: StructuredOutput) -> None:
    assert StructuredOutputs.model_validate(body).constraint == constraint


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "exactly one of .* found none"),
        ({"regex": "a", "json_object": True}, "found json_object, regex"),
        ({"json_object": False}, "Input should be True"),
        ({"json": "{"}, "not valid JSON"),
        ({"json": "3"}, "must be a JSON object"),
        ({"structural_tag": "["}, "not valid JSON"),
        ({"choice": []}, "at least 1 item"),
        ({"choice": ["a"] * (MAX_CHOICES + 1)}, f"at most {MAX_CHOICES}"),
        ({"reegx": "a"}, "Extra inputs"),
    ],
    ids=range(9),
)
def test_wrong_structured_outputs(body: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        StructuredOutputs.model_validate(body)


def test_limits_of_a_schema() -> None:
    assert schema_text(nested(MAX_SCHEMA_DEPTH))
    with pytest.raises(ValueError, match="nest at most 64 deep"):
        schema_text(nested(MAX_SCHEMA_DEPTH + 1))
    with pytest.raises(ValueError, match="at most 262,144 bytes"):
        schema_text({"description": "a" * MAX_SCHEMA_BYTES})
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        schema_text({"maximum": 1 << 70})
