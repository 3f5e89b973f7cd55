"""What vLLM's CPU build needs to be told, or kept from."""

from typing import Any

from vllm.engine.arg_utils import AsyncEngineArgs

from .engine import Sampling
from .errors import InvalidRequest

CPU_KV_CACHE_BYTES = 2 << 30
# A prompt as long as this is warmed up for, and computed, at once.
MAX_UNCHUNKED_TOKENS = 8192


def suit_the_cpu_build(args: AsyncEngineArgs) -> None:
    """Set what the operator left open.

    Chunked prefill goes off where the context is short enough: in vLLM 0.32.0 a seeded request of which a step computes
    only a part of the prompt ends the engine ("CPU Generator does not use offset", v1/worker/gpu_model_runner.py).
    """
    if args.kv_cache_memory_bytes is None:
        # By default the CPU build wants nearly all memory of the machine, and fails where others use some.
        args.kv_cache_memory_bytes = CPU_KV_CACHE_BYTES
    if args.enable_chunked_prefill is None and args.max_num_batched_tokens is None:
        length = args.create_model_config().max_model_len
        if length <= MAX_UNCHUNKED_TOKENS:
            args.enable_chunked_prefill = False


def refuse_what_kills_it(sampling: Sampling, config: Any) -> None:
    """Refuse a request that could end the engine, with the engine's VllmConfig.

    Raises:
        InvalidRequest: it is seeded and sampled, and prompts are computed in chunks.
    """
    chunked = config.scheduler_config.enable_chunked_prefill
    if chunked and sampling.seed is not None and sampling.temperature != 0:
        raise InvalidRequest(
            "seed: vLLM's CPU build cannot seed a request while it computes prompts in chunks; leave the seed out, or start "
            f"the server with --max-model-len up to {MAX_UNCHUNKED_TOKENS} or with --no-enable-chunked-prefill",
            param="seed",
        )
