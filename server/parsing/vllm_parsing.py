"""One request, and one choice of it, through vLLM's parsers. `vllm_parsers` makes them.

A whole answer is read by vLLM's `parse`. One in pieces is read token by token by `parse_delta`; its parsers can miss what
comes at the end, so at the end `parse` reads the whole text too, and what is missing is added.
"""

from typing import Any

from pydantic import ValidationError
from vllm.entrypoints.generate.base.protocol import DeltaMessage
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.exceptions import VLLMClientError
from vllm.parser.abstract_parser import Parser
from vllm.renderers.chat_utils import make_tool_call_id
from vllm.tool_parsers.abstract_tool_parser import ToolParser

from ..errors import InternalError, InvalidRequest
from .answer_parts import AnswerParts
from .port import EngineReasoning, NamedTool, ParsedDelta, ParseRequest, ToolCallDelta
from .vllm_structured import structured_output, structured_outputs_params


class JsonCalls(ToolParser):  # type: ignore[misc]  # vLLM is untyped to mypy
    """Reads only calls that were demanded: what vLLM holds to JSON and reads by itself."""

    def extract_tool_calls_streaming(self, *texts: Any, **_: Any) -> DeltaMessage:
        raise NotImplementedError("only demanded calls are read here")


class VLLMParsingPlan:
    """One request: vLLM's form of it, as its parsers adjusted it."""

    def __init__(
        self,
        parser_class: type[Parser],
        tokenizer: object,
        request: ParseRequest,
        prompt_token_ids: list[int],
        *,
        engine_waits: bool,
        in_pieces: bool = True,
    ) -> None:
        self._in_pieces = in_pieces
        self._parser_class = parser_class
        self._tokenizer = tokenizer
        self._prompt_token_ids = prompt_token_ids
        self._parallel_calls = request.parallel_calls
        self._template_kwargs = dict(request.template_kwargs)
        try:
            self._asked = _chat_request(request)
            parser = self.new_parser()
            self._asked = parser.adjust_request(self._asked)
        except (ValidationError, VLLMClientError, ValueError) as exc:
            raise _refusal(exc) from exc
        self.structured = structured_output(self._asked.extract_structured_outputs())
        self.skips_special_tokens: bool = self._asked.skip_special_tokens
        self.tells_reasoning = parser.reasoning_parser is not None
        self.finishes_with_calls = not isinstance(request.demand, NamedTool)
        self.reasoning = None
        if engine_waits:
            has_ended = self._asked.resolve_reasoning_ended(parser, prompt_token_ids)
            self.reasoning = EngineReasoning(
                has_ended=bool(has_ended), template_kwargs=self._template_kwargs
            )

    def parser(self, *, in_pieces: bool) -> "VLLMOutputParser":
        return VLLMOutputParser(self, in_pieces=in_pieces and self._in_pieces)

    def new_parser(self) -> Parser:
        """vLLM's parser for one text."""
        parser = self._parser_class(
            self._tokenizer, self._asked.tools, chat_template_kwargs=self._template_kwargs
        )
        parser.set_prompt_token_ids(self._prompt_token_ids)
        return parser

    def begins_with_reasoning(self, parser: Parser) -> bool:
        """Whether the prompt leaves reasoning open."""
        if parser.reasoning_parser is None:
            return False
        return not parser.is_reasoning_end(self._prompt_token_ids)

    def read_piece(self, parser: Parser, text: str, token_ids: list[int], end: bool) -> ParsedDelta:
        """What new text is; `end` after the last of it."""
        try:
            message = parser.parse_delta(
                text, token_ids, self._asked, self._prompt_token_ids, finished=end
            )
        except Exception as exc:  # written for what models should say, and they say anything
            raise InternalError("the output parser failed on this answer") from exc
        return ParsedDelta() if message is None else self._delta(message)

    def read_whole(self, text: str, token_ids: list[int]) -> ParsedDelta:
        """What the whole text is."""
        try:
            reasoning, content, calls = self.new_parser().parse(
                text, self._asked, enable_auto_tools=True, model_output_token_ids=token_ids
            )
        except Exception as exc:  # the same
            raise InternalError("the output parser failed on this answer") from exc
        found = [] if calls is None else calls if self._parallel_calls else calls[:1]
        if not (reasoning or content or found):
            content = text  # a demanded call that was cut off: nothing of an answer is dropped
        return ParsedDelta(
            content=content or "",
            reasoning=(reasoning or "") if self._asked.include_reasoning else "",
            tool_calls=tuple(
                ToolCallDelta(
                    index=index,
                    id=call.id or make_tool_call_id(),
                    name=call.name,
                    arguments=call.arguments,
                )
                for index, call in enumerate(found)
            ),
        )

    def _delta(self, message: DeltaMessage) -> ParsedDelta:
        calls = [
            ToolCallDelta(
                index=call.index,
                id=call.id,
                name=None if call.function is None else call.function.name,
                arguments=(None if call.function is None else call.function.arguments) or "",
            )
            for call in message.tool_calls
            if self._parallel_calls or call.index == 0
        ]
        return ParsedDelta(
            content=message.content or "",
            reasoning=message.reasoning or "",
            tool_calls=tuple(calls),
        )


class VLLMOutputParser:
    """One choice."""

    def __init__(self, plan: VLLMParsingPlan, *, in_pieces: bool) -> None:
        self._plan = plan
        self._parser = plan.new_parser()
        self._in_pieces = in_pieces
        self._text: list[str] = []
        self._token_ids: list[int] = []
        self._given = AnswerParts()
        self.is_reasoning = plan.begins_with_reasoning(self._parser)

    @property
    def has_called_tools(self) -> bool:
        return bool(self._given.calls)

    def feed(self, text: str, token_id: int) -> ParsedDelta:
        self._text.append(text)
        self._token_ids.append(token_id)
        if not (self._in_pieces or self.is_reasoning):
            return ParsedDelta()
        delta = self._plan.read_piece(self._parser, text, [token_id], end=False)
        if self.is_reasoning:
            self.is_reasoning = not self._reasoning_is_over(delta, token_id)
        if not self._in_pieces:
            return ParsedDelta()
        self._given.add(delta)
        return delta

    def flush(self) -> ParsedDelta:
        if not self._token_ids:
            return ParsedDelta()
        whole = self._plan.read_whole("".join(self._text), self._token_ids)
        if not self._in_pieces:
            self._given.add(whole)
            return whole
        last = self._plan.read_piece(self._parser, "", [], end=True)
        self._given.add(last)
        missing = self._given.missing_from(whole)
        self._given.add(missing)
        return ParsedDelta(
            content=last.content + missing.content,
            reasoning=last.reasoning + missing.reasoning,
            tool_calls=last.tool_calls + missing.tool_calls,
        )

    def _reasoning_is_over(self, delta: ParsedDelta, token_id: int) -> bool:
        if delta.content or delta.tool_calls:
            return True
        reasoning = self._parser.reasoning_parser
        if reasoning.engine_based_streaming:
            return bool(reasoning.has_engine_confirmed_reasoning_end())
        return bool(reasoning.is_reasoning_end_streaming(self._token_ids, [token_id]))


def _refusal(exc: Exception) -> InvalidRequest:
    """What vLLM has against a request; it names its own fields, which are the client's too."""
    param = getattr(exc, "parameter", None) or "tools"
    message = exc.args[0] if isinstance(exc, VLLMClientError) else exc
    return InvalidRequest(f"{param}: {message}", param=param)


def _chat_request(request: ParseRequest) -> ChatCompletionRequest:
    choice: Any = request.demand
    if isinstance(choice, NamedTool):
        choice = {"type": "function", "function": {"name": choice.name}}
    fields: dict[str, Any] = {
        "messages": [],
        "model": "",
        "include_reasoning": request.include_reasoning,
        "structured_outputs": structured_outputs_params(request.structured),
        "parallel_tool_calls": request.parallel_calls,
        "chat_template_kwargs": dict(request.template_kwargs),
    }
    if choice != "none":
        fields |= {"tools": [dict(tool) for tool in request.tools], "tool_choice": choice}
    return ChatCompletionRequest(**fields)
