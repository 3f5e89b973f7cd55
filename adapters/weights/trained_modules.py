"""Whole parts of the base that an adapter carries along: biases, and modules trained beside the LoRA.

What training left as the base has it is dropped; the rest can only be merged, and only where the base has such a part.
"""

from collections.abc import Mapping
from typing import Any

from ..checkpoint import CONFIG_FILE, WEIGHTS_FILE
from .base_fit import base_names
from .base_weights import BaseWeights
from .lora_tensors import Key, LoraAdapter
from .stored_tensor import Tensor, load, rounded
from .token_rows import matrix_of
from .weight_notes import WeightNotes

BIAS, SAVED = "D6", "D1"


def without_biases(
    adapter: LoraAdapter, weights: BaseWeights | None, notes: WeightNotes
) -> LoraAdapter:
    """Biases that training left as the base has them are dropped; others can be merged where the base has a bias."""
    adapter = _without_lora_bias(adapter, weights, notes)
    biases = adapter.of_part("bias", "copied_bias")
    mode = adapter.config.get("bias") or "none"
    if mode == "none" and not biases:
        return adapter
    evidence = f'{CONFIG_FILE}: bias = "{mode}"'
    if weights is None and biases:
        notes.refused(
            BIAS, evidence, "nothing without a --base with weights to compare the biases with"
        )
        return adapter
    changed, alien = _compared(adapter, biases, weights, "bias")
    if changed:
        _merge_or_refuse(notes, evidence, changed, alien, "bias")
        return adapter
    keys = [key for key in adapter.tensors if key.part in ("bias", "copied_bias")]
    notes.fixed(BIAS, evidence, f"{len(keys)} biases are the base's own and left out")
    return adapter.without(keys).changed({"bias": "none"})


def _without_lora_bias(
    adapter: LoraAdapter, weights: BaseWeights | None, notes: WeightNotes
) -> LoraAdapter:
    biases = adapter.of_part("lora_bias")
    if not adapter.config.get("lora_bias") and not biases:
        return adapter
    evidence = f"{CONFIG_FILE}: lora_bias = {_shown(adapter.config.get('lora_bias'))}"
    trained = [module for module, bias in biases.items() if load(bias).any()]
    if trained and weights is None:
        notes.refused(BIAS, evidence, "nothing without a --base with weights to merge it into")
        return adapter
    if trained and weights is not None:
        names = base_names(adapter, weights)
        alien = [m for m in trained if f"{names.get(m)}.bias" not in weights.tensors]
        _merge_or_refuse(notes, evidence, trained, alien, "bias")
        return adapter
    notes.fixed(BIAS, evidence, "biases of zero left out")
    return adapter.without(Key(m, "lora_bias") for m in biases).changed({"lora_bias": False})


def without_saved_modules(
    adapter: LoraAdapter, weights: BaseWeights | None, notes: WeightNotes
) -> LoraAdapter:
    """Whole modules other than the embeddings, which have a way of their own."""
    saved = {
        module: tensor
        for module, tensor in adapter.of_part("weight", "copied_weight").items()
        if matrix_of(module) is None
    }
    if not saved:
        return adapter
    evidence = f"{WEIGHTS_FILE}: whole weights of {_some(sorted(saved))}"
    if weights is None:
        notes.refused(SAVED, evidence, "nothing without a --base with weights to compare them with")
        return adapter
    changed, alien = _compared(adapter, saved, weights, "weight")
    if changed:
        _merge_or_refuse(notes, evidence, changed, alien, "weight")
        return adapter
    notes.fixed(SAVED, evidence, "weights that are the base's own left out")
    dropped = [
        key for key in adapter.tensors if key.module in saved and key.part.endswith("weight")
    ]
    names = [n for n in adapter.config.get("modules_to_save") or [] if matrix_of(n) is not None]
    return adapter.without(dropped).changed({"modules_to_save": names or None})


def _compared(
    adapter: LoraAdapter, tensors: Mapping[str, Tensor], weights: BaseWeights | None, part: str
) -> tuple[list[str], list[str]]:
    """Modules whose tensor is not the base's, and those of them where the base has none of this shape."""
    changed: list[str] = []
    alien: list[str] = []
    names = {} if weights is None else base_names(adapter, weights)
    for module, tensor in tensors.items():
        theirs = None if weights is None else weights.tensors.get(f"{names.get(module)}.{part}")
        if theirs is None or theirs.shape != tensor.shape or not theirs.is_float:
            if theirs is not None or load(tensor).any():
                changed.append(module)
                alien.append(module)
        elif (rounded(load(tensor), theirs.dtype) != load(theirs)).any():
            changed.append(module)
    return changed, alien


def _merge_or_refuse(
    notes: WeightNotes, evidence: str, changed: list[str], alien: list[str], part: str
) -> None:
    code = BIAS if part == "bias" else SAVED
    if alien:
        notes.refused(
            code,
            evidence,
            f"nothing; the base has no {part} in {_some(alien)} that it could be merged into",
        )
    else:
        notes.merge_only(code, f"{evidence}, trained in {_some(changed)}")


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value!r:.60}"


def _some(names: list[str]) -> str:
    return (
        f"{', '.join(names[:3])} and {len(names) - 3} more" if len(names) > 3 else ", ".join(names)
    )
