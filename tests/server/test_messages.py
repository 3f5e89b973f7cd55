"""`/v1/messages` through the anthropic SDK, over a real uvicorn and a scripted engine."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Any

import anthropic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from pydantic import TypeAdapter

from server.errors import EngineDeadError
from server.parsing.port import ParsedDelta, ToolCallDelta
from server.prompt import PromptRenderer
from server.served_model import ServedModel
from tests.fakes import BOS, EOS, IM_END, delta, ids, served
from tests.server.markup_parsers import MarkupParsers
from tests.server.running import Running, running

EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
TOOL_TEMPLATE = (
    "{% for t in tools or [] %}[{{ t.function.name }}]{% endfor %}{% for m in messages %}{{ m.role }}:"
    "{{ m.content }}{% for c in m.tool_calls or [] %}<{{ c.function.name }} {{ c.function.arguments.q }}>{% endfor %};{% endfor %}"
)
TOOL: Any = {
    "name": "look",
    "description": "Looks.",
    "input_schema": {"type": "object", "properties": {"q": {"type": "integer"}}},
}
HI: Any = [{"role": "user", "content": "hi"}]


@asynccontextmanager
async def asking(
    renderer: PromptRenderer, *models: ServedModel, key: str = "none", **settings: Any
) -> AsyncIterator[tuple[Running, anthropic.AsyncAnthropic]]:
    async with running(renderer, *models, **settings) as run:
        url = str(run.client.base_url)
        async with anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as api:
            yield run, api


async def raw(run: Running, path: str = "/v1/messages", **fields: Any) -> Any:
    body = {"model": "chat", "messages": HI, "max_tokens": 40, **fields}
    return await run.client.post(path, json=body)


def raw_events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, each named by its own type and parsed strictly by the SDK's classes."""
    found = []
    for block in text.split("\n\n"):
        if block:
            name, data = block.split("\n")
            found.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {found[-1]['type']}"
            if found[-1]["type"] != "error":
                EVENT.validate_json(data.removeprefix("data: "), strict=True)
    return found


async def test_answer_has_every_field_of_the_sdks_message(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta("Héllo"), delta([*ids("!"), IM_END], "stop"))
        own: Any = {"temperature": 0.5, "top_p": 0.9, "top_k": 5}
        reply = await api.messages.create(
            model="chat",
            max_tokens=40,
            messages=HI,
            system="Be brief.",
            metadata={"user_id": "me"},
            thinking={"type": "adaptive"},
            extra_body=own,
        )
        Message.model_validate(reply.to_dict(), strict=True)
        assert [block.text for block in reply.content if block.type == "text"] == ["Héllo!"]
        assert (reply.stop_reason, reply.stop_sequence) == ("end_turn", None)
        prompt = [BOS, *ids("system: Be brief.\nuser: hi\nassistant: ")]
        request = run.engine.requests[0]
        assert request.prompt_token_ids == prompt
        assert (reply.usage.input_tokens, reply.usage.output_tokens) == (len(prompt), 8)
        sampling = request.sampling
        assert (sampling.max_tokens, sampling.top_k, sampling.top_p) == (40, 5, 0.9)
        assert reply.model_extra is not None
        assert reply.model_extra["stop_detail"]["kind"] == "stop_token"
        assert reply._request_id
        assert run.metric("endturn_stops_total", adapter="chat", kind="stop_token") == 1


async def test_stream_tells_of_each_step_in_order(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        script = (delta("Yés"), delta(". \n"), delta([EOS], "stop"))
        run.engine.enqueue(*script)
        events = raw_events((await raw(run, stream=True)).text)
        assert [kind for kind, _ in groupby(event["type"] for event in events)] == [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert events[-2]["delta"]["stop_detail"]["kind"] == "eos"
        run.engine.enqueue(*script)
        whole = await api.messages.create(model="chat", max_tokens=40, messages=HI)
        run.engine.enqueue(*script)
        async with api.messages.stream(model="chat", max_tokens=40, messages=HI) as stream:
            pieces = [text async for text in stream.text_stream]
            final = await stream.get_final_message()
        assert "".join(pieces) == "Yés. \n"
        assert final.content[0].text == whole.content[0].text == "Yés. \n"  # type: ignore[union-attr]
        assert (final.usage, final.stop_reason) == (whole.usage, whole.stop_reason)


async def test_half_a_character_is_never_sent(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, _):
        halves = "é".encode()
        run.engine.enqueue(delta(halves[:1]), delta(halves[1:]), delta([EOS], "stop"))
        events = raw_events((await raw(run, stream=True)).text)
        deltas = [e["delta"]["text"] for e in events if e["type"] == "content_block_delta"]
        assert deltas == ["é"]


async def test_why_an_answer_ended(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        cases: list[tuple[tuple[Any, ...], str, str | None]] = [
            ((delta("one END two"),), "stop_sequence", "END"),
            ((delta("ab", "length"),), "max_tokens", None),
            ((delta("aaaa", "repetition"),), "max_tokens", None),
            ((delta("Yes.\n\n### Human: x"),), "end_turn", None),
        ]
        for script, reason, sequence in cases:
            run.engine.enqueue(*script)
            reply = await api.messages.create(
                model="chat", max_tokens=40, messages=HI, stop_sequences=["END", "<|im_end|>"]
            )
            assert (reply.stop_reason, reply.stop_sequence) == (reason, sequence)
            run.engine.enqueue(*script)
            last = raw_events((await raw(run, stream=True, stop_sequences=["END"])).text)[-2]
            assert last["delta"]["stop_reason"] == reason
            assert last["delta"]["stop_sequence"] == sequence


async def test_answer_of_nothing_is_an_empty_block(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta([EOS], "stop"))
        reply = await api.messages.create(model="chat", max_tokens=40, messages=HI)
        assert [block.to_dict() for block in reply.content] == [{"type": "text", "text": ""}]
        run.engine.enqueue(delta([EOS], "stop"))
        assert len(raw_events((await raw(run, stream=True)).text)) == 5


async def test_blocks_are_lines_and_thoughts_are_dropped(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        messages: Any = [
            {"role": "user", "content": [{"type": "text", "text": t} for t in "ab"]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": ""},
                    {"type": "text", "text": "c"},
                ],
            },
            {"role": "user", "content": "d"},
        ]
        await api.messages.create(
            model="chat",
            max_tokens=40,
            messages=messages,
            system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        )
        said = "system: s\nuser: a\nb\nassistant: c\nuser: d\nassistant: "
        assert run.engine.requests[0].prompt_token_ids == [BOS, *ids(said)]


async def test_beginning_of_an_answer_is_continued_and_counted(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        messages: Any = [*HI, {"role": "assistant", "content": "Well"}]
        counted = await api.messages.count_tokens(model="chat", messages=messages, system="s")
        reply = await api.messages.create(
            model="chat", max_tokens=40, messages=messages, system="s"
        )
        prompt = [BOS, *ids("system: s\nuser: hi\nassistant: Well")]
        assert run.engine.requests[0].prompt_token_ids == prompt
        assert counted.input_tokens == reply.usage.input_tokens == len(prompt)
        assert len(run.engine.requests) == 1


async def test_guards_off_may_be_asked_for(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, _):
        run.engine.enqueue(delta("Yes.\n\n### Human:", "length"))
        reply = await raw(run, endturn={"guards": False})
        assert reply.json()["content"][0]["text"] == "Yes.\n\n### Human:"
    async with asking(renderer, allow_guards_off=False) as (run, _):
        assert (await raw(run, endturn={"guards": False})).status_code == 400


@pytest.mark.parametrize("late", [False, True])
async def test_thoughts_and_calls_are_blocks_of_their_own(
    renderer: PromptRenderer, *, late: bool
) -> None:
    """A parser's correction of the first call comes after the second began: still one block after the other."""
    correction = ParsedDelta(tool_calls=(ToolCallDelta(index=0, arguments=" "),))
    parsers = MarkupParsers(correction if late else None)
    async with asking(renderer, served(parsers=parsers, template=TOOL_TEMPLATE)) as (run, api):
        said = '~why~Hi@look({"q":1})@peek()'
        script = (*(delta(char) for char in said), delta([EOS], "stop"))
        run.engine.enqueue(*script)
        asked: Any = {"model": "chat", "max_tokens": 40, "messages": HI, "tools": [TOOL]}
        whole = await api.messages.create(**asked)
        run.engine.enqueue(*script)
        async with api.messages.stream(**asked) as stream:
            streamed = await stream.get_final_message()
        run.engine.enqueue(*script)
        events = raw_events((await raw(run, stream=True, tools=[TOOL])).text)
    for message in (whole, streamed):
        Message.model_validate(message.to_dict(), strict=True)
        assert message.stop_reason == "tool_use"
        thought, text, look, peek = (block.to_dict() for block in message.content)
        assert (thought["thinking"], text["text"]) == ("why", "Hi")
        assert (look["id"], look["name"], look["input"]) == ("call0", "look", {"q": 1})
        assert (peek["id"], peek["name"], peek["input"]) == ("call1", "peek", {})
    opened = [e["index"] for e in events if e["type"].endswith(("block_start", "block_stop"))]
    assert opened == [0, 0, 1, 1, 2, 2, 3, 3]
    assert parsers.asked[0].tools[0]["function"]["parameters"] == TOOL["input_schema"]


async def test_a_tool_that_was_named_is_used_too(renderer: PromptRenderer) -> None:
    """Chat ends such an answer as `stop`; Anthropic's clients look for `tool_use`."""
    model = served(parsers=MarkupParsers(), template=TOOL_TEMPLATE)
    async with asking(renderer, model) as (run, api):
        script = (*(delta(char) for char in '@look({"q":1})'), delta([EOS], "stop"))
        choice: Any = {"type": "tool", "name": TOOL["name"]}
        asked: Any = {"model": "chat", "max_tokens": 40, "messages": HI, "tools": [TOOL]}
        run.engine.enqueue(*script)
        whole = await api.messages.create(tool_choice=choice, **asked)
        run.engine.enqueue(*script)
        async with api.messages.stream(tool_choice=choice, **asked) as stream:
            streamed = await stream.get_final_message()
    assert whole.stop_reason == streamed.stop_reason == "tool_use"


async def test_arguments_that_are_no_object_are_not_lost(renderer: PromptRenderer) -> None:
    model = served(parsers=MarkupParsers(), template=TOOL_TEMPLATE)
    async with asking(renderer, model) as (run, _):
        for arguments in ('{"q":', "[1]"):
            script = [delta(char) for char in f"@look({arguments}"]
            run.engine.enqueue(*script, delta([EOS], "stop"))
            [block] = (await raw(run, tools=[TOOL])).json()["content"]
            assert block["input"] == {"invalid_arguments": arguments}


async def test_calls_and_their_results_go_back_to_the_template(renderer: PromptRenderer) -> None:
    parsers = MarkupParsers()
    async with asking(renderer, served(parsers=parsers, template=TOOL_TEMPLATE)) as (run, api):
        use = {"type": "tool_use", "name": "look"}
        result = {"type": "tool_result", "content": [{"type": "text", "text": "seen"}]}
        messages: Any = [
            *HI,
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {**use, "id": "c", "input": {"q": 1}},
                    {**use, "id": "d", "input": {"q": 2}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {**result, "tool_use_id": "c"},
                    {"type": "tool_result", "tool_use_id": "d", "is_error": True},
                    {"type": "text", "text": "And?"},
                ],
            },
        ]
        choices: list[Any] = [
            {"type": "auto"},
            {"type": "any", "disable_parallel_tool_use": True},
            {"type": "tool", "name": "look"},
            {"type": "none"},
        ]
        for choice in choices:
            await api.messages.create(
                model="chat", max_tokens=40, messages=messages, tools=[TOOL], tool_choice=choice
            )
        said = "[look]user:hi;assistant:I look.<look 1><look 2>;tool:seen;tool:;user:And?;"
        assert run.engine.requests[0].prompt_token_ids == [*ids(said)]
        assert [asked.demand for asked in parsers.asked[:2]] == ["auto", "required"]
        assert [asked.parallel_calls for asked in parsers.asked[:2]] == [True, False]
        assert parsers.asked[3].demand == "none"


async def test_thinking_and_the_form_of_the_answer_go_through_chats_fields(
    renderer: PromptRenderer,
) -> None:
    parsers = MarkupParsers()
    async with asking(renderer, served(parsers=parsers)) as (_, api):
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
        form: Any = {"format": {"type": "json_schema", "schema": schema}, "effort": "low"}
        for more in ({"output_config": form}, {"thinking": {"type": "disabled"}}):
            asked: Any = {"model": "chat", "max_tokens": 40, "messages": HI, **more}
            await api.messages.create(**asked)
        formed, plain = parsers.asked
        assert formed.structured is not None
        assert json.loads(formed.structured.text) == schema
        assert formed.template_kwargs["reasoning_effort"] == "low"
        assert plain.template_kwargs["enable_thinking"] is False
        assert not plain.include_reasoning


BAD: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages: List should have at least 1"),
    ({"messages": HI * 5000}, "messages: List should have at most 4096"),
    ({"messages": [{"role": "user", "content": "x" * 2000}]}, "1000 tokens"),
    ({"messages": [{"role": "pirate", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
        "content[0].type: blocks of",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "content[0].text: this field",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "tool_use"}]}]}, "tool_use"),
    (
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]},
        "[0].id: this field",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "tool_use_id: this"),
    ({"system": [{"type": "image"}]}, "system[0].type: blocks of type 'image'"),
    ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": 0}, "max_tokens: Input should be greater"),
    ({"stop_sequences": [""]}, "stop_sequences: String should have"),
    ({"stop_sequences": ["x"] * 65}, "stop_sequences: at most 64"),
    ({"stop": "x"}, "stop: this API has stop_sequences instead"),
    ({"n": 2}, "one answer a request"),
    ({"temperature": "1"}, "temperature: Input should be a valid number"),
    ({"thinking": {"type": "lots"}}, "thinking.type: Input should be 'enabled'"),
    ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type: tools of type 'bash"),
    ({"tools": [TOOL]}, "no place for tools"),
    ({"tool_choice": {"type": "some"}}, "tool_choice.type: 'some' is none of"),
    ({"tool_choice": {"type": []}}, "tool_choice.type: [] is none of"),
    ({"output_config": {"format": {"type": "xml"}}}, "output_config.format: "),
    ({"output_config": {"effort": "huge"}}, "output_config.effort: Input should be"),
    ({"endturn": {"guard": False}}, "Extra inputs"),
]
BODIES: list[tuple[bytes, int]] = [
    (b"{", 400),
    (b"[]", 400),
    (b'{"model":"chat","messages":[{"role":"user","content":"x"}]}', 400),
    (b'{"model":"chat","max_tokens":5,"messages":[{"role":"user","content":"\xff"}]}', 400),
    (b'{"model":"chat","max_tokens":5,"messages":' + b"[" * 100_000, 400),
    (b'{"model":"chat","max_tokens":5,"messages":' + b"[" * 900 + b"]" * 900 + b"}", 400),
    (b" " * (10 << 20), 413),
]


async def test_bad_input_is_refused_in_anthropics_shape(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    async with asking(renderer) as (run, _):
        for number, (fields, message) in enumerate(BAD):
            with subtests.test(number=number, message=message):
                reply = await raw(run, **fields)
                assert reply.status_code == 400
                error = ErrorResponse.model_validate_json(reply.content, strict=True)
                assert error.error.type == "invalid_request_error"
                assert message in error.error.message
                assert error.request_id == reply.headers["x-request-id"]
        for number, (body, status) in enumerate(BODIES):
            with subtests.test(number=number, status=status):
                reply = await run.client.post("/v1/messages", content=body)
                assert reply.status_code == status
                ErrorResponse.model_validate_json(reply.content, strict=True)
        assert run.engine.requests == []
        assert (await raw(run)).status_code == 200


async def test_sdk_raises_the_right_classes(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        asked: Any = {"max_tokens": 40, "messages": HI}
        with pytest.raises(anthropic.NotFoundError) as missing:
            await api.messages.create(model="nope", **asked)
        assert missing.value.type == "not_found_error"
        assert missing.value.error_code == "model_not_found"
        with pytest.raises(anthropic.NotFoundError):
            await api.messages.count_tokens(model="nope", messages=HI)
        with pytest.raises(anthropic.NotFoundError):
            await api.messages.batches.list()
        with pytest.raises(anthropic.BadRequestError):
            await api.messages.create(model="chat", **{**asked, "max_tokens": 0})
        run.engine.enqueue(RuntimeError("secret"))
        with pytest.raises(anthropic.InternalServerError) as failed:
            await api.messages.create(model="chat", **asked)
        assert (failed.value.type, "secret" in str(failed.value)) == ("api_error", False)
        assert (await run.client.get("/v1/messages")).json()["type"] == "error"
        run.server.lifecycle.start_draining()
        with pytest.raises(anthropic.InternalServerError) as draining:
            await api.messages.create(model="chat", **asked)
        assert (draining.value.type, draining.value.status_code) == ("overloaded_error", 503)
        assert int(draining.value.response.headers["retry-after"]) > 0


async def test_failure_inside_a_stream_is_raised_by_the_sdk(renderer: PromptRenderer) -> None:
    async with asking(renderer) as (run, api):
        run.engine.enqueue(delta("abc"), EngineDeadError("secret"))
        stream = await api.messages.create(model="chat", max_tokens=40, messages=HI, stream=True)
        with pytest.raises(anthropic.APIStatusError, match="the engine died") as raised:
            [event async for event in stream]
        assert (raised.value.type, raised.value.error_code) == ("overloaded_error", "engine_dead")


async def test_keys_are_taken_from_either_header(renderer: PromptRenderer) -> None:
    async with asking(renderer, key="k1", api_key=("k1",)) as (run, api):
        await api.messages.create(model="chat", max_tokens=40, messages=HI)
        body = {"model": "chat", "messages": HI, "max_tokens": 40}
        for headers, status in (
            ({"x-api-key": "k1"}, 200),
            ({"Authorization": "Bearer k1"}, 200),
            ({"x-api-key": "k2"}, 401),
            ({}, 401),
        ):
            for path in ("/v1/messages", "/v1/messages/count_tokens"):
                reply = await run.client.post(path, json=body, headers=headers)
                assert reply.status_code == status
        assert reply.json()["error"]["type"] == "authentication_error"
        other = await run.client.get("/v1/models", headers={"x-api-key": "k1"})
        assert other.status_code == 401


@pytest.mark.parametrize("stream", [True, False])
async def test_client_that_leaves_ends_the_engine_request(
    renderer: PromptRenderer, *, stream: bool
) -> None:
    async with asking(renderer) as (run, _):
        run.engine.enqueue(delta("abc"), 30.0)
        leaving = asyncio.create_task(raw(run, stream=stream))
        await run.until(lambda: run.engine.open)
        await asyncio.sleep(0.1)
        leaving.cancel()
        await run.until(lambda: run.engine.aborted and not run.engine.open)
        await run.until(lambda: run.metric("endturn_requests_in_flight") == 0)
        assert run.metric("endturn_stops_total", adapter="chat", kind="abort") == 1
