"""The door to vLLM: every sampling field is mapped or known to be left alone, wrong flags name themselves."""

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest
import vllm.exceptions
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.sampling_params import (
    RepetitionDetectionParams,
    RequestOutputKind,
    SamplingParams,
    StructuredOutputsParams,
)
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError as VLLMEngineDeadError

from server import vllm_engine
from server.engine import EngineAdapter, RepetitionDetection, Sampling
from server.errors import EngineDeadError, InternalError, InvalidRequest, StartError, Unavailable
from server.parsing.port import EngineReasoning
from server.parsing.structured_output import StructuredOutput
from server.vllm_engine import VLLMEngine, parse_engine_flags
from server.vllm_room import AdapterRoom, make_room
from server.vllm_values import sampling_params, translate_error

FULL = Sampling(
    n=2,
    temperature=0.3,
    top_p=0.4,
    top_k=5,
    min_p=0.1,
    presence_penalty=0.2,
    frequency_penalty=0.3,
    repetition_penalty=1.1,
    seed=9,
    max_tokens=33,
    min_tokens=4,
    stop_token_ids=(1, 2),
    num_logprobs=20,
    repetition_detection=RepetitionDetection(max_pattern_size=8, min_pattern_size=2, min_count=3),
    structured_output=StructuredOutput(kind="json", text='{"type": "object"}'),
    logit_bias={7: -1.5},
    allowed_token_ids=(7, 8),
    bad_words=("no",),
)
OURS = {
    "ignore_eos": True,
    "detokenize": False,
    "output_kind": RequestOutputKind.DELTA,
    "logprobs": 20,
    "repetition_detection": RepetitionDetectionParams(
        max_pattern_size=8, min_pattern_size=2, min_count=3
    ),
    "structured_outputs": StructuredOutputsParams(json='{"type": "object"}'),
}
# Fields of vLLM's that requests cannot set here yet, or that are not meant for requests.
LEFT_ALONE = {
    "watermarking", "stop", "prompt_logprobs", "prompt_logprob_token_ids", "prompt_logprob_start",
    "logprob_token_ids", "flat_logprobs", "skip_special_tokens", "spaces_between_special_tokens",
    "include_stop_str_in_output", "stream_interval", "skip_clone", "output_text_buffer_length",
    "extra_args", "skip_reading_prefix_cache", "thinking_token_budget", "routed_experts_prompt_start",
    "trace_decode_token_ids",
}  # fmt: skip


def test_every_field_of_sampling_params_is_mapped_or_left_alone_on_purpose() -> None:
    made, untouched = sampling_params(FULL), SamplingParams()
    for name in SamplingParams.__struct_fields__:
        if name.startswith("_"):
            continue
        value = getattr(made, name)
        if name in OURS:
            assert value == OURS[name], name
        elif hasattr(FULL, name):
            expected = getattr(FULL, name)
            assert value == (list(expected) if isinstance(expected, tuple) else expected), name
        else:
            assert name in LEFT_ALONE, f"vLLM has a new field: {name}"
            assert value == getattr(untouched, name), name


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--no-such-flag", "1"], "--no-such-flag"),
        (["--max-model-len", "many"], "--max-model-len"),
        (["--skip-tokenizer-init"], "--skip-tokenizer-init cannot be set"),
        (["--logprobs_mode=raw_logits"], "cannot be set"),
        (["--no-enable-lora"], "--no-enable-lora cannot be set"),
    ],
)
def test_wrong_flags_name_themselves(flags: list[str], message: str) -> None:
    with pytest.raises(StartError, match=message):
        parse_engine_flags(flags)


def test_engine_flags_pass_through() -> None:
    flags = parse_engine_flags(
        ["--max-model-len", "512", "--tensor-parallel-size=2", "--seed", "3"]
    )
    assert (flags.max_model_len, flags.tensor_parallel_size, flags.seed) == (512, 2, 3)


def lora_args(flags: list[str]) -> AsyncEngineArgs:
    """Engine arguments with what these flags say of LoRA, and nothing else: a whole one looks its model up."""
    args = AsyncEngineArgs.__new__(AsyncEngineArgs)
    parsed = parse_engine_flags(flags)
    for name in ("enable_lora", "max_lora_rank", "max_loras", "max_cpu_loras"):
        setattr(args, name, getattr(parsed, name))
    return args


def adapters(*ranks: int) -> list[EngineAdapter]:
    return [EngineAdapter(key=str(i), path=Path("/x"), rank=rank) for i, rank in enumerate(ranks)]


@pytest.mark.parametrize(
    ("is_cpu", "ranks", "flags", "expected"),
    [
        (False, (), [], (False, 16, 1, None)),
        (False, (4,), [], (True, 8, 1, 1)),
        (False, (4, 17), [], (True, 32, 2, 2)),
        (False, (8,) * 12, [], (True, 8, 8, 12)),
        (False, (8,), ["--max-loras", "4", "--max-cpu-loras", "9"], (True, 8, 4, 9)),
        (False, (8,), ["--max-lora-rank", "64"], (True, 64, 1, 1)),
        (True, (4,), [], (True, 8, 2, 2)),
        (True, (8,) * 12, [], (True, 8, 9, 12)),
        (True, (8,), ["--max-loras", "4"], (True, 8, 4, 4)),
    ],
    ids=range(9),
)
def test_room_for_adapters(
    is_cpu: bool,
    ranks: tuple[int, ...],
    flags: list[str],
    expected: tuple[bool, int, int, int | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.vllm_room.current_platform.is_cpu", lambda: is_cpu)
    args = lora_args(flags)
    make_room(args, adapters(*ranks), more_adapters=False)
    assert (
        bool(args.enable_lora),
        args.max_lora_rank,
        args.max_loras,
        args.max_cpu_loras,
    ) == expected


@pytest.mark.parametrize(
    ("is_cpu", "flags", "room", "max_lora_rank"),
    [
        (False, [], (8, 32), 16),
        (False, ["--max-loras", "2", "--max-cpu-loras", "4"], (2, 4), 16),
        (True, [], (8, 8), 16),
        (True, ["--max-loras", "3", "--max-lora-rank", "64"], (2, 2), 64),
    ],
    ids=range(4),
)
def test_room_for_adapters_that_are_still_to_come(
    is_cpu: bool,
    flags: list[str],
    room: tuple[int, int],
    max_lora_rank: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.vllm_room.current_platform.is_cpu", lambda: is_cpu)
    args = lora_args(flags)
    made = make_room(args, [], more_adapters=True)
    assert (made.num_slots, made.capacity) == room
    assert args.enable_lora
    assert args.max_lora_rank == max_lora_rank


def test_rank_no_engine_takes_is_refused() -> None:
    args = AsyncEngineArgs.__new__(AsyncEngineArgs)
    args.max_lora_rank = 16
    with pytest.raises(StartError, match="rank 1000"):
        make_room(args, adapters(1000), more_adapters=False)


def test_another_vllm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vllm.__version__", "9.9.9")
    with pytest.raises(StartError, match=r"9\.9\.9"):
        VLLMEngine.start(Path("/x"), [], parse_engine_flags([]))


def test_a_directory_that_is_no_model_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot start"):
        VLLMEngine.start(tmp_path, [], parse_engine_flags([]))


def test_every_error_of_vllm_has_a_translation() -> None:
    for kind in vars(vllm.exceptions).values():
        if (
            not (isinstance(kind, type) and issubclass(kind, Exception))
            or kind.__module__ != vllm.exceptions.__name__
        ):
            continue
        error: Any = kind.__new__(kind)  # their constructors differ
        error.parameter, error.value, error.message = None, None, "x"
        made = translate_error(error)
        if issubclass(kind, vllm.exceptions.VLLMClientError):
            assert isinstance(made, InvalidRequest), kind
        elif issubclass(kind, vllm.exceptions.GracefulHTTPError):
            assert isinstance(made, Unavailable), kind
        else:
            assert isinstance(made, InternalError), kind
    assert isinstance(translate_error(VLLMEngineDeadError()), EngineDeadError)
    assert isinstance(translate_error(ValueError("x")), InvalidRequest)


def test_the_methods_we_call_have_the_signatures_we_know() -> None:
    known = {
        "generate": [
            *("prompt", "sampling_params", "request_id", "lora_request", "priority"),
            *("reasoning_ended", "reasoning_parser_kwargs"),
        ],
        "abort": ["request_id"],
        "add_lora": ["lora_request"],
        "remove_lora": ["lora_id"],
        "check_health": [],
        "shutdown": ["timeout"],
    }
    for name, parameters in known.items():
        there = inspect.signature(getattr(AsyncLLM, name)).parameters
        assert set(parameters) <= set(there), name


def test_a_constraint_waits_for_reasoning_only_where_it_was_left_open() -> None:
    assert vllm_engine._reasoning(None) == {"reasoning_ended": True}
    open_reasoning = EngineReasoning(has_ended=False, template_kwargs={"a": 1})
    assert vllm_engine._reasoning(open_reasoning) == {
        "reasoning_ended": False,
        "reasoning_parser_kwargs": {"chat_template_kwargs": {"a": 1}},
    }


class StubLLM:
    """Only what adapters and health need of AsyncLLM."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.loaded: list[str] = []
        self.errored = False

    async def add_lora(self, request: object) -> bool:
        if self.error is not None:
            raise self.error
        self.loaded.append(request.lora_name)  # type: ignore[attr-defined]  # vLLM's LoRARequest
        return True

    async def check_health(self) -> None:
        if self.error is not None:
            raise self.error


async def test_adapters_are_loaded_once_and_only_as_many_as_fit() -> None:
    llm = StubLLM()
    engine = VLLMEngine(llm, AdapterRoom(num_slots=1, capacity=1))
    first, second = adapters(8, 8)
    await engine.add_adapter(first)
    await engine.add_adapter(first)
    assert llm.loaded == ["0"]
    with pytest.raises(StartError, match="room for 1"):
        await engine.add_adapter(second)


async def test_refused_adapter_and_dead_engine_are_told_apart() -> None:
    [adapter] = adapters(8)
    for error, expected in (
        (ValueError("shape"), StartError),
        (VLLMEngineDeadError(), EngineDeadError),
    ):
        engine = VLLMEngine(StubLLM(error), AdapterRoom(num_slots=1, capacity=1))
        with pytest.raises(expected):
            await engine.add_adapter(adapter)
    with pytest.raises(EngineDeadError):
        await engine.check_health()


async def test_an_engine_that_dies_while_it_is_asked_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Dying(StubLLM):
        async def add_lora(self, request: object) -> bool:
            self.errored = True
            await asyncio.Event().wait()
            return True

    monkeypatch.setattr(vllm_engine, "HEALTH_INTERVAL_S", 0.01)
    engine = VLLMEngine(Dying(), AdapterRoom(num_slots=1, capacity=1))
    with pytest.raises(EngineDeadError, match="before it answered"):
        async with asyncio.timeout(10):
            await engine.add_adapter(adapters(8)[0])


async def test_an_adapter_that_was_removed_leaves_room() -> None:
    removed: list[int] = []

    class Removing(StubLLM):
        async def remove_lora(self, lora_id: int) -> bool:
            removed.append(lora_id)
            return True

    engine = VLLMEngine(Removing(), AdapterRoom(num_slots=1, capacity=1))
    first, second = adapters(8, 8)
    await engine.remove_adapter(first)
    assert removed == []
    await engine.add_adapter(first)
    await engine.remove_adapter(first)
    await engine.add_adapter(second)
    assert removed == [1]
