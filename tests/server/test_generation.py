"""Guards on a stream, over HTTP: what ends an answer, what of it is shown, and what the engine still does."""

import asyncio
import json
from typing import Any

import pytest

from server.engine import EngineDelta
from server.prompt import PromptRenderer
from server.served_model import TemplateTurns
from tests.fakes import BOS, EOS, IM_END, delta, ids, profile, served
from tests.server.running import Running, running

LOOP = "I will say it again and again and again. " * 60
FAST = {"near": {"prose": 512, "other": 1024, "exact": 1024, "min_ratio": 3.0}}


def long_answers(**guard: Any) -> Any:
    return served(profile=profile(max_tokens={"default": 4000}, guard=guard))


async def ask(run: Running, **fields: Any) -> dict[str, Any]:
    choice: dict[str, Any] = (await run.chat(**fields)).json()["choices"][0]
    return choice


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline_ends_the_answer_as_it_is(renderer: PromptRenderer, stream: bool) -> None:
    async with running(renderer, deadline_s=2.0) as run:
        await run.chat()  # the first one waits for the process that renders templates
        run.engine.enqueue(delta("Yes.\n\n##"), 30.0, delta("never"))
        reply = await run.chat(stream=stream)
        assert reply.status_code == 200
        assert '"kind":"deadline"' in reply.text
        assert '"finish_reason":"length"' in reply.text
        assert "never" not in reply.text
        assert run.engine.aborted
        assert run.metric("endturn_stops_total", adapter="chat", kind="deadline") == 1
        if not stream:
            assert reply.json()["choices"][0]["message"]["content"] == "Yes.\n\n##"


async def test_a_deadline_before_the_first_token_is_an_empty_answer(
    renderer: PromptRenderer,
) -> None:
    async with running(renderer, deadline_s=0.05) as run:
        run.engine.enqueue(30.0)
        choice = await ask(run)
        assert (choice["message"]["content"], choice["finish_reason"]) == ("", "length")


async def test_a_deadline_ends_every_choice_that_is_open(renderer: PromptRenderer) -> None:
    async with running(renderer, deadline_s=2.0) as run:
        await run.chat()
        run.engine.enqueue(
            delta("a"),
            delta([EOS], "stop", index=1),
            30.0,
            delta([], "abort"),
        )
        reply = (await run.chat(n=2, temperature=1)).json()
        assert [c["stop_detail"]["kind"] for c in reply["choices"]] == ["deadline", "eos"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stalled_engine_is_an_error_and_its_request_ends(
    renderer: PromptRenderer, stream: bool
) -> None:
    async with running(renderer, stall_timeout_s=0.2) as run:
        run.engine.enqueue(delta("ab\n\n##"), 30.0)
        reply = await run.chat(stream=stream)
        assert ("ab" in reply.text and '##"' in reply.text) == stream, "held back text comes first"
        assert reply.status_code == (200 if stream else 503)
        events = reply.text.removesuffix("\n\ndata: [DONE]\n\n") if stream else reply.text
        error = json.loads(events.rsplit("data: ", 1)[-1])["error"]
        assert error["code"] == "engine_stalled"
        assert set(error) == {"message", "type", "param", "code"}
        await run.until(lambda: not run.engine.open)
        assert run.metric("endturn_stops_total", adapter="chat", kind="abort") == 1


async def test_a_choice_that_ends_is_aborted_while_its_siblings_go_on(
    renderer: PromptRenderer,
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(
            delta("one\n\n### Human:"),
            delta("two", index=1),
            delta("three", index=2),
            delta(" surplus"),
            delta([EOS], "stop", index=1),
            delta([], "abort"),
            delta(" more", "length", index=2),
        )
        reply = (await run.chat(n=3, temperature=1)).json()
        assert [c["message"]["content"] for c in reply["choices"]] == ["one", "two", "three more"]
        kinds = [c["stop_detail"]["kind"] for c in reply["choices"]]
        assert kinds == ["role_marker", "eos", "max_tokens"]
        request_id = run.engine.requests[0].request_id
        assert run.engine.aborted_choices == [(request_id, 0)], "the others ended by themselves"
        assert reply["usage"]["completion_tokens"] == 15 + 4 + 10


@pytest.mark.parametrize("stream", [False, True])
async def test_a_loop_ends_the_answer_with_all_of_its_text(
    renderer: PromptRenderer, stream: bool
) -> None:
    async with running(renderer, long_answers(repetition=FAST)) as run:
        run.engine.max_model_len = 5000
        run.engine.enqueue(*(delta(LOOP[at : at + 7]) for at in range(0, len(LOOP), 7)))
        reply = await run.chat(stream=stream)
        assert '"kind":"repetition"' in reply.text
        assert run.engine.aborted
        if not stream:
            choice = reply.json()["choices"][0]
            assert LOOP.startswith(choice["message"]["content"])
            assert len(LOOP) > len(choice["message"]["content"]) >= 512
            assert (choice["finish_reason"], choice["stop_reason"]) == (
                "length",
                "repetition_detected",
            )
            assert choice["stop_detail"]["trimmed_tokens"] <= 7
        labels = {"adapter": "chat", "kind": "repetition", "limit": "profile"}
        assert run.metric("endturn_runaway_total", **labels) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"endturn": {"guards": {"loops": False}}},
        {"endturn": {"guards": False}},
        {"ignore_eos": True},
        {"min_tokens": 2400},
    ],
)
async def test_loops_go_on_where_the_client_wants_them(
    renderer: PromptRenderer, fields: dict[str, Any]
) -> None:
    async with running(renderer, long_answers(repetition=FAST)) as run:
        run.engine.max_model_len = 5000
        run.engine.enqueue(delta(LOOP, "length"))
        choice = await ask(run, **fields)
        assert choice["message"]["content"] == LOOP
        assert choice["stop_detail"]["kind"] == "max_tokens"


@pytest.mark.parametrize(
    ("tokens", "fields", "content", "reason"),
    [
        (ids("a STOP b"), {"stop": "STOP"}, "a STOP", "STOP"),
        ([*ids("ab"), ord("c")], {"stop_token_ids": [ord("c")]}, "abc", ord("c")),
        ([*ids("ab"), EOS], {}, "ab", None),
        ([*ids("ab"), EOS], {"skip_special_tokens": False}, "ab<eos>", None),
        ([*ids("ab\n\n##"), IM_END], {"skip_special_tokens": False}, "ab\n\n##<|im_end|>", IM_END),
        ([*ids("a"), BOS, *ids("\nb")], {"stop": "<bos>\n"}, "a\n", "<bos>\n"),
        (ids("ab\n\n### Human: c"), {}, "ab", "\n\n### Human:"),
    ],
)
async def test_the_stop_itself_is_shown_where_the_client_asks_for_it(
    renderer: PromptRenderer,
    tokens: list[int],
    fields: dict[str, Any],
    content: str,
    reason: str | int | None,
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta(tokens))
        choice = await ask(run, include_stop_str_in_output=True, **fields)
        assert (choice["message"]["content"], choice["stop_reason"]) == (content, reason)


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("cut", [1, 100])
async def test_a_stop_with_special_tokens_in_it_ends_the_answer(
    renderer: PromptRenderer, skip: bool, cut: int
) -> None:
    tokens = [*ids("Yes."), BOS, *ids("\nNo"), BOS, *ids("\n"), BOS, *ids("more")]
    async with running(renderer) as run:
        run.engine.enqueue(*(delta(tokens[at : at + cut]) for at in range(0, len(tokens), cut)))
        choice = await ask(run, stop=["x", "<bos>\n<bos>"], skip_special_tokens=skip)
        assert choice["message"]["content"] == ("Yes.\nNo" if skip else "Yes.<bos>\nNo")
        assert choice["stop_reason"] == "<bos>\n<bos>"
        assert choice["stop_detail"]["trimmed_tokens"] == 3 + (4 if cut == 100 else 0)


async def test_a_special_token_spelled_in_letters_is_a_stop_too(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for stop, text in (("<bos>", "a<bos>b"), ("<bos>\n", "a<bos>\nb")):
            run.engine.enqueue(delta(text))
            choice = await ask(run, stop=stop)
            assert (choice["message"]["content"], choice["stop_reason"]) == ("a", stop)


async def test_a_role_marker_at_the_very_start_leaves_nothing(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("### Hum"), delta("an: and on"))
        choice = await ask(run)
        assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")
        assert choice["stop_detail"]["kind"] == "role_marker"
        run.engine.enqueue(delta("### Humans", "length"))
        assert (await ask(run))["message"]["content"] == "### Humans"


async def test_a_base_that_is_chatted_with_ends_where_its_template_does(
    renderer: PromptRenderer,
) -> None:
    turns = TemplateTurns(end_ids=(IM_END,), markers=("\nuser:",))
    async with running(renderer, served(profile=None, template_turns=turns)) as run:
        run.engine.enqueue(delta("Yes.\nus"), delta("er: more"))
        assert (await ask(run))["message"]["content"] == "Yes."
        run.engine.enqueue(delta([*ids("Yes."), IM_END], "stop"))
        assert (await ask(run))["stop_reason"] == IM_END


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"endturn": {"guards": {"markers": False}}}, "endturn.guards", "Extra inputs"),
    ({"endturn": {"guards": {"loops": "no"}}}, "endturn.guards.loops", "valid boolean"),
    ({"endturn": {"guards": "no"}}, "endturn.guards", ""),
    ({"repetition_detection": {"max_pattern_size": 4}}, "repetition_detection", "min_count"),
    (
        {"repetition_detection": {"max_pattern_size": 999, "min_count": 2}},
        "repetition_detection.max_pattern_size",
        "less than or equal to 256",
    ),
    (
        {"repetition_detection": {"max_pattern_size": 2, "min_pattern_size": 3, "min_count": 2}},
        "repetition_detection",
        "min_pattern_size",
    ),
]


@pytest.mark.parametrize(("fields", "param", "message"), BAD)
async def test_bad_guard_fields_are_named(
    renderer: PromptRenderer, fields: dict[str, Any], param: str, message: str
) -> None:
    async with running(renderer) as run:
        reply = await run.chat(**fields)
        error = reply.json()["error"]
        assert (reply.status_code, error["param"]) == (400, param)
        assert message in error["message"]


async def test_an_operator_who_forbids_guards_off_forbids_each(renderer: PromptRenderer) -> None:
    async with running(renderer, allow_guards_off=False) as run:
        for guards, status in (
            ({"loops": False}, 400),
            ({"end_of_turn": False, "loops": True}, 400),
            ({"loops": True}, 200),
            ({}, 200),
            (True, 200),
        ):
            assert (await run.chat(endturn={"guards": guards})).status_code == status


async def test_watching_ends_with_the_request(renderer: PromptRenderer) -> None:
    async with running(renderer, deadline_s=60.0) as run:
        run.engine.enqueue(EngineDelta(index=0, token_ids=(EOS,), finish_reason="stop"))
        await ask(run)
        timers = [
            t for t in getattr(asyncio.get_running_loop(), "_scheduled", []) if not t._cancelled
        ]
        assert not any("Watch._look" in repr(timer) for timer in timers)
