"""How a client offers tools and speaks of tool calls: `tools`, `tool_choice`, and the calls in messages."""

from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import Field, field_validator, model_validator

from ..errors import InvalidRequest
from ..parsing.port import NamedTool, ToolDemand
from .output_schema import schema_text
from .request_object import RequestPart

MAX_TOOLS = 128
MAX_CALLS = 128
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
# OpenAI takes letters, digits, _ and -; names from MCP servers hold dots, colons and slashes too.
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$")]


class FunctionDefinition(RequestPart):
    """What a tool is called, what it does, and the JSON schema of its arguments."""

    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def _are_not_too_large(cls, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        if parameters is not None:
            schema_text(parameters)
        return parameters


class Tool(RequestPart):
    """One entry of `tools`."""

    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(RequestPart):
    """The function of a named tool choice."""

    name: ToolName


class NamedToolChoice(RequestPart):
    """`tool_choice` that wants one tool to be called."""

    type: Literal["function"] = "function"
    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedToolChoice


class CalledFunction(RequestPart):
    """What an assistant called; `arguments` is JSON text."""

    name: str = Field(min_length=1, max_length=256)
    arguments: str = "{}"

    @field_validator("arguments")
    @classmethod
    def _are_an_object(cls, arguments: str) -> str:
        _arguments_object(arguments)
        return arguments


class MessageToolCall(RequestPart):
    """A call in an assistant's message."""

    # Clients that put a call together from a stream keep its number.
    also_known: ClassVar[frozenset[str]] = frozenset({"index"})

    id: str = Field(min_length=1, max_length=256)
    type: Literal["function"] = "function"
    function: CalledFunction

    def for_template(self) -> dict[str, Any]:
        """The call as chat templates read it: its arguments are an object, not JSON text."""
        called = {
            "name": self.function.name,
            "arguments": _arguments_object(self.function.arguments),
        }
        return {"id": self.id, "type": self.type, "function": called}


def _arguments_object(arguments: str) -> dict[str, Any]:
    if not arguments.strip():
        return {}
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError as exc:
        raise ValueError(f"arguments must be a JSON object as text: {exc}") from exc
    if not isinstance(value, dict):
        raise ValueError("arguments must be a JSON object as text")  # noqa: TRY004  (pydantic turns ValueErrors alone into ours)
    return value


class ToolFields(RequestPart):
    """What of a chat request concerns tools and reasoning."""

    tools: list[Tool] | None = Field(default=None, max_length=MAX_TOOLS)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = True
    include_reasoning: bool = True
    reasoning_effort: ReasoningEffort | None = None
    chat_template_kwargs: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _tools_fit_the_choice(self) -> Self:
        problem = _contradiction(self.tools or [], self.tool_choice)
        if problem is not None:
            param, message = problem
            raise InvalidRequest(f"{param}: {message}", param=param)
        return self

    @property
    def tool_objects(self) -> list[dict[str, Any]]:
        """The tools as chat templates and parsers read them."""
        return [tool.model_dump(exclude_unset=True) for tool in self.tools or []]

    @property
    def demand(self) -> ToolDemand:
        """What is to be done with the tools; "none" where there are none."""
        if not self.tools:
            return "none"
        if isinstance(self.tool_choice, NamedToolChoice):
            return NamedTool(name=self.tool_choice.function.name)
        return self.tool_choice or "auto"

    @property
    def template_kwargs(self) -> dict[str, Any]:
        """What the template is told beside messages and tools; an effort switches thinking on or off, as in vLLM."""
        if self.reasoning_effort is None:
            return self.chat_template_kwargs
        effort = self.reasoning_effort
        told = {"reasoning_effort": effort, "enable_thinking": effort != "none"}
        return {**told, **self.chat_template_kwargs}


def _contradiction(tools: list[Tool], choice: ToolChoice | None) -> tuple[str, str] | None:
    """The field that is wrong, and why; None where nothing is."""
    names = [tool.function.name for tool in tools]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return "tools", f"each needs a name of its own; more than once: {', '.join(twice)}"
    if choice in (None, "none", "auto"):
        return None
    if not tools:
        return "tool_choice", "it asks for a tool call, and there are no tools"
    if isinstance(choice, NamedToolChoice) and choice.function.name not in names:
        wanted = choice.function.name
        return "tool_choice", f"there is no tool {wanted!r}; there are: {', '.join(names)}"
    return None
