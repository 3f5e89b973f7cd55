"""How much room vLLM gets for adapters: slots, memory and rank, where the operator did not say."""

from collections.abc import Sequence
from dataclasses import dataclass

from vllm.config.lora import MaxLoRARanks
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.platforms import current_platform

from .engine import EngineAdapter
from .errors import StartError

MAX_SLOTS_BY_DEFAULT = 8
# Held in memory, where adapters may come while the server runs.
CAPACITY_BY_DEFAULT = 32
# vLLM's own default, for adapters that are still to come.
RANK_BY_DEFAULT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRoom:
    """Adapters in one batch at most, and in memory."""

    num_slots: int = 0
    capacity: int = 0


def make_room(
    args: AsyncEngineArgs, adapters: Sequence[EngineAdapter], *, more_adapters: bool
) -> AdapterRoom:
    """Set vLLM's LoRA options for these adapters, and for more to come; what the operator gave stays.

    Raises:
        StartError: an adapter's rank is over what vLLM can take.
    """
    if not adapters and not more_adapters:
        return AdapterRoom()
    args.enable_lora = True
    if args.max_lora_rank == AsyncEngineArgs.max_lora_rank:
        args.max_lora_rank = _rank(adapters, more_adapters=more_adapters)
    # vLLM's CPU build gathers LoRA weights at index -1 for a token without an adapter (lora/ops/torch_ops/lora_ops.py in
    # 0.32.0), which is the last slot: one that always stays empty keeps the base the base.
    num_spare = 1 if current_platform.is_cpu() else 0
    if args.max_loras == AsyncEngineArgs.max_loras:
        wanted = MAX_SLOTS_BY_DEFAULT if more_adapters else len(adapters)
        args.max_loras = min(wanted, MAX_SLOTS_BY_DEFAULT) + num_spare
    num_slots = max(1, args.max_loras - num_spare)
    if args.max_cpu_loras is None:
        wanted = CAPACITY_BY_DEFAULT if more_adapters else 0
        args.max_cpu_loras = max(len(adapters), wanted, args.max_loras)
    # On the CPU build weights that are held keep their slot: there is no other memory to move them to.
    capacity = num_slots if num_spare else int(args.max_cpu_loras)
    return AdapterRoom(num_slots=num_slots, capacity=max(num_slots, capacity))


def _rank(adapters: Sequence[EngineAdapter], *, more_adapters: bool) -> int:
    allowed_ranks: tuple[int, ...] = MaxLoRARanks.__args__
    needed = max(adapter.rank for adapter in adapters) if adapters else 1
    if more_adapters:
        needed = max(needed, RANK_BY_DEFAULT)
    fitting = [rank for rank in allowed_ranks if rank >= needed]
    if not fitting:
        raise StartError(
            f"an adapter has rank {needed}, the engine takes at most {allowed_ranks[-1]}"
        )
    return fitting[0]
