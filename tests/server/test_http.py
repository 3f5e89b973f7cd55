"""The HTTP surface over a real uvicorn and a scripted engine: answers, streams, bad input, clients that leave."""

import asyncio
import json
from typing import Any

import httpx2 as httpx
import pytest

from server.errors import EngineDeadError, InvalidRequest
from server.prompt import PromptRenderer
from tests.fakes import BOS, EOS, IM_END, TEMPLATE, delta, ids, served
from tests.server.running import Running, running


def events(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


async def test_chat_answer_ends_at_the_turn_token(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("Hello"), delta([*ids("!"), IM_END], "stop"))
        reply = (await run.chat()).json()
        choice = reply["choices"][0]
        assert choice["message"]["content"] == "Hello!"
        assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", IM_END)
        assert choice["stop_detail"]["kind"] == "stop_token"
        assert choice["stop_detail"]["limit"] == {"value": 50, "set_by": "profile"}
        request = run.engine.requests[0]
        assert request.prompt_token_ids == [BOS, *ids("user: hi\nassistant: ")]
        assert reply["usage"]["prompt_tokens"] == len(request.prompt_token_ids)
        assert reply["usage"]["completion_tokens"] == 7
        assert run.metric("endturn_stops_total", adapter="chat", kind="stop_token") == 1


async def test_stream_says_the_same_and_ends_with_usage(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("Yes.\n"), delta("\n### Hu"), delta("man: more"), delta("never"))
        reply = await run.chat(stream=True, stream_options={"include_usage": True})
        assert reply.headers["content-type"].startswith("text/event-stream")
        *chunks, usage, done = events(reply.text)
        assert done == "[DONE]"
        assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        assert text == "Yes."
        assert chunks[-1]["choices"][0]["stop_detail"]["kind"] == "role_marker"
        assert usage["choices"] == []
        assert usage["usage"]["completion_tokens"] == 21
        assert run.engine.aborted, "a text stop must end the engine request"
        assert run.metric("endturn_rescued_total", adapter="chat", kind="role_marker") == 1


async def test_runaway_is_counted_with_who_set_the_limit(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("ab", "length"))
        choice = (await run.chat(max_tokens=2)).json()["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("ab", "length")
        labels = {"adapter": "chat", "kind": "max_tokens"}
        assert run.metric("endturn_runaway_total", **labels, limit="client") == 1
        assert run.metric("endturn_runaway_generation_tokens_sum", **labels) == 2
        assert run.metric("endturn_time_to_first_token_seconds_count", adapter="chat") == 1
        assert run.metric("endturn_request_seconds_count", adapter="chat") == 1


async def test_engine_repetition_is_a_length_finish(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("aaaa", "repetition"))
        choice = (await run.chat()).json()["choices"][0]
        assert (choice["finish_reason"], choice["stop_detail"]["kind"]) == ("length", "repetition")


async def test_greedy_n_returns_equal_choices_from_one_generation(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        reply = (await run.chat(n=3, temperature=0)).json()
        assert [choice["message"]["content"] for choice in reply["choices"]] == ["ok"] * 3
        assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
        assert run.engine.requests[0].sampling.n == 1
        assert reply["usage"]["completion_tokens"] == 9


async def test_each_choice_of_n_ends_for_itself(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(
            delta("a\n\n### Human:"),
            delta("b", index=1),
            delta("zzz"),
            delta([EOS], "stop", index=1),
        )
        reply = (await run.chat(n=2, temperature=1)).json()
        assert [choice["message"]["content"] for choice in reply["choices"]] == ["a", "b"]
        assert [c["stop_detail"]["kind"] for c in reply["choices"]] == ["role_marker", "eos"]
        assert reply["choices"][1]["stop_reason"] is None


async def test_completions_take_text_and_ids(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for prompt in ("hi", ["hi"], [BOS, *ids("hi")]):
            reply = await run.client.post(
                "/v1/completions", json={"model": "chat", "prompt": prompt}
            )
            assert reply.json()["choices"][0]["text"] == "ok"
            assert run.engine.requests[-1].prompt_token_ids == [BOS, *ids("hi")]
        body = {"model": "chat", "prompt": "hi", "stream": True}
        *chunks, _ = events((await run.client.post("/v1/completions", json=body)).text)
        assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == "ok"


@pytest.mark.parametrize("prompt", [[259], [], [1, "a"], ""])
async def test_completion_prompts_that_are_refused(renderer: PromptRenderer, prompt: Any) -> None:
    async with running(renderer) as run:
        body = {"model": "chat", "prompt": prompt, "add_special_tokens": False}
        reply = await run.client.post("/v1/completions", json=body)
        assert (reply.status_code, reply.json()["error"]["param"][:6]) == (400, "prompt")


async def test_content_parts_are_lines(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        await run.chat(messages=[{"role": "user", "content": parts}], stop=["x", "x"])
        assert run.engine.requests[0].prompt_token_ids == [BOS, *ids("user: a\nb\nassistant: ")]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (TEMPLATE, "system: s\n\nd\nuser: hi\n"),
        (
            TEMPLATE.replace("'system'", "'system', 'developer'"),
            "system: s\nuser: hi\ndeveloper: d\n",
        ),
    ],
    ids=["a template without it", "one that has it"],
)
async def test_developer_is_a_system_role_where_the_template_does_not_know_it(
    renderer: PromptRenderer, template: str, said: str
) -> None:
    async with running(renderer, served(template=template)) as run:
        turns = (("system", "s"), ("user", "hi"), ("developer", "d"))
        await run.chat(messages=[{"role": role, "content": text} for role, text in turns])
        asked = run.engine.requests[0].prompt_token_ids
        assert asked == [BOS, *ids(said + "assistant: ")]


async def test_models_tokens_and_operations(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        get, post = run.client.get, run.client.post
        listed = (await get("/v1/models")).json()["data"]
        assert [model["id"] for model in listed] == ["base-model", "chat"]
        assert (await get("/v1/models/chat")).json()["max_model_len"] == 1000
        assert (await get("/v1/models/no")).status_code == 404
        made = (await post("/tokenize", json={"prompt": "hi", "return_token_strs": True})).json()
        assert (made["tokens"], made["count"]) == ([BOS, *ids("hi")], 3)
        assert made["token_strs"] == ["<bos>", "h", "i"]
        chat = {"model": "chat", "messages": [{"role": "user", "content": "x"}]}
        assert (await post("/tokenize", json=chat)).json()["tokens"][0] == BOS
        back = await post("/detokenize", json={"tokens": made["tokens"]})
        assert back.json() == {"prompt": "<bos>hi"}
        assert (await post("/detokenize", json={"tokens": [999]})).status_code == 400
        for path in ("/livez", "/readyz", "/health", "/version", "/metrics"):
            assert (await get(path)).status_code == 200


BAD: list[tuple[dict[str, Any], str | None, str]] = [
    ({"model": "nope"}, "model", "base-model, chat"),
    ({"messages": []}, "messages", "at least 1"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "valid string"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0].type",
        "text",
    ),
    ({"messages": [{"role": "pirate", "content": "x"}]}, "messages", "no role pirate"),
    ({"messages": [{"role": "user", "content": "x"}] * 5_000}, "messages", "at most 4096"),
    ({"messages": [{"role": "user", "content": "x" * 2000}]}, "messages", "1000 tokens"),
    ({"temperature": "0.5"}, "temperature", "valid number"),
    ({"temperature": 3}, "temperature", "less than or equal to 2"),
    ({"top_p": 0}, "top_p", "greater than 0"),
    ({"n": 0}, "n", "greater than or equal to 1"),
    ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
    ({"stop": ["x"] * 65}, "stop", "at most 64"),
    ({"stop": [""]}, "stop[0]", "at least 1 character"),
    ({"stop_token_ids": [1] * 300}, "stop_token_ids", "at most 256"),
    ({"seed": 2**64}, "seed", ""),
    ({"tools": [{}]}, "tools[0].type", "required"),
    ({"functions": [{}]}, "functions", "not supported"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "json_object"),
    (
        {"response_format": {"type": "json_object"}, "structured_outputs": {"regex": "a"}},
        None,
        "cannot both",
    ),
    ({"logit_bias": {"a": 1}}, "logit_bias", "match pattern"),
    ({"logit_bias": {"259": 1}}, "logit_bias", "vocabulary of 259"),
    ({"logit_bias": {"1": 101}}, "logit_bias", "less than or equal to 100"),
    ({"allowed_token_ids": [300]}, "allowed_token_ids", "vocabulary of 259"),
    ({"allowed_token_ids": []}, "allowed_token_ids", "at least 1"),
    ({"bad_words": [""]}, "bad_words[0]", "at least 1 character"),
    ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0]", "tool_call_id"),
    ({"endturn": {"guard": False}}, "endturn", "Extra inputs"),
    ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs", "cannot be set"),
]


@pytest.mark.parametrize(
    ("fields", "param", "message"), BAD, ids=[f"{i}-{row[1]}" for i, row in enumerate(BAD)]
)
async def test_bad_input_names_field_and_reason(
    renderer: PromptRenderer, fields: dict[str, Any], param: str | None, message: str
) -> None:
    async with running(renderer) as run:
        reply = await run.chat(**fields)
        error = reply.json()["error"]
        assert reply.status_code == (404 if param == "model" else 400)
        assert error["param"] == param
        assert message in error["message"]
        assert set(error) == {"message", "type", "param", "code"}
        assert run.engine.requests == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"", 400),
        (b'{"model":"chat","messages":[{"role":"user","content":"\xff"}]}', 400),
        (b'{"model":"chat","messages":[{"role":"user","content":"x"}],"temperature":NaN}', 400),
        (b'{"model":"chat","messages":[{"role":"user","content":"x"}],"temperature":1e999}', 400),
        (b"[" * 100_000, 400),
        (b" " * (10 << 20), 413),
        (b" " * (80 << 20), 413),
    ],
    ids=["cut", "list", "empty", "utf-8", "nan", "huge-number", "deep", "10-MB", "80-MB"],
)
async def test_bodies_that_are_no_request(
    renderer: PromptRenderer, body: bytes, status: int
) -> None:
    async with running(renderer) as run:
        try:
            reply = await run.client.post("/v1/chat/completions", content=body)
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            assert len(body) > 64 << 20, "only a sender that never stops may lose its answer"
            return
        assert reply.status_code == status
        assert reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("template", "code"),
    [
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "template_timeout",
        ),
        ("{{ 'x' * 99999999999 }}", "template_error"),
        ("{{ messages.missing.deeper }}", "template_error"),
        ("{% if %}", "template_error"),
        ("{{ ''.__class__.__mro__ }}", "template_error"),
        ("{{ 1 / 0 }}", "template_error"),
        ("{{ 'x' * 20000000 }}", "template_error"),
        (None, "no_chat_template"),
    ],
    ids=["loop", "memory", "missing", "syntax", "escape", "arithmetic", "length", "none"],
)
async def test_templates_that_fail(
    renderer: PromptRenderer, template: str | None, code: str
) -> None:
    async with running(renderer, served(template=template)) as run:
        reply = await run.chat()
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
        if template is None:
            assert "--chat-template" in reply.json()["error"]["message"]


async def test_unknown_paths_and_methods_answer_in_openais_shape(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for reply, status in (
            (await run.client.get("/nope"), 404),
            (await run.client.get("/v1/chat/completions"), 405),
        ):
            assert reply.status_code == status
            assert reply.json()["error"]["type"] == "invalid_request_error"


async def test_keys_guard_everything_but_operations(renderer: PromptRenderer) -> None:
    async with running(renderer, api_key=("k1", "k2")) as run:
        assert (await run.client.get("/v1/models")).status_code == 401
        assert (await run.chat()).json()["error"]["code"] == "invalid_api_key"
        for key, status in (("k2", 200), ("k3", 401), ("é", 401)):
            header = {b"Authorization": b"Bearer " + key.encode()}
            assert (await run.client.get("/v1/models", headers=header)).status_code == status
        assert (await run.client.get("/readyz")).status_code == 200


async def test_operator_may_forbid_guards_off(renderer: PromptRenderer) -> None:
    async with running(renderer, allow_guards_off=False) as run:
        reply = await run.chat(endturn={"guards": False})
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "endturn")


async def test_failure_before_the_first_token_keeps_its_status(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for error, status in ((InvalidRequest("no"), 400), (RuntimeError("secret"), 500)):
            run.engine.enqueue(error)
            reply = await run.chat(stream=True)
            assert reply.status_code == status
            assert "secret" not in reply.text


async def test_failure_inside_a_stream_is_its_last_event(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for error in (InvalidRequest("no"), RuntimeError("secret")):
            run.engine.enqueue(delta("abc"), error)
            reply = await run.chat(stream=True)
            *_, failed, done = events(reply.text)
            assert set(failed["error"]) == {"message", "type", "param", "code"}
            assert done == "[DONE]"
            assert "secret" not in reply.text
        assert run.metric("endturn_stops_total", adapter="chat", kind="abort") == 2


async def test_dead_engine_tells_every_stream_and_unreadies(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("abc"), EngineDeadError("gone"))
        reply = await run.chat(stream=True)
        assert events(reply.text)[-2]["error"]["code"] == "engine_dead"
        for path in ("/livez", "/readyz", "/health"):
            assert (await run.client.get(path)).status_code == 503
        refused = await run.chat()
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0


async def test_engine_that_ends_without_a_finish_is_an_error(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("abc"))
        assert (await run.chat()).status_code == 503


async def test_server_that_stops_aborts_what_is_left_with_a_last_event(
    renderer: PromptRenderer,
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("abc"), 30.0)
        reading = asyncio.create_task(run.chat(stream=True))
        await run.until(lambda: run.engine.open)
        run.server.lifecycle.start_draining()
        assert (await run.client.get("/readyz")).status_code == 503
        assert (await run.client.get("/livez")).status_code == 200
        assert (await run.chat()).json()["error"]["code"] == "not_ready"
        assert await run.server.lifecycle.wait_until_idle(0.1)
        await run.server.lifecycle.abort_all(run.engine)
        assert not await run.server.lifecycle.wait_until_idle(5)
        assert events((await reading).text)[-2]["error"]["code"] == "aborted"


@pytest.mark.parametrize("stream", [True, False])
async def test_client_that_leaves_ends_the_engine_request(
    renderer: PromptRenderer, *, stream: bool
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("abc"), 30.0)
        asking = asyncio.create_task(run.chat(stream=stream))
        await run.until(lambda: run.engine.open)
        await asyncio.sleep(0.1)
        asking.cancel()
        await run.until(lambda: run.engine.aborted and not run.engine.open)
        await run.until(lambda: run.metric("endturn_requests_in_flight") == 0)
        assert run.metric("endturn_stops_total", adapter="chat", kind="abort") == 1


async def test_many_at_once(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        replies = await asyncio.gather(*(run.chat() for _ in range(64)))
        assert {reply.status_code for reply in replies} == {200}
        assert run.metric("endturn_stops_total", adapter="chat", kind="eos") == 64


async def test_deeply_nested_input_hurts_nobody_else(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        deep: list[Any] = []
        for _ in range(900):
            deep = [deep]
        for fields in (
            {"chat_template_kwargs": {"x": deep}},
            {"messages": [{"role": "user", "content": "x", "y": deep}]},
        ):
            assert (await run.chat(**fields)).status_code == 400
            await _assert_alive(run)


async def test_odd_but_well_formed_values_are_answered_or_refused(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        assert (await run.chat(chat_template_kwargs={"bos_token": 5})).status_code == 200
        assert (await run.chat(messages=[{"role": "user", "content": None}])).status_code == 200
        assert (await run.chat(seed=True)).status_code == 400
        lone = rb'{"model":"chat","messages":[{"role":"user","content":"\ud800"}]}'
        reply = await run.client.post("/v1/chat/completions", content=lone)
        assert reply.status_code == 400


async def _assert_alive(run: Running) -> None:
    assert (await run.chat()).status_code == 200


async def test_server_lives_on_after_a_template_is_killed(renderer: PromptRenderer) -> None:
    loop = served(
        "loop",
        template="{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    )
    async with running(renderer, served(), loop) as run:
        assert (await run.chat(model="loop")).status_code == 400
        await _assert_alive(run)
