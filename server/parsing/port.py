"""The port to output parsers: an answer's text in, content, reasoning and tool calls out. Knows nothing of vLLM or HTTP.

`vllm_parsers` stands behind it in production. `OutputParsers` belongs to a served model, a `ParsingPlan` to one request,
an `OutputParser` to one choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..tokenizer import ChatTokenizer
from .structured_output import StructuredOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTool:
    """A tool that must be called."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserNames:
    """What the parsers of a model are called; None: tool calls, or reasoning, are not looked for."""

    tool_calls: str | None = None
    reasoning: str | None = None


ToolDemand = Literal["none", "auto", "required"] | NamedTool


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseRequest:
    """What of a request the parsers need. `tools` are OpenAI's objects; `demand` is "none" where there are none."""

    tools: tuple[Mapping[str, Any], ...] = ()
    demand: ToolDemand = "none"
    parallel_calls: bool = True
    include_reasoning: bool = True
    structured: StructuredOutput | None = None
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A piece of one call: `id` and `name` come once, `arguments` (JSON text) in pieces."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDelta:
    """What some text of an answer turned out to be."""

    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.content or self.reasoning or self.tool_calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReasoning:
    """Whether the prompt leaves reasoning open, so that the engine waits with a constraint until it is over."""

    has_ended: bool
    template_kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """What kind of answer is to come: held to a constraint, one that may call tools, or free text."""

    structured: StructuredOutput | None = None
    may_call_tools: bool = False
    skips_special_tokens: bool = True

    @property
    def is_free_text(self) -> bool:
        return self.structured is None and not self.may_call_tools


class OutputParser(Protocol):
    """Reads one choice. `feed` until its end, then `flush` once."""

    @property
    def is_reasoning(self) -> bool:
        """Whether the text read so far leaves reasoning open."""
        ...

    @property
    def has_called_tools(self) -> bool:
        """Whether a tool call was found so far."""
        ...

    def feed(self, text: str, token_id: int) -> ParsedDelta:
        """One token and its text. Token by token: parsers lose what comes several tokens at once.

        Raises:
            InternalError: the parser failed.
        """
        ...

    def flush(self) -> ParsedDelta:
        """What was held back.

        Raises:
            InternalError: the parser failed.
        """
        ...


class ParsingPlan(Protocol):
    """How the choices of one request are read, and what that asks of the engine."""

    @property
    def structured(self) -> StructuredOutput | None:
        """What the answer must look like for the parser to read it, or as the client asked."""
        ...

    @property
    def skips_special_tokens(self) -> bool:
        """False where the parser looks for special tokens in the text."""
        ...

    @property
    def reasoning(self) -> EngineReasoning | None:
        """None where the engine has nothing to wait for."""
        ...

    @property
    def tells_reasoning(self) -> bool:
        """Whether reasoning is told from the rest."""
        ...

    @property
    def finishes_with_calls(self) -> bool:
        """Whether an answer with calls ends as `tool_calls`; one that was told which tool to call ends as `stop`."""
        ...

    def parser(self, *, in_pieces: bool) -> OutputParser:
        """A parser for one choice; not in pieces, it gives everything in `flush`."""
        ...


class OutputParsers(Protocol):
    """The parsers of one served model."""

    def plan(self, request: ParseRequest, prompt_token_ids: Sequence[int]) -> ParsingPlan | None:
        """How to read the answers to `request`; None where the text is the content.

        Raises:
            InvalidRequest: these tools, or this choice, cannot be served.
        """
        ...


class ParserSource(Protocol):
    """Makes parsers when the server starts."""

    def parsers(self, tokenizer: ChatTokenizer, names: ParserNames) -> OutputParsers:
        """The parsers called `names`, for a model with this tokenizer.

        Raises:
            StartError: there is no parser of that name, or it cannot work with this tokenizer.
        """
        ...
