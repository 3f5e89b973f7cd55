"""Request + profile -> sampling and stops, as tables."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.chat_profile import SamplingDefaults
from server.engine import RepetitionDetection, Sampling
from server.errors import InvalidRequest
from server.sampling import GenerationPlan, plan_generation
from server.schema.chat import ChatCompletionRequest
from server.schema.completions import CompletionRequest
from server.served_model import ServedModel, TemplateTurns
from server.stopping import LoopSettings
from tests.fakes import EOS, IM_END, profile, served


def plan(
    model: ServedModel | None = None, *, prompt: int = 10, context: int = 1000, **fields: Any
) -> GenerationPlan:
    body = {"model": "chat", "messages": [{"role": "user", "content": "x"}], **fields}
    request = ChatCompletionRequest.model_validate(body)
    return plan_generation(
        request, model or served(), num_prompt_tokens=prompt, max_model_len=context
    )


@pytest.mark.parametrize(
    ("fields", "room", "expected"),
    [
        ({}, 990, (50, "profile")),
        ({"max_tokens": 7}, 990, (7, "client")),
        ({"max_tokens": 7, "max_completion_tokens": 9}, 990, (9, "client")),
        ({"max_tokens": 100}, 990, (100, "client")),
        ({"max_tokens": 101}, 990, (100, "profile")),
        ({"max_tokens": 40}, 40, (40, "client")),
        ({"max_tokens": 40}, 39, (39, "context")),
        ({}, 20, (20, "context")),
    ],
)
def test_token_limit(fields: dict[str, Any], room: int, expected: tuple[int, str]) -> None:
    made = plan(context=10 + room, **fields)
    assert (made.limit.value, made.limit.set_by) == expected
    assert made.sampling.max_tokens == expected[0]


def test_without_a_profile_the_default_is_1024_and_there_is_no_cap() -> None:
    raw = served(profile=None)
    assert plan(raw, context=9000).limit.value == 1024
    assert plan(raw, context=9000, max_tokens=5000).limit.value == 5000


def test_prompt_that_fills_the_context_says_both_numbers() -> None:
    with pytest.raises(InvalidRequest, match=r"1000 tokens .* 1000 tokens") as caught:
        plan(prompt=1000)
    assert (caught.value.param, caught.value.code) == ("messages", "context_length_exceeded")


def test_min_tokens_over_the_limit_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="min_tokens"):
        plan(min_tokens=51)


def _asking(model: ServedModel, name: str, value: float) -> GenerationPlan:
    fields: dict[str, Any] = {name: value}
    return plan(model, **fields)


FROM_CLIENT = {
    "temperature": 0.5,
    "top_p": 0.6,
    "top_k": 3,
    "min_p": 0.1,
    "presence_penalty": 0.2,
    "frequency_penalty": 0.3,
    "repetition_penalty": 1.2,
}


@pytest.mark.parametrize("name", FROM_CLIENT)
def test_order_of_sources_is_client_profile_base_default(name: str) -> None:
    value = FROM_CLIENT[name]
    other, third = value / 2 if name != "top_k" else 2, value / 4 if name != "top_k" else 1
    with_profile = profile(sampling={name: other})
    base = SamplingDefaults.model_validate({name: third})
    everywhere = served(profile=with_profile, base_sampling=base)
    assert getattr(_asking(everywhere, name, value).sampling, name) == value
    assert getattr(plan(everywhere).sampling, name) == other
    assert getattr(plan(served(base_sampling=base)).sampling, name) == third
    assert getattr(plan().sampling, name) == getattr(Sampling(max_tokens=1), name)


@pytest.mark.parametrize(
    ("fields", "temperature"),
    [({}, 0.0), ({"top_p": 0.9}, 1.0), ({"top_k": 5}, 1.0), ({"min_p": 0.1}, 1.0), ({"n": 2}, 1.0)],
)
def test_greedy_profile_gives_way_to_a_client_that_wants_variety(
    fields: dict[str, Any], temperature: float
) -> None:
    made = plan(served(profile=profile(sampling={"temperature": 0.0})), **fields)
    assert made.sampling.temperature == temperature
    assert made.copies == 1


def test_explicit_greedy_with_n_generates_once() -> None:
    made = plan(n=3, temperature=0)
    assert (made.sampling.n, made.copies) == (1, 3)


def test_seed_and_min_tokens_pass() -> None:
    made = plan(seed=-5, min_tokens=3)
    assert (made.sampling.seed, made.sampling.min_tokens) == (-5, 3)


# The profile's marker; where the answer begins a line, its line breaks are the prompt's.
MARKER = {"\n\n### Human:": "role_marker", "### Human:": "role_marker"}


@pytest.mark.parametrize(
    ("fields", "kinds", "texts"),
    [
        ({}, {EOS: "eos", IM_END: "stop_token"}, MARKER),
        ({"endturn": {"guards": False}}, {EOS: "eos"}, {}),
        ({"ignore_eos": True}, {}, {}),
        (
            {"ignore_eos": True, "stop_token_ids": [65], "stop": "x"},
            {65: "stop_token"},
            {"x": "stop_string"},
        ),
        (
            {"stop": ["<|im_end|>", "y"], "endturn": {"guards": False}},
            {EOS: "eos", IM_END: "stop_string"},
            {"<|im_end|>": "stop_string", "y": "stop_string"},
        ),
        (
            {"stop": "\n\n### Human:"},
            {EOS: "eos", IM_END: "stop_token"},
            {"\n\n### Human:": "stop_string"},
        ),
        (
            {"endturn": {"guards": {"end_of_turn": False}}},
            {EOS: "eos"},
            MARKER,
        ),
        (
            {"endturn": {"guards": {"role_markers": False}}},
            {EOS: "eos", IM_END: "stop_token"},
            {},
        ),
        (
            {"continue_final_message": True},
            {EOS: "eos", IM_END: "stop_token"},
            {"\n\n### Human:": "role_marker"},
        ),
        (
            {"min_tokens": 1},
            {EOS: "eos", IM_END: "stop_token"},
            {"\n\n### Human:": "role_marker"},
        ),
    ],
)
def test_stops(fields: dict[str, Any], kinds: dict[int, str], texts: dict[str, str]) -> None:
    made = plan(**fields)
    assert {token_id: cause.kind for token_id, cause in made.stop_ids.items()} == kinds
    assert set(made.sampling.stop_token_ids) == set(kinds)
    assert {stop.text: stop.kind for stop in made.stop_texts} == texts


def test_stop_token_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="stop_token_ids: 259"):
        plan(stop_token_ids=[259])


@pytest.mark.parametrize(
    ("in_code", "message", "stops"),
    [
        (False, {"role": "user", "content": "What is '### Human:' for?"}, False),
        (False, {"role": "system", "content": [{"type": "text", "text": "no ### Human:"}]}, False),
        (False, {"role": "user", "content": "What is ### human?"}, True),
        (False, {"role": "assistant", "content": "### Human:"}, True),
        (True, {"role": "user", "content": "What is '### Human:' for?"}, True),
    ],
)
def test_a_quoted_marker_is_spared_unless_nothing_else_would_stop(
    in_code: bool, message: dict[str, Any], stops: bool
) -> None:
    made = plan(
        served(profile=profile(guard={"role_markers_in_code": in_code})), messages=[message]
    )
    assert {stop.text for stop in made.stop_texts} == (set(MARKER) if stops else set())
    assert made.stop_ids, "other guards stay"
    outside = [stop.outside_code for stop in made.stop_texts if not stop.at_start]
    assert outside == ([not in_code] if stops else [])


def test_a_string_with_a_special_token_in_it_is_matched_as_it_is_and_where_the_token_is_left_out() -> (
    None
):
    made = plan(stop=["<|im_end|>\n<eos>"], endturn={"guards": False})
    written, hidden = made.stop_texts
    assert written.text == "<|im_end|>\n<eos>"
    assert hidden.name == written.text
    assert hidden.text == made.stop_marks[IM_END] + "\n" + made.stop_marks[EOS]
    assert set(made.sampling.stop_token_ids) == {EOS}, "such a token alone is no stop of the client"
    shown = plan(stop=["<|im_end|>\n"], skip_special_tokens=False, endturn={"guards": False})
    assert ([stop.text for stop in shown.stop_texts], shown.stop_marks) == (["<|im_end|>\n"], {})


BASE = served(
    "base", profile=None, template_turns=TemplateTurns(end_ids=(IM_END,), markers=("\nUser:",))
)


def test_a_base_is_chatted_with_by_its_templates_turns_and_completes_without() -> None:
    chat = plan(BASE)
    assert set(chat.sampling.stop_token_ids) == {EOS, IM_END}
    assert [(stop.text, stop.outside_code) for stop in chat.stop_texts] == [
        ("\nUser:", True),
        ("User:", False),
    ]
    assert plan(BASE, messages=[{"role": "system", "content": "User: x"}]).stop_texts == ()
    request = CompletionRequest.model_validate({"model": "base", "prompt": "x"})
    text = plan_generation(request, BASE, num_prompt_tokens=1, max_model_len=100)
    assert (set(text.sampling.stop_token_ids), text.stop_texts) == ({EOS}, ())


def cycles(**values: int) -> dict[str, int]:
    return {"max_pattern_size": 4, "min_pattern_size": 2, "min_count": 5, **values}


OFF = {"enabled": False}


@pytest.mark.parametrize(
    ("repetition", "fields", "expected", "near"),
    [
        ({"exact": cycles()}, {}, cycles(), True),
        ({"exact": {**cycles(), **OFF}}, {}, None, True),
        ({"exact": cycles(), "near": OFF}, {}, cycles(), False),
        ({"exact": cycles()}, {"endturn": {"guards": {"loops": False}}}, None, False),
        ({"exact": cycles()}, {"ignore_eos": True}, None, False),
        ({}, {"repetition_detection": cycles(min_count=2)}, cycles(min_count=2), True),
        ({}, {"repetition_detection": {"max_pattern_size": 0}}, None, True),
        (
            {},
            {"repetition_detection": cycles(), "endturn": {"guards": False}},
            cycles(),
            False,
        ),
    ],
)
def test_loops_that_end_an_answer(
    repetition: dict[str, Any],
    fields: dict[str, Any],
    expected: dict[str, int] | None,
    near: bool,
) -> None:
    made = plan(served(profile=profile(guard={"repetition": repetition})), **fields)
    detection = None if expected is None else RepetitionDetection(**expected)
    assert made.sampling.repetition_detection == detection
    assert (made.near_loops is not None) == near


def test_loop_guards_are_on_by_default_with_and_without_a_profile() -> None:
    for model in (served(), served(profile=None)):
        made = plan(model)
        assert made.sampling.repetition_detection is not None
        assert made.near_loops == LoopSettings()


def test_a_profile_may_set_when_text_is_a_loop() -> None:
    near = {"prose": 500, "other": 2_000, "exact": 700, "min_ratio": 9.0, "prose_ratio": 40.0}
    made = plan(served(profile=profile(guard={"repetition": {"near": near}})))
    assert made.near_loops == replace(
        LoopSettings(), prose=500, other=2_000, exact=700, min_ratio=9.0, prose_ratio=40.0
    )
