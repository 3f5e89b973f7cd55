"""Output parsers for a markup of our own, a character a token: `~thought~`, and calls as `@name(arguments)`."""

from collections.abc import Sequence

from server.parsing.port import (
    EngineReasoning,
    NamedTool,
    ParsedDelta,
    ParseRequest,
    ToolCallDelta,
)
from server.parsing.structured_output import StructuredOutput


class MarkupParsers:
    """Reads every answer; `late` is a correction that comes when the answer ends."""

    def __init__(self, late: ParsedDelta | None = None) -> None:
        self.asked: list[ParseRequest] = []
        self._late = late or ParsedDelta()

    def plan(self, request: ParseRequest, prompt_token_ids: Sequence[int]) -> "MarkupPlan":
        self.asked.append(request)
        return MarkupPlan(self._late, named=isinstance(request.demand, NamedTool))


class MarkupPlan:
    structured: StructuredOutput | None = None
    skips_special_tokens = True
    reasoning: EngineReasoning | None = None
    tells_reasoning = True

    def __init__(self, late: ParsedDelta, *, named: bool = False) -> None:
        self.finishes_with_calls = not named
        self._late = late

    def parser(self, *, in_pieces: bool) -> "MarkupParser":
        return MarkupParser(self._late, in_pieces=in_pieces)


class MarkupParser:
    def __init__(self, late: ParsedDelta, *, in_pieces: bool) -> None:
        self.is_reasoning = False
        self.has_called_tools = False
        self._late = late
        self._in_pieces = in_pieces
        self._waiting: list[ParsedDelta] = []
        self._num_calls = 0
        self._name: str | None = None
        self._in_call = False

    def feed(self, text: str, token_id: int) -> ParsedDelta:
        if self._in_pieces:
            return self._read(text)
        self._waiting.append(self._read(text))
        return ParsedDelta()

    def flush(self) -> ParsedDelta:
        deltas = [*self._waiting, self._late]
        return ParsedDelta(
            content="".join(delta.content for delta in deltas),
            reasoning="".join(delta.reasoning for delta in deltas),
            tool_calls=tuple(call for delta in deltas for call in delta.tool_calls),
        )

    def _read(self, text: str) -> ParsedDelta:
        if self._in_call:
            return self._read_call(text)
        if text == "~":
            self.is_reasoning = not self.is_reasoning
            return ParsedDelta()
        if text == "@":
            self._in_call, self._name = True, ""
            return ParsedDelta()
        return ParsedDelta(reasoning=text) if self.is_reasoning else ParsedDelta(content=text)

    def _read_call(self, text: str) -> ParsedDelta:
        index = self._num_calls
        if self._name is not None and text != "(":
            self._name += text
            return ParsedDelta()
        if text == "(":
            call = ToolCallDelta(index=index, id=f"call{index}", name=self._name)
            self._name, self.has_called_tools = None, True
        elif text == ")":
            self._in_call, self._num_calls = False, index + 1
            return ParsedDelta()
        else:
            call = ToolCallDelta(index=index, arguments=text)
        return ParsedDelta(tool_calls=(call,))
