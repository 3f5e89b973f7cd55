"""`/v1/responses` through the openai SDK, over a real uvicorn and a scripted engine."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from server.engine import EngineDelta, StepLogprobs
from server.errors import EngineDeadError
from server.parsing.port import ParsedDelta, ToolCallDelta
from server.prompt import PromptRenderer
from server.served_model import ServedModel
from tests.fakes import BOS, EOS, IM_END, delta, ids, served
from tests.server.markup_parsers import MarkupParsers
from tests.server.running import Running, running

EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
# One tool message in the history, and the tools, as a template of a model that knows tools writes them.
TOOL_TEMPLATE = (
    "{% for t in tools or [] %}[{{ t.function.name }}]{% endfor %}{% for m in messages %}{{ m.role }}:"
    "{{ m.content }}{% for c in m.tool_calls or [] %}<{{ c.function.name }} {{ c.function.arguments.q }}>{% endfor %};{% endfor %}"
)
TOOL: Any = {
    "type": "function",
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "object", "properties": {"q": {"type": "integer"}}},
    "strict": False,
}


@asynccontextmanager
async def asking(
    renderer: PromptRenderer, *models: ServedModel, **settings: Any
) -> AsyncIterator[tuple[Running, openai.AsyncOpenAI]]:
    async with running(renderer, *models, **settings) as run:
        url = f"{run.client.base_url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as api:
            yield run, api


async def raw(run: Running, **fields: Any) -> Any:
    return await run.client.post("/v1/responses", json={"model": "chat", "input": "hi", **fields})


def raw_events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, each named by its own type and parsed strictly by the SDK's classes."""
    found = []
    for block in text.split("\n\n"):
        if block:
            name, data = block.split("\n")
            found.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {found[-1]['type']}"
            EVENT.validate_json(data.removeprefix("data: "), strict=True)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


async def test_answer_has_every_field_of_the_sdks_response(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta("Héllo"), delta([*ids("!"), IM_END], "stop"))
        reply = await api.responses.create(
            model="chat",
            input="hi",
            instructions="Be brief.",
            metadata={"a": "b"},
            user="me",
            store=True,
            truncation="auto",
            temperature=0.5,
            include=["reasoning.encrypted_content"],
        )
        Response.model_validate(reply.to_dict(), strict=True)
        assert reply.output_text == "Héllo!"
        assert (reply.status, reply.incomplete_details, reply.error) == ("completed", None, None)
        assert (reply.metadata, reply.user, reply.instructions) == ({"a": "b"}, "me", "Be brief.")
        assert (reply.temperature, reply.truncation) == (0.5, "disabled")
        assert reply.usage is not None
        prompt = [BOS, *ids("system: Be brief.\nuser: hi\nassistant: ")]
        assert run.engine.requests[0].prompt_token_ids == prompt
        assert reply.usage.input_tokens == len(prompt)
        assert reply.usage.output_tokens == 8
        assert reply.model_extra is not None
        assert reply.model_extra["stop_detail"]["kind"] == "stop_token"
        assert reply.model_extra["store"] is False
        assert run.metric("endturn_stops_total", adapter="chat", kind="stop_token") == 1


async def test_stream_tells_of_each_step_in_order(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, _):
        run.engine.enqueue(delta("Yés"), delta(". \n"), delta([EOS], "stop"))
        text = (await raw(run, stream=True)).text
        events = raw_events(text)
        types = [event["type"].removeprefix("response.") for event in events]
        assert [kind for kind, _ in groupby(types)] == [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
        assert "".join(event.get("delta", "") for event in events) == "Yés. \n"
        assert events[types.index("output_text.done")]["text"] == "Yés. \n"
        run.engine.enqueue(delta("Yés"), delta(". \n"), delta([EOS], "stop"))
        whole = (await raw(run)).json()
        for changing in ("id", "created_at", "output"):
            whole.pop(changing)
        last = events[-1]["response"]
        assert last["output"][0]["content"][0]["text"] == "Yés. \n"
        assert {name: last[name] for name in whole} == whole


async def test_sdks_own_stream_puts_the_answer_together(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta("é".encode()[:1]), delta("é".encode()[1:]), delta([EOS], "stop"))
        async with api.responses.stream(model="chat", input="hi") as stream:
            events = [event async for event in stream]
            final = await stream.get_final_response()
        assert final.output_text == "é"
        assert events[-1].type == "response.completed"


async def test_cut_answer_is_incomplete(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta("ab", "length"))
        reply = await api.responses.create(model="chat", input="hi", max_output_tokens=2)
        assert run.engine.requests[0].sampling.max_tokens == 2
        assert reply.status == "incomplete"
        assert reply.incomplete_details is not None
        assert reply.incomplete_details.reason == "max_output_tokens"
        assert reply.output[0].status == "incomplete"  # type: ignore[union-attr]
        run.engine.enqueue(delta("ab", "length"))
        events = raw_events((await raw(run, stream=True, max_output_tokens=2)).text)
        assert events[-1]["type"] == "response.incomplete"
        assert events[-1]["response"]["stop_detail"]["limit"] == {"value": 2, "set_by": "client"}


async def test_answer_of_nothing_is_an_empty_message(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta([EOS], "stop"))
        reply = await api.responses.create(model="chat", input="hi")
        assert (reply.output_text, reply.output[0].type) == ("", "message")
        run.engine.enqueue(delta([EOS], "stop"))
        assert len(raw_events((await raw(run, stream=True)).text)) == 8


async def test_guards_and_our_fields_work_here_too(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta("Yes.\n\n### Human:"), delta("more", "length"))
        reply = await api.responses.create(model="chat", input="hi")
        assert reply.output_text == "Yes."
        run.engine.enqueue(delta("Yes.\n\n### Human:"), delta("more", "length"))
        own = {"endturn": {"guards": False}, "stop": ["m"], "top_k": 5, "seed": 3}
        reply = await api.responses.create(model="chat", input="hi", extra_body=own)
        assert reply.output_text == "Yes.\n\n### Hu"
        assert reply.model_extra is not None
        assert reply.model_extra["stop_detail"]["kind"] == "stop_string"
        sampling = run.engine.requests[1].sampling
        assert (sampling.top_k, sampling.seed) == (5, 3)


async def test_operator_may_forbid_guards_off(renderer: PromptRenderer) -> None:
    async with asking(renderer, allow_guards_off=False) as (run, _):
        reply = await raw(run, endturn={"guards": False})
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "endturn")


async def test_items_become_messages(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        first = await api.responses.create(model="chat", input="hi")
        items: Any = [
            {"role": "developer", "content": "Be nice."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            *[item.to_dict() for item in first.output],
            {"role": "user", "content": "b"},
        ]
        await api.responses.create(model="chat", input=items)
        said = "system: Be nice.\nuser: a\nassistant: ok\nuser: b\nassistant: "
        assert run.engine.requests[1].prompt_token_ids == [BOS, *ids(said)]


async def test_answer_that_was_cut_off_is_continued(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta("ab", "length"))
        cut = await api.responses.create(model="chat", input="hi", max_output_tokens=2)
        items: Any = [{"role": "user", "content": "hi"}, *[item.to_dict() for item in cut.output]]
        await api.responses.create(model="chat", input=items)
        assert run.engine.requests[1].prompt_token_ids == [BOS, *ids("user: hi\nassistant: ab")]


@pytest.mark.parametrize("stream", [True, False])
async def test_logprobs_are_those_of_the_text(renderer: PromptRenderer, *, stream: bool) -> None:
    async with asking(renderer) as (run, _):
        steps = tuple(StepLogprobs(sampled=-0.5, top={token: -0.5, 98: -2.0}) for token in ids("a"))
        run.engine.enqueue(
            EngineDelta(index=0, token_ids=ids("a"), finish_reason=None, logprobs=steps),
            delta([EOS], "stop"),
        )
        asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
        reply = await raw(run, stream=stream, **asked)
        if stream:
            events = raw_events(reply.text)
            [listed] = [e["logprobs"] for e in events if e["type"] == "response.output_text.delta"]
            assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == listed
        else:
            Response.model_validate(reply.json(), strict=True)
            listed = reply.json()["output"][0]["content"][0]["logprobs"]
        assert [entry["token"] for entry in listed] == ["a"]
        assert [top["token"] for top in listed[0]["top_logprobs"]] == ["a", "b"]


@pytest.mark.parametrize("late", [False, True])
async def test_thoughts_and_calls_are_items_of_their_own(
    renderer: PromptRenderer, *, late: bool
) -> None:
    """A parser's correction of the first call comes after the second began: still one item after the other."""
    correction = ParsedDelta(tool_calls=(ToolCallDelta(index=0, arguments=" "),))
    parsers = MarkupParsers(correction if late else None)
    async with asking(renderer, served(parsers=parsers, template=TOOL_TEMPLATE)) as (run, api):
        said = 'Hm~why~Hi@look({"q":1})@peek()'
        script = (*(delta(char) for char in said), delta([EOS], "stop"))
        run.engine.enqueue(*script)
        whole = await api.responses.create(model="chat", input="hi", tools=[TOOL])
        Response.model_validate(whole.to_dict(), strict=True)
        run.engine.enqueue(*script)
        async with api.responses.stream(model="chat", input="hi", tools=[TOOL]) as stream:
            streamed = await stream.get_final_response()
        run.engine.enqueue(*script)
        events = raw_events((await raw(run, stream=True, tools=[TOOL])).text)
    first = '{"q":1} ' if late else '{"q":1}'
    calls = [
        (item.name, item.call_id, item.arguments)
        for item in whole.output
        if item.type == "function_call"
    ]
    assert calls == [("look", "call0", first), ("peek", "call1", "")]
    assert whole.status == streamed.status == "completed"
    assert [item.type for item in streamed.output] == [
        "message",
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    assert [i.arguments for i in streamed.output if i.type == "function_call"] == [first, ""]
    added = [e["output_index"] for e in events if e["type"] == "response.output_item.added"]
    ended = [e["output_index"] for e in events if e["type"] == "response.output_item.done"]
    opened = 0
    for event in events:
        opened += event["type"].endswith("item.added")
        opened -= event["type"].endswith("item.done")
        assert opened in (0, 1)
    assert added == ended == [0, 1, 2, 3, 4]
    assert parsers.asked[0].tools[0]["function"]["name"] == "look"


async def test_calls_and_their_outputs_go_back_to_the_template(renderer: PromptRenderer) -> None:
    model = served(parsers=MarkupParsers(), template=TOOL_TEMPLATE)
    async with asking(renderer, model) as (run, api):
        items: Any = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "Let me look."},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": '{"q": 1}'},
            {"type": "function_call", "call_id": "d", "name": "look", "arguments": '{"q": 2}'},
            {"type": "function_call_output", "call_id": "c", "output": "seen"},
            {
                "type": "function_call_output",
                "call_id": "d",
                "output": [{"type": "input_text", "text": "unseen"}],
            },
        ]
        choice: Any = {"type": "function", "name": "look"}
        await api.responses.create(
            model="chat", input=items, tools=[TOOL], tool_choice=choice, reasoning={"effort": "low"}
        )
        said = "[look]user:hi;assistant:Let me look.<look 1><look 2>;tool:seen;tool:unseen;"
        assert run.engine.requests[0].prompt_token_ids == [*ids(said)]


async def test_json_schema_reaches_the_engine_as_chats_does(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, _):
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
        form = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
        reply = await raw(run, text={"format": form})
        chat_format = {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": schema, "strict": True},
        }
        await run.chat(response_format=chat_format)
        assert reply.json()["text"]["format"] == form
        first, second = run.engine.requests
        assert first.sampling == second.sampling
        assert first.sampling.structured_output is not None


BAD: list[tuple[dict[str, Any], str | None, str]] = [
    ({"model": "nope"}, "model", "base-model, chat"),
    ({"input": ""}, "input", "at least 1"),
    ({"input": []}, "input", "at least 1"),
    ({"input": [{"type": "reasoning"}]}, "input", "at least 1"),
    ({"input": [{"role": "user", "content": "x"}] * 5000}, "input", "at most 4096"),
    ({"input": "x" * 2000}, "input", "1000 tokens"),
    ({"input": [{"role": "user"}]}, "input[0].content", "required"),
    ({"input": [{"content": "x"}]}, "input[0].role", "required"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "user"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type", "item_reference"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
        "input[0].content[0].type",
        "input_image",
    ),
    (
        {"input": [{"type": "function_call", "call_id": "x", "name": "y", "arguments": "["}]},
        "input",
        "JSON object",
    ),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id", "required"),
    ({"input": {"role": "user"}}, "input", "valid"),
    ({"previous_response_id": "resp_1"}, "previous_response_id", "keeps no answers"),
    ({"conversation": "conv_1"}, "conversation", "keeps no answers"),
    ({"background": True}, "background", "keeps no answers"),
    ({"prompt": {"id": "x"}}, "prompt", "keeps no answers"),
    ({"max_output_tokens": 0}, "max_output_tokens", "greater"),
    ({"max_tokens": 5}, "max_tokens", "max_output_tokens"),
    ({"messages": []}, "messages", "input"),
    ({"n": 2}, "n", "one answer"),
    ({"temperature": "1"}, "temperature", "valid number"),
    ({"metadata": {"a": 1}}, "metadata", "valid string"),
    ({"metadata": {str(i): "x" for i in range(17)}}, "metadata", "at most 16"),
    ({"top_logprobs": 21}, "top_logprobs", "less than"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type", "web_search"),
    ({"tools": [TOOL]}, "tools", "no place for tools"),
    ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.type", "allowed_tools"),
    ({"text": {"format": {"type": "grammar"}}}, "text.format", "json_schema"),
    ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "'none'"),
    ({"stop": [""]}, "stop[0]", "at least 1 character"),
    ({"endturn": {"guard": False}}, "endturn", "Extra inputs"),
]


async def test_bad_input_names_the_apis_own_field(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    async with asking(renderer) as (run, _):
        for number, (fields, param, message) in enumerate(BAD):
            with subtests.test(number=number, param=param):
                reply = await raw(run, **fields)
                error = reply.json()["error"]
                assert reply.status_code == (404 if param == "model" else 400)
                assert error["param"] == param
                assert message in error["message"]
                assert set(error) == {"message", "type", "param", "code"}
        assert run.engine.requests == []


BODIES: list[tuple[bytes, int]] = [
    (b"{", 400),
    (b"[]", 400),
    (b'{"model":"chat"}', 400),
    (b'{"model":"chat","input":"\xff"}', 400),
    (b'{"model":"chat","input":"x","temperature":1e999}', 400),
    (b'{"model":"chat","input":' + b"[" * 100_000, 400),
    (b'{"model":"chat","input":' + b"[" * 900 + b"]" * 900 + b"}", 400),
    (
        b'{"model":"chat","input":"x","metadata":' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}",
        400,
    ),
    (b'{"model":"chat","input":"x","odd":' + b"[" * 500 + b"]" * 500 + b"}", 200),
    (b" " * (10 << 20), 413),
]


async def test_bodies_that_are_no_request(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    async with asking(renderer) as (run, _):
        for number, (body, status) in enumerate(BODIES):
            with subtests.test(number=number):
                reply = await run.client.post("/v1/responses", content=body)
                assert reply.status_code == status
        assert (await raw(run)).status_code == 200


async def test_stored_answers_are_not_here(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (_, api):
        for call in (
            api.responses.retrieve("resp_1"),
            api.responses.delete("resp_1"),
            api.responses.cancel("resp_1"),
            api.responses.input_items.list("resp_1"),
        ):
            with pytest.raises(openai.NotFoundError, match="keeps no answers"):
                await call
        with pytest.raises(openai.NotFoundError):
            await api.responses.create(model="nope", input="hi")


async def test_failure_inside_a_stream_is_raised_by_the_sdk(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta("abc"), EngineDeadError("secret"))
        stream = await api.responses.create(model="chat", input="hi", stream=True)
        with pytest.raises(openai.APIError, match="the engine died") as raised:
            [event async for event in stream]
        assert raised.value.code == "engine_dead"


async def test_events_of_a_failure_are_well_formed(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, _):
        run.engine.enqueue(delta("abc"), RuntimeError("secret"))
        text = (await raw(run, stream=True)).text
        *_, failed, error = raw_events(text)
        assert failed["response"]["status"] == "failed"
        assert failed["response"]["error"]["code"] == "server_error"
        assert failed["response"]["output"][0]["content"][0]["text"] == "abc"
        assert (error["type"], error["message"]) == ("error", "the server failed; try again")
        assert "secret" not in text
        run.engine.enqueue(RuntimeError("secret"))
        early = await raw(run, stream=True)
        assert (early.status_code, early.json()["error"]["type"]) == (500, "server_error")


@pytest.mark.parametrize("stream", [True, False])
async def test_client_that_leaves_ends_the_engine_request(
    renderer: PromptRenderer, *, stream: bool
) -> None:
    async with asking(renderer) as (run, _):
        run.engine.enqueue(delta("abc"), 30.0)
        asking_ = asyncio.create_task(raw(run, stream=stream))
        await run.until(lambda: run.engine.open)
        await asyncio.sleep(0.1)
        asking_.cancel()
        await run.until(lambda: run.engine.aborted and not run.engine.open)
        await run.until(lambda: run.metric("endturn_requests_in_flight") == 0)
        assert run.metric("endturn_stops_total", adapter="chat", kind="abort") == 1


async def test_request_id_with_odd_characters_makes_valid_events(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, _):
        body = {"model": "chat", "input": "hi", "stream": True}
        reply = await run.client.post(
            "/v1/responses", json=body, headers={"X-Request-Id": '%d"\\{}'}
        )
        assert raw_events(reply.text)[-1]["response"]["output"][0]["content"][0]["text"] == "ok"
