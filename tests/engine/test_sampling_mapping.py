"""Request field x profile x default -> SamplingParams: every field of vLLM's is named, with what decides it."""

from typing import Any

import pytest
from vllm.sampling_params import (
    RepetitionDetectionParams,
    RequestOutputKind,
    SamplingParams,
    StructuredOutputsParams,
)

from adapters.chat_profile import ExactCycles, SamplingDefaults
from server.sampling import plan_generation
from server.schema.chat import ChatCompletionRequest
from server.vllm_values import sampling_params
from tests.fakes import EOS, IM_END, profile, served

BY_DEFAULT = ExactCycles().model_dump(exclude={"enabled"})
CYCLES = {"max_pattern_size": 4, "min_pattern_size": 1, "min_count": 9}
# Our own choice, whatever a request says, and why.
FIXED = {
    "ignore_eos": (True, "ids are ours"),
    "detokenize": (False, "we decode"),
    "output_kind": (RequestOutputKind.DELTA, "we read a stream"),
}
# Never set: each stays as vLLM makes it.
LEFT_ALONE = {
    "stop": "text stops are ours",
    "include_stop_str_in_output": "text stops are ours",
    "skip_special_tokens": "we decode",
    "spaces_between_special_tokens": "we decode",
    "output_text_buffer_length": "text stops are ours",
    "prompt_logprob_token_ids": "not served",
    "prompt_logprob_start": "not served",
    "logprob_token_ids": "unsafe beside other requests",
    "flat_logprobs": "slower here",
    "stream_interval": "deltas are merged where a client is slow",
    "thinking_token_budget": "not served",
    "watermarking": "the engine's own",
    "extra_args": "for plug-ins",
    "routed_experts_prompt_start": "for training",
    "trace_decode_token_ids": "for training",
    "skip_reading_prefix_cache": "follows from prompt_logprobs",
    "skip_clone": "internal",
}
# What a request can say, what the profile can, what the base can, and what vLLM gets: (request, profile, base, value).
DEFAULTED: dict[str, list[tuple[Any, Any, Any, Any]]] = {
    "temperature": [(0.5, 0.6, 0.7, 0.5), (None, 0.6, 0.7, 0.6), (None, None, 0.7, 0.7), (None, None, None, 1.0)],
    "top_p": [(0.5, 0.6, 0.7, 0.5), (None, 0.6, 0.7, 0.6), (None, None, 0.7, 0.7), (None, None, None, 1.0)],
    "top_k": [(5, 6, 7, 5), (None, 6, 7, 6), (None, None, 7, 7), (None, None, None, 0)],
    "min_p": [(0.1, 0.2, 0.3, 0.1), (None, 0.2, 0.3, 0.2), (None, None, 0.3, 0.3), (None, None, None, 0.0)],
    "presence_penalty": [(0.1, 0.2, 0.3, 0.1), (None, 0.2, 0.3, 0.2), (None, None, 0.3, 0.3), (None, None, None, 0.0)],
    "frequency_penalty": [(0.1, 0.2, 0.3, 0.1), (None, 0.2, 0.3, 0.2), (None, None, 0.3, 0.3), (None, None, None, 0.0)],
    "repetition_penalty": [(1.1, 1.2, 1.3, 1.1), (None, 1.2, 1.3, 1.2), (None, None, 1.3, 1.3), (None, None, None, 1.0)],
}  # fmt: skip
# Of the request alone, or of the request and the profile's other parts: (request fields, value).
OTHERS: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "n": [({"n": 3}, 3), ({"n": 3, "temperature": 0}, 1), ({}, 1)],
    "seed": [({"seed": 9}, 9), ({}, None)],
    "max_tokens": [({"max_tokens": 7}, 7), ({"max_completion_tokens": 8}, 8), ({"max_tokens": 999}, 100), ({}, 50)],
    "min_tokens": [({"min_tokens": 3}, 3), ({}, 0)],
    "stop_token_ids": [
        ({"stop_token_ids": [65]}, [65, EOS, IM_END]),
        ({"stop_token_ids": [65], "ignore_eos": True}, [65]),
        ({"stop": "<|im_end|>", "ignore_eos": True}, [IM_END]),
        ({"ignore_eos": True, "response_format": {"type": "json_object"}}, [EOS]),
        ({}, [EOS, IM_END]),
    ],
    "logprobs": [({"logprobs": True}, 0), ({"logprobs": True, "top_logprobs": 5}, 5), ({}, None)],
    "prompt_logprobs": [({"prompt_logprobs": 2}, 2), ({"prompt_logprobs": 0}, 0), ({"logprobs": True}, None), ({}, None)],
    "logit_bias": [({"logit_bias": {"65": -100, "66": 1.5}}, {65: -100, 66: 1.5}), ({"logit_bias": {}}, None), ({}, None)],
    "allowed_token_ids": [({"allowed_token_ids": [65, 66]}, [65, 66]), ({}, None)],
    "bad_words": [({"bad_words": ["no", "never"]}, ["no", "never"]), ({}, [])],
    "repetition_detection": [
        ({"repetition_detection": CYCLES}, RepetitionDetectionParams(**CYCLES)),
        ({"repetition_detection": CYCLES, "response_format": {"type": "json_object"}}, RepetitionDetectionParams(**CYCLES)),
        ({"response_format": {"type": "json_object"}}, None),
        ({"endturn": {"guards": False}}, None),
        ({}, RepetitionDetectionParams(**BY_DEFAULT)),
    ],
    "structured_outputs": [
        ({"response_format": {"type": "json_object"}}, StructuredOutputsParams(json_object=True)),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "null"}}}},
            StructuredOutputsParams(json='{"type":"null"}'),
        ),
        ({"structured_outputs": {"json": {"type": "null"}}}, StructuredOutputsParams(json='{"type":"null"}')),
        ({"structured_outputs": {"regex": "a+"}}, StructuredOutputsParams(regex="a+")),
        ({"structured_outputs": {"choice": ["a"]}}, StructuredOutputsParams(choice=["a"])),
        ({"structured_outputs": {"grammar": "root ::= x"}}, StructuredOutputsParams(grammar="root ::= x")),
        (
            {"structured_outputs": {"structural_tag": "{}", "disable_any_whitespace": True}},
            StructuredOutputsParams(structural_tag="{}", disable_any_whitespace=True),
        ),
        ({"response_format": {"type": "text"}}, None),
        ({}, None),
    ],
}  # fmt: skip


def made(fields: dict[str, Any], **model: Any) -> SamplingParams:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    request = ChatCompletionRequest.model_validate(body)
    plan = plan_generation(request, served(**model), num_prompt_tokens=10, max_model_len=1000)
    return sampling_params(plan.sampling)


def test_every_field_is_named_once() -> None:
    named = [*FIXED, *LEFT_ALONE, *DEFAULTED, *OTHERS]
    assert len(named) == len(set(named))
    public = {name for name in SamplingParams.__struct_fields__ if not name.startswith("_")}
    assert public == set(named)


@pytest.mark.parametrize(
    ("name", "row"), [(name, row) for name, rows in DEFAULTED.items() for row in rows]
)
def test_client_then_profile_then_base_then_vllm(name: str, row: tuple[Any, ...]) -> None:
    asked, of_profile, of_base, expected = row
    params = made(
        {} if asked is None else {name: asked},
        profile=profile(sampling={} if of_profile is None else {name: of_profile}),
        base_sampling=SamplingDefaults.model_validate({} if of_base is None else {name: of_base}),
    )
    assert getattr(params, name) == expected


@pytest.mark.parametrize(
    ("name", "row"), [(name, row) for name, rows in OTHERS.items() for row in rows]
)
def test_what_a_request_says(name: str, row: tuple[dict[str, Any], Any]) -> None:
    fields, expected = row
    assert getattr(made(fields), name) == expected


def test_fixed_fields_and_those_left_alone() -> None:
    params, untouched = made({}), SamplingParams()
    assert {name: getattr(params, name) for name in FIXED} == {
        name: value for name, (value, _) in FIXED.items()
    }
    for name in LEFT_ALONE:
        assert getattr(params, name) == getattr(untouched, name), name
