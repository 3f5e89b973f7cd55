"""Tools and tool calls as clients write them."""

from typing import Any

import pytest
from pydantic import ValidationError

from server.errors import InvalidRequest
from server.parsing.port import NamedTool
from server.schema.tool_schema import MessageToolCall, Tool, ToolFields


def tool(name: str = "f", **function: Any) -> Tool:
    return Tool.model_validate({"type": "function", "function": {"name": name, **function}})


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ({"name": "with space"}, "should match pattern"),
        ({"name": ""}, "should match pattern"),
        ({"name": "f", "parameters": [1]}, "valid dictionary"),
        ({"name": "f", "parameters": {"a": 1 << 70}}, "cannot be written as JSON"),
        ({}, "Field required"),
    ],
    ids=["space", "empty", "parameters", "number", "no name"],
)
def test_wrong_tools(function: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Tool.model_validate({"type": "function", "function": function})


def test_tools_are_functions() -> None:
    assert tool("mcp.server:do-it", parameters={"type": "object"}, strict=True).function.strict
    with pytest.raises(ValidationError, match="Input should be 'function'"):
        Tool.model_validate({"type": "custom", "custom": {"name": "f"}})


def fields(**body: Any) -> ToolFields:
    return ToolFields.model_validate(body)


TWO = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]


@pytest.mark.parametrize(
    ("choice", "demand"),
    [
        (None, "auto"),
        ("none", "none"),
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "g"}}, NamedTool(name="g")),
    ],
    ids=["default", "none", "auto", "required", "named"],
)
def test_choices_that_can_be_met(choice: Any, demand: Any) -> None:
    assert fields(tools=TWO, tool_choice=choice).demand == demand


@pytest.mark.parametrize(
    "body", [{}, {"tools": []}, {"tool_choice": "auto"}, {"tools": None, "tool_choice": "none"}]
)
def test_without_tools_nothing_is_demanded(body: dict[str, Any]) -> None:
    assert fields(**body).demand == "none"


@pytest.mark.parametrize(
    ("body", "param", "problem"),
    [
        ({"tool_choice": "required"}, "tool_choice", "there are no tools"),
        ({"tool_choice": {"function": {"name": "f"}}}, "tool_choice", "there are no tools"),
        (
            {"tools": TWO, "tool_choice": {"function": {"name": "h"}}},
            "tool_choice",
            "there is no tool 'h'; there are: f, g",
        ),
        ({"tools": TWO * 2}, "tools", "more than once: f, g"),
    ],
    ids=range(4),
)
def test_choices_that_cannot(body: dict[str, Any], param: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem) as caught:
        fields(**body)
    assert caught.value.param == param


def test_tools_reach_the_template_as_they_were_sent() -> None:
    function = {"name": "f", "parameters": {"properties": {"a": {"default": None}}}}
    asked = fields(tools=[{"type": "function", "function": {**function, "x": 1}}])
    assert asked.tool_objects == [{"type": "function", "function": function}]


def test_reasoning_effort_is_for_the_template() -> None:
    assert fields(reasoning_effort="low").template_kwargs == {
        "reasoning_effort": "low",
        "enable_thinking": True,
    }
    asked = fields(reasoning_effort="none", chat_template_kwargs={"enable_thinking": True})
    assert asked.template_kwargs == {"reasoning_effort": "none", "enable_thinking": True}


@pytest.mark.parametrize(("arguments", "expected"), [('{"a": 1}', {"a": 1}), ("", {}), ("  ", {})])
def test_templates_get_arguments_as_an_object(arguments: str, expected: dict[str, Any]) -> None:
    call = MessageToolCall.model_validate(
        {"id": "1", "function": {"name": "f", "arguments": arguments}}
    )
    assert call.for_template() == {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": expected},
    }


@pytest.mark.parametrize("arguments", ["{", "[1]", '"a"'])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    with pytest.raises(ValidationError, match="JSON object as text"):
        MessageToolCall.model_validate(
            {"id": "1", "function": {"name": "f", "arguments": arguments}}
        )
