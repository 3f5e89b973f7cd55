"""Kinds of LoRA the engine does not know: turned into plain LoRA where that is exact, else named, with what can be done.

vLLM 0.32 refuses them by their config (vllm/lora/peft_helper.py). The algebra is PEFT's own, read in its sources.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoint import CONFIG_FILE, read_checkpoint
from ..errors import CheckpointError
from .base_fit import base_names
from .base_weights import BaseWeights
from .initial_factors import computes, initial_part
from .lora_pairs import MAX_RANK, join, scaled, with_pair
from .lora_tensors import Key, LoraAdapter, Pair, read_lora
from .low_rank import reduce_rank
from .stored_tensor import load, of_values
from .trained_modules import without_biases, without_saved_modules
from .weight_notes import WeightNotes

CODE = "D6"
# Inits that take a part out of the base's weights: such an adapter is right on the changed base only.
MUTATING = ("pissa", "olora", "corda", "loftq")
# PEFT features that change what an adapter computes and that have no plain LoRA form.
FOREIGN = ("alora_invocation_tokens", "kasa_config", "arrow_config", "monteclora_config")
# Numbers in a factor up to which its true rank is computed; more is the output layer of a large vocabulary.
MAX_FACTOR = 32_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOptions:
    """What the kinds may use: the base's weights where they are there, the initial adapter, and an approximation."""

    weights: BaseWeights | None = None
    initial_adapter: Path | None = None
    max_rank: int | None = None


def as_plain_lora(adapter: LoraAdapter, options: KindOptions, notes: WeightNotes) -> LoraAdapter:
    """The adapter as plain LoRA as far as that is exact; the rest is in `notes`.

    Raises:
        CheckpointError: the initial adapter is broken or does not fit.
    """
    for feature in FOREIGN:
        if adapter.config.get(feature):
            notes.refused(
                CODE,
                f"{CONFIG_FILE}: {feature} is set",
                "nothing; what it computes is no change of weights: train again without it",
            )
    for feature in ("use_dora", "layer_replication"):
        if adapter.config.get(feature):
            notes.merge_only(CODE, f"{CONFIG_FILE}: {feature} = {_shown(adapter.config[feature])}")
    adapter = _expanded(adapter, notes)
    adapter = _without_initial_part(adapter, options, notes)
    adapter = without_biases(adapter, options.weights, notes)
    adapter = without_saved_modules(adapter, options.weights, notes)
    return _within_rank(adapter, options.max_rank, notes)


def _expanded(adapter: LoraAdapter, notes: WeightNotes) -> LoraAdapter:
    """Block-diagonal and group-pooled factors written out as what they stand for."""
    blocks, groups = adapter.config.get("use_bdlora"), adapter.config.get("use_qalora")
    if isinstance(blocks, Mapping) and blocks:
        for module in adapter.modules:
            adapter = _with_blocks(adapter, module, blocks)
        notes.fixed(
            CODE, f"{CONFIG_FILE}: use_bdlora is set", "block-diagonal factors written out in full"
        )
        adapter = adapter.changed({"use_bdlora": None})
    if groups:
        size = int(adapter.config.get("qalora_group_size") or 16)
        for module in adapter.modules:
            key = Key(module, "lora_A")
            pooled = load(adapter.tensors[key])
            # The mean over each group, times the number of groups.
            spread = np.repeat(pooled, size, axis=1) * np.float32(pooled.shape[1] / size)
            adapter = adapter.changed(tensors={key: of_values(spread)})
        notes.fixed(
            CODE, f"{CONFIG_FILE}: use_qalora = true", "group-wise factors written out in full"
        )
        adapter = adapter.changed({"use_qalora": False})
    return adapter


def _with_blocks(adapter: LoraAdapter, module: str, blocks: Mapping[str, Any]) -> LoraAdapter:
    count, last = int(blocks.get("nblocks") or 1), module.rsplit(".", 1)[-1]
    for field_name, part in (("target_modules_bd_a", "lora_A"), ("target_modules_bd_b", "lora_B")):
        key = Key(module, "lora_A" if part == "lora_A" else "lora_B")
        if not any(pattern in last for pattern in blocks.get(field_name) or []):
            continue
        stored = load(adapter.tensors[key])
        height, width = stored.shape[0] // count, stored.shape[1]
        whole = np.zeros((stored.shape[0], width * count), dtype=np.float32)
        for i in range(count):
            rows = slice(i * height, (i + 1) * height)
            whole[rows, i * width : (i + 1) * width] = stored[rows]
        adapter = adapter.changed(tensors={key: of_values(whole)})
    return adapter


def _without_initial_part(
    adapter: LoraAdapter, options: KindOptions, notes: WeightNotes
) -> LoraAdapter:
    """B @ A less the B0 @ A0 that the init took out of the base: a LoRA of twice the rank on the untouched base."""
    init = adapter.config.get("init_lora_weights")
    if not isinstance(init, str) or not init.lower().startswith(MUTATING):
        return adapter
    init = init.lower()
    evidence = f'{CONFIG_FILE}: init_lora_weights = "{init}"'
    if init.startswith("loftq"):
        notes.refused(
            CODE,
            evidence,
            "nothing; LoftQ's adapter belongs to its quantised base: if that is the base, set init_lora_weights to true",
        )
        return adapter
    if options.initial_adapter is not None:
        initial = _initial_parts(adapter, options.initial_adapter)
        found = "the initial adapter subtracted"
    elif computes(init) and options.weights is not None:
        initial = _computed_parts(adapter, options.weights, init)
        found = "the part it took out of the base computed and subtracted"
    else:
        notes.refused(
            CODE,
            evidence,
            "nothing without --initial-adapter DIR, the adapter as it was before training"
            + ("; or a --base with weights" if computes(init) else ""),
        )
        return adapter
    for module, pair in initial.items():
        adapter = join(adapter, module, pair, embedding=False)
    notes.fixed(CODE, evidence, f"plain LoRA of twice the rank, {found}")
    return adapter.changed({"init_lora_weights": True})


def _initial_parts(adapter: LoraAdapter, path: Path) -> dict[str, Pair]:
    initial = read_lora(read_checkpoint(path))
    parts: dict[str, Pair] = {}
    for module in adapter.modules:
        pair, own = initial.pair(module), adapter.pair(module)
        if pair is None or own is None or pair.a.shape[1] != own.a.shape[1]:
            raise CheckpointError(
                path,
                f"has no LoRA on {module} of the adapter's shape; give the adapter's own start",
            )
        parts[module] = Pair(pair.a, scaled(pair.b, -initial.scaling(module)))
    return parts


def _computed_parts(adapter: LoraAdapter, weights: BaseWeights, init: str) -> dict[str, Pair]:
    names = base_names(adapter, weights)
    parts: dict[str, Pair] = {}
    for module in adapter.modules:
        tensor = weights.tensors.get(f"{names.get(module)}.weight")
        if tensor is None or not tensor.is_float:
            raise CheckpointError(
                adapter.path, f"the base has no plain weight of {module}; give --initial-adapter"
            )
        pair = initial_part(tensor, adapter.rank(module), init)
        # OLoRA takes its factors out times the scaling, PiSSA divides its by it first.
        taken = adapter.scaling(module) if init == "olora" else 1.0
        parts[module] = Pair(pair.a, scaled(pair.b, -taken))
    return parts


def _within_rank(adapter: LoraAdapter, max_rank: int | None, notes: WeightNotes) -> LoraAdapter:
    """Pairs over the engine's rank at their true rank, or cut to `max_rank`."""
    if adapter.highest_rank <= MAX_RANK:
        return adapter
    evidence = f"{CONFIG_FILE}: r = {adapter.highest_rank}, the engine takes {MAX_RANK}"
    cut: float | None = None
    for module in adapter.modules:
        pair = adapter.pair(module)
        if pair is None or pair.rank <= MAX_RANK:
            continue
        is_large = max(np.prod(pair.a.shape), np.prod(pair.b.shape)) > MAX_FACTOR
        if is_large or adapter.config.get("use_dora"):
            notes.merge_only(CODE, evidence)
            return adapter
        found = reduce_rank(pair, adapter.scaling(module))
        if found.pair.rank > MAX_RANK:
            if max_rank is None:
                notes.merge_only(CODE, evidence)
                return adapter
            found = reduce_rank(pair, adapter.scaling(module), min(max_rank, MAX_RANK))
            cut = max(cut or 0.0, found.error)
        embedding = Key(module, "lora_embedding_A") in adapter.tensors
        adapter = with_pair(adapter, module, found.pair, scaling=1.0, embedding=embedding)
    patterns = adapter.config.get("rank_pattern") or {}
    kept = {pattern: rank for pattern, rank in patterns.items() if rank <= MAX_RANK}
    if adapter.config["r"] > MAX_RANK:
        # No module is left that goes by it.
        adapter = adapter.changed({"r": max(kept.values(), default=MAX_RANK)})
    adapter = adapter.changed({"rank_pattern": kept})
    how = "their true rank" if cut is None else f"which misses up to {cut:.2%} of a module's change"
    notes.fixed(CODE, evidence, f"factors of rank {adapter.highest_rank} or less, {how}")
    return adapter


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value!r:.60}"
