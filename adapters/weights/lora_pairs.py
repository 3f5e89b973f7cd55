"""Arithmetic on LoRA pairs: two changes of one module become one pair, exactly, and the config follows.

Factors are read in blocks of rows, so that a factor as long as the vocabulary is never held whole.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .lora_tensors import Key, LoraAdapter, Pair, Part
from .stored_tensor import Rows, Tensor, of_rows, read_rows

# What vLLM's max_lora_rank can be at most (its steps: 1, 8, 16, 32, 64, 128, 256, 320, 512).
MAX_RANK = 512


def one_hot_rows(ids: Sequence[int], width: int) -> Tensor:
    """[len(ids), width]: row i is one at column ids[i]."""

    def rows(block: range) -> Rows:
        made = np.zeros((len(block), width), dtype=np.float32)
        made[np.arange(len(block)), np.asarray(ids)[block.start : block.stop]] = 1.0
        return made

    return of_rows((len(ids), width), rows)


def one_hot_columns(ids: Sequence[int], num_rows: int) -> Tensor:
    """[num_rows, len(ids)]: column i is one at row ids[i]."""
    column = {row: i for i, row in enumerate(ids)}

    def rows(block: range) -> Rows:
        made = np.zeros((len(block), len(ids)), dtype=np.float32)
        for row in column.keys() & set(block):
            made[row - block.start, column[row]] = 1.0
        return made

    return of_rows((num_rows, len(ids)), rows)


def join(adapter: LoraAdapter, module: str, pair: Pair, *, embedding: bool) -> LoraAdapter:
    """The adapter whose change of `module` is its own plus that of `pair`, with scaling 1.

    The joined pair has scaling 1, so a factor of zeros and ones stays one in bfloat16 too: vLLM multiplies B by the
    scaling in the engine's own dtype.
    """
    own = adapter.pair(module)
    if own is not None:
        left = scaled(own.b, adapter.scaling(module))
        pair = Pair(_stacked(own.a, pair.a), _side_by_side(left, pair.b))
    return with_pair(adapter, module, pair, scaling=1.0, embedding=embedding)


def with_pair(
    adapter: LoraAdapter, module: str, pair: Pair, *, scaling: float, embedding: bool
) -> LoraAdapter:
    """The adapter with this pair on `module`; PEFT and vLLM read rank and scaling from the config."""
    a: Part = "lora_embedding_A" if embedding else "lora_A"
    b: Part = "lora_embedding_B" if embedding else "lora_B"
    rank = pair.rank
    alpha = scaling * (math.sqrt(rank) if adapter.config.get("use_rslora") else rank)
    config = {
        "rank_pattern": _first(adapter.config.get("rank_pattern"), module, rank),
        "alpha_pattern": _first(
            adapter.config.get("alpha_pattern"),
            module,
            int(alpha) if alpha == int(alpha) else alpha,
        ),
    }
    return with_targets(adapter.changed(config, {Key(module, a): pair.a, Key(module, b): pair.b}))


def with_targets(adapter: LoraAdapter) -> LoraAdapter:
    """The adapter with target_modules that name every module it has a LoRA on."""
    config = adapter.config
    # Experts that are one parameter are named by target_parameters.
    modules = [
        m for m in adapter.modules if ".experts" not in m or not config.get("target_parameters")
    ]
    targets = config.get("target_modules")
    selects = ("layers_to_transform", "layers_pattern", "exclude_modules")
    if isinstance(targets, str) or any(config.get(name) for name in selects):
        return adapter.changed({"target_modules": modules, **dict.fromkeys(selects)})
    targets = list(targets or [])
    missing = [m for m in modules if not any(m == t or m.endswith(f".{t}") for t in targets)]
    added = sorted({module.rsplit(".", 1)[-1] for module in missing})
    return adapter.changed({"target_modules": [*targets, *added]}) if added else adapter


def without_lora(adapter: LoraAdapter, module: str) -> LoraAdapter:
    """The adapter with no LoRA on `module`, in its config either."""
    dropped = [key for key in adapter.tensors if key.module == module and key.part != "weight"]
    kept = with_targets(adapter.without(dropped))
    targets = [
        t for t in kept.config["target_modules"] if t != module and t != module.rsplit(".", 1)[-1]
    ]
    return kept.changed({"target_modules": targets})


def _first(patterns: Mapping[str, Any] | None, module: str, value: float) -> dict[str, Any]:
    """The patterns with one for `module` before all others: the first that matches counts."""
    pattern = re.escape(module)
    return {pattern: value, **{k: v for k, v in (patterns or {}).items() if k != pattern}}


def scaled(tensor: Tensor, scale: float) -> Tensor:
    """The matrix times `scale`."""
    if scale == 1.0:
        return tensor
    shape = (tensor.shape[0], tensor.shape[1])
    return of_rows(shape, lambda block: read_rows(tensor, block) * np.float32(scale))


def _stacked(above: Tensor, below: Tensor) -> Tensor:
    edge = above.shape[0]

    def rows(block: range) -> Rows:
        first = read_rows(above, range(block.start, min(block.stop, edge)))
        second = read_rows(below, range(max(block.start, edge) - edge, block.stop - edge))
        return np.concatenate([first, second])

    return of_rows((edge + below.shape[0], above.shape[1]), rows)


def _side_by_side(left: Tensor, right: Tensor) -> Tensor:
    def rows(block: range) -> Rows:
        return np.concatenate([read_rows(left, block), read_rows(right, block)], axis=1)

    return of_rows((left.shape[0], left.shape[1] + right.shape[1]), rows)
