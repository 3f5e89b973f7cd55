"""vLLM's tool and reasoning parsers behind `parsing`: the second door to vLLM. `vllm_parsing` reads with them."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast
from vllm.parser import ParserManager
from vllm.parser.abstract_parser import DelegatingParser, Parser
from vllm.reasoning import ReasoningParserManager
from vllm.tokenizers.hf import get_cached_tokenizer
from vllm.tool_parsers import ToolParserManager
from vllm.tool_parsers.tool_strict_level import ToolStrictLevel

from ..errors import InvalidRequest, StartError
from ..tokenizer import ChatTokenizer
from .port import ParseRequest, ParserNames
from .vllm_parsing import JsonCalls, VLLMParsingPlan

# gpt-oss: its messages are rendered and read by a library of its own, not by a template and a parser.
UNSERVED = frozenset({"openai", "openai_gptoss"})

# Their `parse_delta` doubles or loses arguments and shows markup, so calls are read when the answer is whole.
READ_WHOLE = frozenset({"hunyuan_a13b", "jamba", "xlam"})


def tool_parser_names() -> list[str]:
    """The names `--tool-call-parser` takes."""
    return sorted(set(ToolParserManager.list_registered()) - UNSERVED)


def reasoning_parser_names() -> list[str]:
    """The names `--reasoning-parser` takes."""
    return sorted(set(ReasoningParserManager.list_registered()) - UNSERVED)


class VLLMParserSource:
    """Makes the parsers of served models. Models that share a tokenizer share vLLM's form of it, which is slow to make.

    Args:
        engine_reasoning: the reasoning parser the engine was started with; only that one can delay a constraint.
    """

    def __init__(self, *, engine_reasoning: str | None) -> None:
        self._engine_reasoning = engine_reasoning
        self._made: list[tuple[ChatTokenizer, PreTrainedTokenizerFast]] = []

    def parsers(self, tokenizer: ChatTokenizer, names: ParserNames) -> "VLLMParsers":
        """The parsers called `names`, for a model with this tokenizer.

        Raises:
            StartError: there is no parser of that name, or it cannot work with this tokenizer.
        """
        _check_name("--tool-call-parser", names.tool_calls, tool_parser_names())
        _check_name("--reasoning-parser", names.reasoning, reasoning_parser_names())
        engine_waits = names.reasoning is not None and names.reasoning == self._engine_reasoning
        if names == ParserNames():
            return VLLMParsers(tokenizer, names, engine_waits=engine_waits)
        for known, made in self._made:
            if known.tokenizer is tokenizer.tokenizer:
                return VLLMParsers(made, names, engine_waits=engine_waits)
        made = _hugging_face_tokenizer(tokenizer)
        self._made.append((tokenizer, made))
        return VLLMParsers(made, names, engine_waits=engine_waits)


class VLLMParsers:
    """The parsers of one served model.

    Without a tool parser a tool call can still be demanded: the engine is then held to JSON, and that is read. No
    parser but a named one looks at the tokenizer.
    """

    def __init__(self, tokenizer: object, names: ParserNames, *, engine_waits: bool) -> None:
        self._tokenizer = tokenizer
        self._names = names
        self._engine_waits = engine_waits
        self._text_parser: type[Parser] = DelegatingParser
        try:
            if names.reasoning is not None:
                self._text_parser = ParserManager.get_parser(
                    reasoning_parser_name=names.reasoning,
                    model_name="this model",
                    tokenizer=tokenizer,
                )
            self._tool_parser: type[Parser] = (
                type("JsonCallsParser", (self._text_parser,), {"tool_parser_cls": JsonCalls})
                if names.tool_calls is None
                else ParserManager.get_parser(
                    tool_parser_name=names.tool_calls,
                    reasoning_parser_name=names.reasoning,
                    enable_auto_tools=True,
                    model_name="this model",
                    tokenizer=tokenizer,
                )
            )
            # A call that is demanded has arguments that fit its schema, whether the tool says strict or not.
            strict = {"tool_strict_level": ToolStrictLevel.PARAMETER}
            self._demanded_parser: type[Parser] = type("Demanded", (self._tool_parser,), strict)
        except (TypeError, ValueError) as exc:
            raise StartError(f"{exc}; see --tool-call-parser and --reasoning-parser") from exc

    def plan(
        self, request: ParseRequest, prompt_token_ids: Sequence[int]
    ) -> "VLLMParsingPlan | None":
        if request.demand == "none" and self._names.reasoning is None:
            return None
        if request.demand == "auto" and self._names.tool_calls is None:
            raise InvalidRequest(
                'tools: this model has no tool parser, so tool_choice "auto" cannot be read; start the server with '
                '--tool-call-parser NAME, or send tool_choice "required" or "none"',
                param="tools",
                code="no_tool_parser",
            )
        parser_class = self._demanded_parser
        if request.demand in ("none", "auto"):
            parser_class = self._text_parser if request.demand == "none" else self._tool_parser
        return VLLMParsingPlan(
            parser_class,
            self._tokenizer,
            request,
            list(prompt_token_ids),
            engine_waits=self._engine_waits,
            in_pieces=request.demand == "none" or self._names.tool_calls not in READ_WHOLE,
        )


def _check_name(flag: str, name: str | None, known: list[str]) -> None:
    if name is not None and name not in known:
        raise StartError(f"{flag} {name}: there is no such parser; there are: {', '.join(known)}")


def _hugging_face_tokenizer(tokenizer: ChatTokenizer) -> PreTrainedTokenizerFast:
    """The same tokenizer as parsers want it; a vocabulary is asked for at every request, so it is kept."""
    names = {name: text for name, text in tokenizer.special_tokens.items() if text}
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer.tokenizer, **names)  # type: ignore[no-untyped-call]  # theirs
    kept: PreTrainedTokenizerFast = get_cached_tokenizer(made)
    return kept
