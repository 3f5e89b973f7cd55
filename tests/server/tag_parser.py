"""A parser behind our port without vLLM: `[r]...[/r]` is reasoning, `[c]NAME ARGUMENTS[/c]` a call, the rest content."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from server.parsing.answer_parts import AnswerParts
from server.parsing.port import (
    EngineReasoning,
    NamedTool,
    ParsedDelta,
    ParseRequest,
    ParserNames,
    ToolCallDelta,
)
from server.parsing.structured_output import StructuredOutput
from server.tokenizer import ChatTokenizer

TAG = re.compile(r"\[(/?[rc])\]")


class TagParser:
    """One choice; text that may be the beginning of a tag is held back."""

    def __init__(self, *, reasons: bool, in_pieces: bool) -> None:
        self.is_reasoning = reasons
        self.token_ids: list[int] = []
        self._in_pieces = in_pieces
        self._in_call = False
        self._held = ""
        self._called: list[str] = []
        self._waiting: list[ParsedDelta] = []

    @property
    def has_called_tools(self) -> bool:
        return bool(self._called)

    def feed(self, text: str, token_id: int) -> ParsedDelta:
        self.token_ids.append(token_id)
        self._held += text
        parts = AnswerParts()
        while (tag := TAG.search(self._held)) is not None:
            parts.add(self._said(self._held[: tag.start()]))
            self._held = self._held[tag.end() :]
            self.is_reasoning = tag[1] == "r"
            self._in_call = tag[1] == "c"
        begun = re.search(r"\[[^\]]{0,2}$", self._held)
        if not self._in_call:
            at = len(self._held) if begun is None else begun.start()
            parts.add(self._said(self._held[:at]))
            self._held = self._held[at:]
        return self._given(whole(parts))

    def flush(self) -> ParsedDelta:
        rest = ParsedDelta() if self._in_call else self._said(self._held)
        if self._in_pieces:
            return rest
        parts = AnswerParts()
        for delta in [*self._waiting, rest]:
            parts.add(delta)
        return whole(parts)

    def _said(self, text: str) -> ParsedDelta:
        if self._in_call:
            name, _, arguments = text.partition(" ")
            self._called.append(name)
            index = len(self._called) - 1
            call = ToolCallDelta(index=index, id=f"call{index}", name=name, arguments=arguments)
            return ParsedDelta(tool_calls=(call,))
        return ParsedDelta(reasoning=text) if self.is_reasoning else ParsedDelta(content=text)

    def _given(self, delta: ParsedDelta) -> ParsedDelta:
        if self._in_pieces:
            return delta
        self._waiting.append(delta)
        return ParsedDelta()


def whole(parts: AnswerParts) -> ParsedDelta:
    """What the parts are together."""
    calls = tuple(
        ToolCallDelta(index=index, id=call.id, name=call.name, arguments=call.arguments)
        for index, call in parts.calls.items()
    )
    return ParsedDelta(content=parts.content, reasoning=parts.reasoning, tool_calls=calls)


@dataclass
class TagPlan:
    """One request; remembers the parsers it made."""

    request: ParseRequest
    structured: StructuredOutput | None
    reasons: bool = False
    skips_special_tokens: bool = True
    parsers: list[TagParser] = field(default_factory=list)

    @property
    def tells_reasoning(self) -> bool:
        return self.reasons

    @property
    def finishes_with_calls(self) -> bool:
        return not isinstance(self.request.demand, NamedTool)

    @property
    def reasoning(self) -> EngineReasoning | None:
        if not self.reasons:
            return None
        return EngineReasoning(has_ended=False, template_kwargs=dict(self.request.template_kwargs))

    def parser(self, *, in_pieces: bool) -> TagParser:
        self.parsers.append(TagParser(reasons=self.reasons, in_pieces=in_pieces))
        return self.parsers[-1]


@dataclass
class TagParsers:
    """The parsers of a model; remembers the plans it made. A demanded call is held to a regular expression."""

    reasons: bool = False
    skips_special_tokens: bool = True
    plans: list[TagPlan] = field(default_factory=list)

    def plan(self, request: ParseRequest, prompt_token_ids: Sequence[int]) -> TagPlan | None:
        if request.demand == "none" and not self.reasons:
            return None
        held = request.structured
        if request.demand not in ("none", "auto"):
            held = StructuredOutput(kind="regex", text=r"\[c\].*\[/c\]")
        self.plans.append(
            TagPlan(
                request=request,
                structured=held,
                reasons=self.reasons,
                skips_special_tokens=self.skips_special_tokens,
            )
        )
        return self.plans[-1]


class TagSource:
    """Makes them when a server starts."""

    def __init__(self) -> None:
        self.asked: list[ParserNames] = []

    def parsers(self, tokenizer: ChatTokenizer, names: ParserNames) -> TagParsers:
        self.asked.append(names)
        return TagParsers(reasons=names.reasoning is not None)
