"""vLLM's parsers through our port: the same answer whole and in pieces, demands that the engine is held to, wrong names."""

import inspect
import json
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import DecodeStream
from vllm.parser.abstract_parser import Parser

from server.demo.base_model import demo_base_model
from server.errors import InternalError, InvalidRequest, StartError
from server.parsing import vllm_parsers
from server.parsing.answer_parts import AnswerParts
from server.parsing.port import NamedTool, OutputParser, ParseRequest, ParserNames, ParsingPlan
from server.parsing.structured_output import StructuredOutput
from server.parsing.vllm_parsers import READ_WHOLE, UNSERVED, VLLMParsers, VLLMParserSource
from server.settings import default_cache_dir
from server.tokenizer import ChatTokenizer

# Single tokens in the vocabularies these parsers are made for, and not in the demo's.
ADDED = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<|python_tag|>", "<tool_calls>", "</tool_calls>", "<|tool_call|>",
    "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>", "<|tool_call_argument_begin|>",
    "<|tool_call_end|>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "<minimax:tool_call>",
    "</minimax:tool_call>", "<seed:think>", "</seed:think>", "[TOOL_CALLS]", "[THINK]", "[/THINK]", "<|python_start|>", "<|python_end|>",
)  # fmt: skip
TAG = '{"structures": [{"begin": "<a>", "schema": {"type": "object"}, "end": "</a>"}], "triggers": ["<a>"]}'
PROMPT = [2, 105]
WEATHER = {"city": "Zürich", "days": 3}
CLOCK = {"zone": "Europe/Zurich"}
CALLS = [("weather", WEATHER), ("clock", CLOCK)]
A, B = (json.dumps(arguments, ensure_ascii=False) for arguments in (WEATHER, CLOCK))


def tool(name: str, **properties: str) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
    }
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = (tool("weather", city="string", days="integer"), tool("clock", zone="string"))
HERMES = (
    f'<tool_call>\n{{"name": "weather", "arguments": {A}}}\n</tool_call>\n'
    f'<tool_call>\n{{"name": "clock", "arguments": {B}}}\n</tool_call>'
)
XML = (
    "<tool_call>\n<function=weather>\n<parameter=city>\nZürich\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
    "</function>\n</tool_call>\n<tool_call>\n<function=clock>\n<parameter=zone>\nEurope/Zurich\n</parameter>\n"
    "</function>\n</tool_call>"
)
GLM = (
    "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Zürich</arg_value>\n<arg_key>days</arg_key>\n"
    "<arg_value>3</arg_value>\n</tool_call>\n<tool_call>clock\n<arg_key>zone</arg_key>\n"
    "<arg_value>Europe/Zurich</arg_value>\n</tool_call>"
)
ARRAY = f'[{{"name": "weather", "arguments": {A}}}, {{"name": "clock", "arguments": {B}}}]'
PYTHONIC = '[weather(city="Zürich", days=3), clock(zone="Europe/Zurich")]'
CALL_TEXTS = {
    "hermes": HERMES,
    "longcat": HERMES.replace("tool_call>", "longcat_tool_call>"),
    "qwen3_coder": XML,
    "qwen3_xml": XML,
    "llama3_json": f'{{"name": "weather", "parameters": {A}}}; {{"name": "clock", "parameters": {B}}}',
    "pythonic": PYTHONIC,
    "llama4_pythonic": f"<|python_start|>{PYTHONIC}<|python_end|>",
    "olmo3": "<function_calls>"
    + PYTHONIC[1:-1].replace(", clock", "\nclock")
    + "</function_calls>",
    "jamba": f"<tool_calls>{ARRAY}</tool_calls>",
    "hunyuan_a13b": f"<tool_calls>{ARRAY}</tool_calls>",
    "granite": f"<|tool_call|>{ARRAY}",
    "granite4": HERMES,
    "xlam": ARRAY,
    "phi4_mini_json": f"functools{ARRAY}",
    "mistral": f"[TOOL_CALLS]{ARRAY}",
    "kimi_k2": (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
        f"{A}<|tool_call_end|><|tool_call_begin|>functions.clock:1<|tool_call_argument_begin|>{B}"
        "<|tool_call_end|><|tool_calls_section_end|>"
    ),
    "glm45": GLM,
    "glm47": GLM,
    "minimax_m2": (
        '<minimax:tool_call><invoke name="weather">\n<parameter name="city">Zürich</parameter>\n'
        '<parameter name="days">3</parameter>\n</invoke>\n<invoke name="clock">\n'
        '<parameter name="zone">Europe/Zurich</parameter>\n</invoke></minimax:tool_call>'
    ),
}
THOUGHT = "<think>Let me think.\nIt is sunny.</think>\n\nSunny, 21 °C."
REASONING_TEXTS = {
    "deepseek_r1": THOUGHT,
    "deepseek_v3": "Sunny, 21 °C.",
    "ernie45": THOUGHT,
    "glm45": THOUGHT,
    "granite": "Here is my thought process: I think. Here is my response: Sunny.",
    "holo2": THOUGHT,
    "kimi_k2": THOUGHT,
    "minimax_m2": THOUGHT,
    "mistral": "[THINK]It is sunny.[/THINK]Sunny.",
    "nemotron_v3": THOUGHT,
    "qwen3": THOUGHT,
    "seed_oss": THOUGHT.replace("think>", "seed:think>"),
    "step3": THOUGHT.removeprefix("<think>"),
}


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    path = demo_base_model(default_cache_dir()) / "tokenizer.json"
    made = Tokenizer.from_file(str(path))
    made.add_tokens([AddedToken(text, special=False, normalized=False) for text in ADDED])
    return ChatTokenizer(tokenizer=made, eos_token_id=1, special_tokens={"eos_token": "<eos>"})


@pytest.fixture(scope="module")
def source() -> VLLMParserSource:
    return VLLMParserSource(engine_reasoning="qwen3")


class Reader:
    """One model's parsers, and answers read by them."""

    def __init__(self, parsers: VLLMParsers, tokenizer: ChatTokenizer) -> None:
        self.parsers, self.tokenizer = parsers, tokenizer

    def plan(self, demand: Any = "auto", **fields: Any) -> ParsingPlan:
        tools = () if demand == "none" else TOOLS
        made = self.parsers.plan(ParseRequest(tools=tools, demand=demand, **fields), PROMPT)
        assert made is not None
        return made

    def read(self, parser: OutputParser, text: str) -> tuple[AnswerParts, list[bool]]:
        """The parts of `text`, and after each token whether it was still reasoning."""
        parts, reasons = AnswerParts(), []
        stream = DecodeStream(skip_special_tokens=False)
        for token_id in self.tokenizer.encode(text, add_special_tokens=False):
            parts.add(parser.feed(stream.step(self.tokenizer.tokenizer, token_id) or "", token_id))
            reasons.append(parser.is_reasoning)
        parts.add(parser.flush())
        return parts, reasons

    def both(self, plan: ParsingPlan, text: str) -> tuple[Any, Any]:
        """What `text` is, in pieces and as a whole."""
        pieces, _ = self.read(plan.parser(in_pieces=True), text)
        whole, _ = self.read(plan.parser(in_pieces=False), text)
        return summary(pieces), summary(whole)


def summary(parts: AnswerParts) -> Any:
    """White space around parts is not compared: vLLM strips it from whole answers only."""
    calls = [(call.name, json.loads(call.arguments)) for call in parts.calls.values()]
    assert all(call.id for call in parts.calls.values())
    return parts.content.strip(), parts.reasoning.strip(), calls


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, tokenizer: ChatTokenizer, source: VLLMParserSource
) -> Reader:
    return Reader(source.parsers(tokenizer, request.param), tokenizer)


def parsers(tool_calls: str | None = None, reasoning: str | None = None) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "reader", [ParserNames(tool_calls=tool_calls, reasoning=reasoning)], indirect=True
    )


@pytest.mark.parametrize(
    ("reader", "text"),
    [(ParserNames(tool_calls=name), text) for name, text in CALL_TEXTS.items()],
    indirect=["reader"],
    ids=CALL_TEXTS,
)
def test_calls_are_the_same_whole_and_in_pieces(reader: Reader, text: str) -> None:
    pieces, whole = reader.both(reader.plan(), text)
    assert whole == ("", "", CALLS)
    assert pieces == whole


@pytest.mark.parametrize("name", sorted(READ_WHOLE))
def test_parsers_that_are_read_whole_still_need_it(
    name: str, tokenizer: ChatTokenizer, source: VLLMParserSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_parsers, "READ_WHOLE", frozenset())
    reader = Reader(source.parsers(tokenizer, ParserNames(tool_calls=name)), tokenizer)
    parts, _ = reader.read(reader.plan().parser(in_pieces=True), CALL_TEXTS[name])
    found = [(call.name, call.arguments) for call in parts.calls.values()]
    assert (parts.content.strip(), found) != ("", [("weather", A), ("clock", B)])


@pytest.mark.parametrize(
    ("reader", "text"),
    [(ParserNames(reasoning=name), text) for name, text in REASONING_TEXTS.items()],
    indirect=["reader"],
    ids=REASONING_TEXTS,
)
def test_reasoning_is_the_same_whole_and_in_pieces(reader: Reader, text: str) -> None:
    pieces, whole = reader.both(reader.plan("none"), text)
    assert whole[0].startswith("Sunny")
    assert pieces == whole


@parsers(reasoning="deepseek_r1")
def test_where_reasoning_ends_is_known_while_it_comes(reader: Reader) -> None:
    plan = reader.plan("none")
    for in_pieces in (True, False):
        parser = plan.parser(in_pieces=in_pieces)
        assert parser.is_reasoning
        _, reasons = reader.read(parser, THOUGHT)
        thought = reader.tokenizer.encode(
            THOUGHT.partition("</think>")[0], add_special_tokens=False
        )
        assert reasons.index(False) == len(thought)
        assert not any(reasons[len(thought) :])


@parsers(reasoning="deepseek_r1")
def test_reasoning_that_a_client_does_not_want_is_left_out(reader: Reader) -> None:
    pieces, whole = reader.both(reader.plan("none", include_reasoning=False), THOUGHT)
    assert pieces == whole == ("Sunny, 21 °C.", "", [])


@pytest.mark.parametrize(
    ("reader", "answer"),
    [
        (ParserNames(tool_calls="hermes", reasoning="qwen3"), HERMES),
        (ParserNames(tool_calls="qwen3_coder", reasoning="qwen3"), XML),
        (ParserNames(tool_calls="hermes", reasoning="deepseek_r1"), HERMES),
    ],
    indirect=["reader"],
    ids=["qwen3 hermes", "qwen3 coder", "deepseek hermes"],
)
def test_reasoning_before_calls(reader: Reader, answer: str) -> None:
    pieces, whole = reader.both(reader.plan(), f"<think>Hm.</think>\n\n{answer}")
    assert pieces == whole == ("", "Hm.", CALLS)


@parsers("hermes")
def test_text_around_calls_and_text_without_any(reader: Reader) -> None:
    pieces, whole = reader.both(reader.plan(), f"I look it up.\n{HERMES}")
    assert pieces == whole == ("I look it up.", "", CALLS)
    pieces, whole = reader.both(reader.plan(), "No tool is needed: 1 < 2.")
    assert pieces == whole == ("No tool is needed: 1 < 2.", "", [])


@parsers("hermes")
def test_a_call_that_was_cut_off_loses_no_text(reader: Reader) -> None:
    pieces, whole = reader.both(reader.plan(), "Well <tool_call>")
    assert pieces == whole == ("Well <tool_call>", "", [])


@parsers("hermes")
def test_one_call_where_the_client_wants_no_more(reader: Reader) -> None:
    pieces, whole = reader.both(reader.plan(parallel_calls=False), HERMES)
    assert pieces == whole == ("", "", CALLS[:1])


@parsers("hermes")
def test_a_demanded_call_is_held_to_the_parsers_own_format(reader: Reader) -> None:
    for demand, names in (("required", {"weather", "clock"}), (NamedTool(name="clock"), {"clock"})):
        plan = reader.plan(demand)
        assert plan.structured is not None
        assert plan.structured.kind == "structural_tag"
        assert "<tool_call>" in plan.structured.text
        assert {
            name for name in ("weather", "clock") if f'\\"{name}\\"' in plan.structured.text
        } == names
        assert not plan.skips_special_tokens
    assert reader.both(reader.plan("required"), HERMES)[0][2] == CALLS


@parsers()
def test_without_a_parser_a_demanded_call_is_held_to_json(reader: Reader) -> None:
    text = f'[{{"name": "weather", "parameters": {A}}}, {{"name": "clock", "parameters": {B}}}]'
    plan = reader.plan("required")
    assert plan.structured is not None
    assert plan.structured.kind == "json"
    assert json.loads(plan.structured.text)["type"] == "array"
    assert reader.both(plan, text) == (("", "", CALLS), ("", "", CALLS))
    assert plan.finishes_with_calls
    named = reader.plan(NamedTool(name="weather"))
    assert reader.both(named, A) == (("", "", CALLS[:1]), ("", "", CALLS[:1]))
    assert not named.finishes_with_calls


@parsers()
def test_a_demanded_call_that_was_cut_off_is_still_shown(reader: Reader) -> None:
    whole, _ = reader.read(reader.plan("required").parser(in_pieces=False), '[{"name": "wea')
    assert whole.content == '[{"name": "wea'
    nothing, _ = reader.read(reader.plan("required").parser(in_pieces=True), "")
    assert (nothing.content, nothing.calls) == ("", {})


@parsers()
def test_without_a_parser_auto_is_refused_and_plain_requests_need_no_plan(reader: Reader) -> None:
    with pytest.raises(InvalidRequest, match="--tool-call-parser NAME"):
        reader.plan("auto")
    assert reader.parsers.plan(ParseRequest(tools=TOOLS, demand="none"), PROMPT) is None


@parsers(reasoning="qwen3")
def test_the_engine_waits_for_the_end_of_its_own_reasoning_parser(
    reader: Reader, tokenizer: ChatTokenizer
) -> None:
    asked = StructuredOutput(kind="regex", text="a+")
    plan = reader.plan("none", structured=asked, template_kwargs={"enable_thinking": True})
    assert plan.structured == asked
    assert plan.reasoning is not None
    assert not plan.reasoning.has_ended
    assert plan.reasoning.template_kwargs == {"enable_thinking": True}
    other = VLLMParserSource(engine_reasoning=None)
    assert (
        Reader(other.parsers(tokenizer, ParserNames(reasoning="qwen3")), tokenizer)
        .plan("none")
        .reasoning
        is None
    )


@pytest.mark.parametrize(
    "asked",
    [
        StructuredOutput(kind="json", text='{"type": "object"}', disable_any_whitespace=True),
        StructuredOutput(kind="json_object", disable_additional_properties=True),
        StructuredOutput(kind="regex", text="a+", whitespace_pattern=" "),
        StructuredOutput(kind="choice", choices=("a", "b")),
        StructuredOutput(kind="grammar", text='root ::= "a"'),
        StructuredOutput(kind="structural_tag", text=TAG),
    ],
    ids=lambda asked: asked.kind,
)
@parsers(reasoning="qwen3")
def test_a_constraint_passes_through_a_reasoning_parser(
    reader: Reader, asked: StructuredOutput
) -> None:
    assert reader.plan("none", structured=asked).structured == asked


@parsers("hermes")
def test_a_parser_that_breaks_is_an_error_of_ours(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise IndexError

    plan = reader.plan()
    parser = plan.parser(in_pieces=True)
    monkeypatch.setattr(Parser, "parse", broken)
    monkeypatch.setattr("vllm.parser.abstract_parser.DelegatingParser.parse", broken)
    parser.feed("a", 5)
    with pytest.raises(InternalError, match="output parser failed"):
        parser.flush()
    monkeypatch.setattr("vllm.parser.abstract_parser.DelegatingParser.parse_delta", broken)
    with pytest.raises(InternalError, match="output parser failed"):
        plan.parser(in_pieces=True).feed("a", 5)


@parsers("hermes")
def test_what_vllm_refuses_is_the_clients_fault(reader: Reader) -> None:
    with pytest.raises(InvalidRequest, match=r"^tool_choice: .*does not match any") as caught:
        reader.plan(NamedTool(name="missing"))
    assert caught.value.param == "tool_choice"
    with pytest.raises(InvalidRequest, match=r"^structured_outputs: Invalid") as caught:
        reader.plan("auto", structured=StructuredOutput(kind="structural_tag", text="{}"))
    assert caught.value.param == "structured_outputs"


def test_unknown_parsers_and_unfit_tokenizers_stop_the_start(
    tokenizer: ChatTokenizer, source: VLLMParserSource
) -> None:
    with pytest.raises(
        StartError, match=r"--tool-call-parser hermess: .*there are: .*hermes, .*pythonic"
    ):
        source.parsers(tokenizer, ParserNames(tool_calls="hermess"))
    with pytest.raises(StartError, match=r"--reasoning-parser qwen: .*there are: .*qwen3"):
        source.parsers(tokenizer, ParserNames(reasoning="qwen"))
    for name in UNSERVED:
        with pytest.raises(StartError, match="no such parser"):
            source.parsers(tokenizer, ParserNames(reasoning=name))
    with pytest.raises(
        StartError, match="--reasoning-parser olmo3 cannot be used with the tokenizer"
    ):
        source.parsers(tokenizer, ParserNames(reasoning="olmo3"))


def test_the_methods_we_call_have_the_signatures_we_know() -> None:
    known = {
        "__init__": ["tokenizer", "tools"],
        "adjust_request": ["request"],
        "is_reasoning_end": ["input_ids"],
        "set_prompt_token_ids": ["prompt_token_ids"],
        "parse": ["model_output", "request", "enable_auto_tools", "model_output_token_ids"],
        "parse_delta": ["delta_text", "delta_token_ids", "request", "prompt_token_ids", "finished"],
    }
    for name, parameters in known.items():
        there = inspect.signature(getattr(Parser, name)).parameters
        assert set(parameters) <= set(there), name
