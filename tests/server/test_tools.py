"""Tools, reasoning and structured output over HTTP, on a scripted engine and a parser of tags."""

import json
from dataclasses import replace
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.chat_profile import Parsers
from server.engine import EngineDelta
from server.errors import StartError
from server.model_reading import ModelReader
from server.parsing.port import EngineReasoning, NamedTool, ParseRequest, ParserNames
from server.parsing.structured_output import StructuredOutput
from server.parsing.token_reader import TokenReader
from server.prompt import PromptRenderer, reads_tools
from server.sampling import plan_generation
from server.schema.chat import ChatCompletionRequest
from server.schema.completions import CompletionRequest
from server.settings import Settings
from tests.fakes import EOS, IM_END, delta, ids, profile, served
from tests.server.running import Running, running
from tests.server.tag_parser import TagParser, TagParsers, TagSource
from tests.server.test_calibrated import HEAD

TEMPLATE = (
    "{% for tool in tools or [] %}tool {{ tool.function.name }}\n{% endfor %}"
    "{% for m in messages %}{{ m.role }}: {{ m.content or '' }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}({{ c.function.arguments.city }}){% endfor %}{{ '.' if m.role != 'user' }}{{ '\\n' }}{% endfor %}"
    "{% if reasoning_effort %}effort {{ reasoning_effort }} {{ enable_thinking }}{% endif %}assistant: "
)
TOOLS: list[Any] = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
CALLS = '[c]f {"a": 1}[/c][c]g {}[/c]'
USER = [{"role": "user", "content": "hi"}]


def model(*, reasons: bool = False, skips: bool = True, **changes: Any) -> Any:
    parsers = TagParsers(reasons=reasons, skips_special_tokens=skips)
    return served(template=TEMPLATE, parsers=parsers, **changes)


def one_by_one(text: str, end: int = EOS) -> list[EngineDelta]:
    return [*(delta([token_id]) for token_id in ids(text)), delta([end], "stop")]


async def both(run: Running, text: str, end: int = EOS, **fields: Any) -> tuple[Any, Any]:
    """(content, reasoning, calls, finish_reason, kind) of `text`, streamed and whole."""
    found = []
    for stream in (True, False):
        run.engine.enqueue(*one_by_one(text, end))
        reply = await run.chat(stream=stream, **fields)
        assert reply.status_code == 200, reply.text
        found.append(streamed(reply.text) if stream else whole(reply.json()["choices"][0]))
    return found[0], found[1]


def whole(choice: Any) -> Any:
    message = choice["message"]
    calls = [
        (c["id"], c["function"]["name"], c["function"]["arguments"])
        for c in message.get("tool_calls", [])
    ]
    ended = (choice["finish_reason"], choice["stop_detail"]["kind"])
    return message["content"] or "", message.get("reasoning") or "", calls, *ended


def streamed(text: str) -> Any:
    content, reasoning, ended = "", "", ("", "")
    calls: dict[int, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith("data: {"):
            continue
        choice = json.loads(line.removeprefix("data: "))["choices"][0]
        piece = choice["delta"]
        content += piece.get("content", "")
        reasoning += piece.get("reasoning", "")
        for call in piece.get("tool_calls", []):
            kept = calls.setdefault(call["index"], ["", "", ""])
            if "id" in call:
                assert call["type"] == "function"
            parts = (call.get("id"), call["function"].get("name"), call["function"]["arguments"])
            for at, part in enumerate(parts):
                kept[at] += part or ""
        if choice["finish_reason"]:
            ended = (choice["finish_reason"], choice["stop_detail"]["kind"])
    return content, reasoning, [tuple(call) for call in calls.values()], *ended


async def test_calls_are_the_same_streamed_and_whole(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        for end in (EOS, IM_END):
            found = await both(run, f"So: {CALLS}", end, tools=TOOLS)
            calls = [("call0", "f", '{"a": 1}'), ("call1", "g", "{}")]
            assert found == (("So: ", "", calls, "tool_calls", "tool_calls"),) * 2
        assert run.metric("endturn_stops_total", adapter="chat", kind="tool_calls") == 4


async def test_a_call_keeps_vllms_stop_reason_and_content_is_null(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        for end, reason in ((EOS, None), (IM_END, IM_END)):
            run.engine.enqueue(*one_by_one(CALLS, end))
            [choice] = (await run.chat(tools=TOOLS)).json()["choices"]
            assert choice["stop_reason"] == reason
            assert choice["message"]["content"] is None


async def test_an_answer_without_calls_ends_as_ever(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        found = await both(run, "No tool [x] needed", tools=TOOLS)
        assert found == (("No tool [x] needed", "", [], "stop", "eos"),) * 2
        run.engine.enqueue(delta("[c]f {}[/c]"), delta("", "length"))
        [choice] = (await run.chat(tools=TOOLS)).json()["choices"]
        assert choice["finish_reason"] == "length"
        assert choice["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


async def test_a_tool_that_was_named_ends_as_stop_and_the_engine_is_held_to_it(
    renderer: PromptRenderer,
) -> None:
    async with running(renderer, model()) as run:
        named = {"type": "function", "function": {"name": "g"}}
        found = await both(run, "[c]g {}[/c]", tools=TOOLS, tool_choice=named)
        assert found == (("", "", [("call0", "g", "{}")], "stop", "eos"),) * 2
        held = run.engine.requests[-1].sampling.structured_output
        assert held == StructuredOutput(kind="regex", text=r"\[c\].*\[/c\]")


async def test_tool_choice_none_shows_the_tools_and_reads_nothing(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        found = await both(run, CALLS, tools=TOOLS, tool_choice="none")
        assert found == ((CALLS, "", [], "stop", "eos"),) * 2
        assert bytes(run.engine.requests[-1].prompt_token_ids).startswith(b"tool f\ntool g\nuser")


async def test_messages_with_calls_and_results_reach_the_template(renderer: PromptRenderer) -> None:
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": '{"city": "Bern"}'},
    }
    messages = [
        *USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "sunny"}]},
    ]
    async with running(renderer, model()) as run:
        assert (await run.chat(messages=messages, reasoning_effort="low")).status_code == 200
        prompt = bytes(run.engine.requests[-1].prompt_token_ids).decode()
        assert prompt == "user: hi\nassistant: f(Bern).\ntool: sunny.\neffort low Trueassistant: "


async def test_reasoning_is_told_apart_and_stops_leave_it_alone(renderer: PromptRenderer) -> None:
    text = "I STOP\n\n### Human: think[/r]Sunny.STOP more"
    async with running(renderer, model(reasons=True)) as run:
        expected: Any = ("Sunny.", "I STOP\n\n### Human: think", [], "stop", "stop_string")
        assert await both(run, text, stop="STOP") == (expected,) * 2
        asked: dict[str, Any] = {"stop": "STOP", "endturn": {"stops_in_reasoning": True}}
        assert await both(run, text, **asked) == (("", "I ", [], "stop", "stop_string"),) * 2
        marked = "think[/r]Sunny.\n\n### Human: more"
        expected = ("Sunny.", "think", [], "stop", "role_marker")
        assert await both(run, marked) == (expected,) * 2
        assert run.engine.requests[-1].reasoning == EngineReasoning(
            has_ended=False, template_kwargs={}
        )


async def test_log_probabilities_come_with_reasoning_too(renderer: PromptRenderer) -> None:
    from server.engine import StepLogprobs  # noqa: PLC0415

    async with running(renderer, model(reasons=True)) as run:
        steps = [
            replace(d, logprobs=tuple(StepLogprobs({i: -0.5}, -0.5) for i in d.token_ids))
            for d in one_by_one("a[/r]STO")
        ]
        run.engine.enqueue(*steps)
        [choice] = (await run.chat(logprobs=True, stop="STOP")).json()["choices"]
        shown = "".join(entry["token"] for entry in choice["logprobs"]["content"])
        assert shown == "a[/r]STO"


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": TOOLS},
        {"response_format": {"type": "json_object"}},
        {"structured_outputs": {"regex": "a"}},
    ],
    ids=["tools", "json", "regex"],
)
def test_guards_of_free_text_are_off_where_the_answer_is_none(fields: dict[str, Any]) -> None:
    served_model = model(stop_head=HEAD)
    body = {"model": "chat", "messages": USER, "stop": ["END"]}
    free = ChatCompletionRequest.model_validate(body)
    plan = plan_generation(free, served_model, num_prompt_tokens=1, max_model_len=100)
    assert plan.stop_head
    assert plan.near_loops
    assert plan.sampling.repetition_detection
    assert {stop.kind for stop in plan.stop_texts} == {"stop_string", "role_marker"}
    bound = ChatCompletionRequest.model_validate({**body, **fields})
    parsing = served_model.parsers.plan(bound.parse_request, [])
    plan = plan_generation(
        bound, served_model, num_prompt_tokens=1, max_model_len=100, parsing=parsing
    )
    assert (plan.stop_head, plan.near_loops) == (None, None)
    assert plan.sampling.repetition_detection is None
    # What the client asked for stays.
    assert {stop.kind for stop in plan.stop_texts} == {"stop_string"}
    assert set(plan.stop_ids) == {EOS, IM_END}


async def test_special_tokens_are_shown_to_a_parser_that_looks_for_them(
    renderer: PromptRenderer,
) -> None:
    async with running(renderer, model(skips=False)) as run:
        run.engine.enqueue(delta([256]), *one_by_one("a"))
        [choice] = (await run.chat(tools=TOOLS)).json()["choices"]
        assert choice["message"]["content"] == "<bos>a"


async def test_what_cannot_be_served_says_so(renderer: PromptRenderer) -> None:
    plain = served(parsers=TagParsers())
    async with running(renderer, plain, served("none", template=TEMPLATE)) as run:
        reply = await run.chat(tools=TOOLS)
        error = reply.json()["error"]
        assert (reply.status_code, error["param"], error["code"]) == (
            400,
            "tools",
            "template_without_tools",
        )
        assert "--chat-template" in error["message"]
        reply = await run.chat(model="none", tools=TOOLS)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "tools")
        assert (await run.chat(model="none", tools=TOOLS, tool_choice="none")).status_code == 200
        run.engine.enqueue(delta("a", "error"))
        assert (await run.chat()).status_code == 500
        for stream in (False, True):
            run.engine.enqueue(delta("", "error"))
            reply = await run.chat(stream=stream, structured_outputs={"grammar": "root ::="})
            error = reply.json()["error"]
            assert (reply.status_code, error["code"]) == (400, "invalid_constraint")


async def test_priority_constraint_and_biases_reach_the_engine(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        fields = {
            "priority": -2,
            "logit_bias": {"65": 2},
            "allowed_token_ids": [65],
            "bad_words": ["no"],
        }
        await run.chat(response_format={"type": "json_object"}, **fields)
        request = run.engine.requests[-1]
        assert (request.priority, request.reasoning) == (-2, None)
        assert request.sampling.structured_output == StructuredOutput(kind="json_object")
        assert request.sampling.logit_bias == {65: 2}
        assert request.sampling.allowed_token_ids == (65,)
        assert request.sampling.bad_words == ("no",)


async def test_copies_of_a_greedy_answer_have_the_same_calls(renderer: PromptRenderer) -> None:
    async with running(renderer, model()) as run:
        run.engine.enqueue(*one_by_one(CALLS))
        choices = (await run.chat(tools=TOOLS, n=2, temperature=0)).json()["choices"]
        assert whole(choices[0]) == whole(choices[1])
        assert choices[1]["message"]["tool_calls"][1]["function"]["name"] == "g"


async def test_the_openai_client_reads_streamed_calls(renderer: PromptRenderer) -> None:
    async with running(renderer, model(reasons=True)) as run:
        client = openai.AsyncOpenAI(
            base_url=str(run.client.base_url).rstrip("/") + "/v1", api_key="x"
        )
        run.engine.enqueue(*one_by_one(f"Hm.[/r]{CALLS}"))
        async with client.chat.completions.stream(
            model="chat", messages=[{"role": "user", "content": "hi"}], tools=TOOLS
        ) as stream:
            last = await stream.get_final_completion()
        message = last.choices[0].message
        assert last.choices[0].finish_reason == "tool_calls"
        assert [(c.function.name, c.function.arguments) for c in message.tool_calls or []] == [
            ("f", '{"a": 1}'),
            ("g", "{}"),
        ]
        await client.close()


@given(
    text=st.text(alphabet="ab[]rc/ü", max_size=20),
    cuts=st.lists(st.integers(0, 40), max_size=10),
    taken_back=st.integers(0, 3),
)
def test_a_parser_gets_each_token_with_its_text(
    text: str, cuts: list[int], taken_back: int
) -> None:
    """Whatever is held back, and where."""
    parser = TagParser(reasons=False, in_pieces=True)
    reader = TokenReader(parser)
    shown = text[: max(0, len(text) - taken_back)]
    at = 0
    for token_id, char in enumerate(text):
        reader.note(token_id, char)
        # Some text is shown late, all of it in order.
        upto = min(len(shown), token_id + 1) if token_id in cuts else at
        reader.feed(shown[at:upto])
        at = upto
    reader.feed(shown[at:])
    reader.flush()
    assert parser.token_ids == list(range(len(shown)))


def test_a_token_that_is_cut_is_read_as_far_as_it_is_shown() -> None:
    parser = TagParser(reasons=False, in_pieces=True)
    reader = TokenReader(parser)
    reader.note(7, "abc")
    reader.note(8, "")
    reader.feed("a")
    assert not reader.take()
    reader.flush()
    assert reader.take().content == "a"
    assert parser.token_ids == [7]


@pytest.mark.parametrize(
    ("template", "reads"),
    [
        (TEMPLATE, True),
        ("{% if tools %}{{ tools | tojson }}{% endif %}", True),
        ("{%- for t in tools -%}{% endfor %}", True),
        ("You have tools. {{ messages[0].tools }}", False),
        ("{{ 'tools' }}{{ my_tools }}{# tools #}", False),
    ],
    ids=range(5),
)
def test_which_templates_read_tools(template: str, reads: bool) -> None:
    assert reads_tools(template) is reads


def test_a_completion_has_no_tools_and_takes_a_constraint() -> None:
    body = {"model": "m", "prompt": "a", "structured_outputs": {"choice": ["x"]}}
    request = CompletionRequest.model_validate(body)
    assert request.parse_request is None
    plan = plan_generation(request, served(), num_prompt_tokens=1, max_model_len=99)
    assert plan.sampling.structured_output == StructuredOutput(kind="choice", choices=("x",))


def test_what_parsers_are_told() -> None:
    body = {"model": "m", "messages": USER, "tools": TOOLS, "parallel_tool_calls": False}
    named = {"type": "function", "function": {"name": "g"}}
    request = ChatCompletionRequest.model_validate(
        {**body, "tool_choice": named, "include_reasoning": False, "reasoning_effort": "none"}
    )
    assert request.parse_request == ParseRequest(
        tools=tuple(TOOLS),
        demand=NamedTool(name="g"),
        parallel_calls=False,
        include_reasoning=False,
        template_kwargs={"reasoning_effort": "none", "enable_thinking": False},
    )


def test_a_profile_names_its_parsers_before_the_flags_do() -> None:
    own = profile(parsers=Parsers(tool_calls="own").model_dump())
    models = [served("a", profile=own), served("b"), served("c", profile=None)]
    source = TagSource()
    settings = Settings(model="m", tool_call_parser="given", reasoning_parser="r1")
    made = ModelReader(settings, source)._with_parsers(models)
    assert [names.tool_calls for names in source.asked] == ["own", "given", "given"]
    assert {names.reasoning for names in source.asked} == {"r1"}
    assert all(m.parsers is not None for m in made)


def test_a_parser_that_does_not_fit_names_the_model() -> None:
    class Failing:
        def parsers(self, *_: Any) -> TagParsers:
            raise StartError("--tool-call-parser x: there is no such parser")

    with pytest.raises(StartError, match="model chat: --tool-call-parser x"):
        ModelReader(Settings(model="m"), Failing())._with_parsers([served()])


def test_parsers_are_asked_by_name_alone() -> None:
    assert TagSource().parsers(served().tokenizer, ParserNames(reasoning="x")).reasons
