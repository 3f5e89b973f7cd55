"""The tensors of a PEFT LoRA adapter by module and part, and what its config says of each: rank, alpha, scaling.

Reads every spelling that PEFT's versions and the training wrappers leave behind; writes today's. Computes nothing.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..checkpoint import CONFIG_FILE, WEIGHTS_FILE, Checkpoint
from ..errors import CheckpointError
from .stored_tensor import Tensor, stored, write_tensors

PREFIX = "base_model.model."
# Segments that FSDP, torch.compile and activation checkpointing leave in a module's name.
WRAPPERS = ("_fsdp_wrapped_module.", "_orig_mod.", "_checkpoint_wrapped_module.")

Part = Literal[
    "lora_A",
    "lora_B",
    "lora_embedding_A",
    "lora_embedding_B",
    "lora_bias",
    "magnitude",
    "tokens",
    "weight",
    "bias",
    "copied_weight",
    "copied_bias",
]
# How a name ends, for each part, as it is written. `weight` and `bias` are a whole module's, trained or resized;
# `copied_*` those of the module below a LoRA; `tokens` the rows of trainable_token_indices.
SUFFIXES: Mapping[Part, str] = {
    "lora_A": ".lora_A.weight",
    "lora_B": ".lora_B.weight",
    "lora_embedding_A": ".lora_embedding_A",
    "lora_embedding_B": ".lora_embedding_B",
    "lora_bias": ".lora_B.bias",
    "magnitude": ".lora_magnitude_vector",
    "tokens": ".token_adapter.trainable_tokens_delta",
    "weight": ".weight",
    "bias": ".bias",
    "copied_weight": ".base_layer.weight",
    "copied_bias": ".base_layer.bias",
}
# Tried in this order: the last ones match almost everything.
_SPELLINGS: tuple[tuple[str, Part], ...] = (
    (r"\.lora_A(?:\.default)?\.weight", "lora_A"),
    (r"\.lora_B(?:\.default)?\.weight", "lora_B"),
    (r"\.lora_B(?:\.default)?\.bias", "lora_bias"),
    (r"\.lora_embedding_A(?:\.default)?", "lora_embedding_A"),
    (r"\.lora_embedding_B(?:\.default)?", "lora_embedding_B"),
    (r"\.lora_magnitude_vector(?:\.default)?(?:\.weight)?", "magnitude"),
    (r"\.token_adapter\.trainable_tokens_delta(?:\.default)?", "tokens"),
    (r"\.modules_to_save(?:\.default)?\.weight", "weight"),
    (r"\.modules_to_save(?:\.default)?\.bias", "bias"),
    (r"(?:\.token_adapter)?\.base_layer\.weight", "copied_weight"),
    (r"\.base_layer\.bias", "copied_bias"),
    (r"\.weight", "weight"),
    (r"\.bias", "bias"),
)
# What a module was before training: the base has it.
_LEFTOVERS = re.compile(
    r".+\.(?:original_module\.(?:weight|bias)|token_adapter\.trainable_tokens_original(?:\.default)?)"
)
# rank_pattern and alpha_pattern hold regular expressions from an untrusted file: no shape of them may take long.
MAX_PATTERN, MAX_WILDCARDS = 300, 3
# Three wildcards take time by the fourth power of the name; no base has a module with a name that long.
MAX_MODULE_CHARS = 128


class Key(NamedTuple):
    """Which tensor: the module's name as the base has it, and what of it."""

    module: str
    part: Part


class Pair(NamedTuple):
    """The two factors of a module's change: B @ A, times the scaling; [out, r] and [r, in]."""

    a: Tensor
    b: Tensor

    @property
    def rank(self) -> int:
        return self.a.shape[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraAdapter:
    """An adapter's config and tensors; a step of conversion gives a new one. `unknown` are names of no known part."""

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[Key, Tensor]
    unknown: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules that have a LoRA."""
        parts = ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B")
        return tuple(sorted({key.module for key in self.tensors if key.part in parts}))

    def pair(self, module: str) -> Pair | None:
        """The LoRA of `module`, None where it has none or half of one."""
        halves: tuple[tuple[Part, Part], ...] = (
            ("lora_A", "lora_B"),
            ("lora_embedding_A", "lora_embedding_B"),
        )
        for a, b in halves:
            if Key(module, a) in self.tensors and Key(module, b) in self.tensors:
                return Pair(self.tensors[Key(module, a)], self.tensors[Key(module, b)])
        return None

    def of_part(self, *parts: Part) -> dict[str, Tensor]:
        """The tensors of these parts by module."""
        return {key.module: tensor for key, tensor in self.tensors.items() if key.part in parts}

    def rank(self, module: str) -> int:
        """The rank that the config gives the module."""
        return int(self._pattern("rank_pattern", module, self.config["r"]))

    def alpha(self, module: str) -> float:
        """The alpha that the config gives the module."""
        return float(self._pattern("alpha_pattern", module, self.config["lora_alpha"]))

    def scaling(self, module: str) -> float:
        """What B @ A is multiplied by."""
        rank = self.rank(module)
        divisor = math.sqrt(rank) if self.config.get("use_rslora") else rank
        return self.alpha(module) / divisor

    def without(self, keys: Iterable[Key]) -> "LoraAdapter":
        """The adapter less these tensors."""
        dropped = set(keys)
        kept = {key: tensor for key, tensor in self.tensors.items() if key not in dropped}
        return replace(self, tensors=kept)

    def changed(
        self, config: Mapping[str, Any] | None = None, tensors: Mapping[Key, Tensor] | None = None
    ) -> "LoraAdapter":
        """The adapter with these config fields and tensors set."""
        return replace(
            self,
            config={**self.config, **(config or {})},
            tensors={**self.tensors, **(tensors or {})},
        )

    @property
    def highest_rank(self) -> int:
        """What the engine's max_lora_rank must be at least."""
        ranks: list[int] = [*(self.config.get("rank_pattern") or {}).values()]
        return max(self.config["r"], *ranks) if ranks else int(self.config["r"])

    def _pattern(self, field: str, module: str, default: Any) -> Any:
        # PEFT's rule, and vLLM's: the first key that matches the end of the name at a dot.
        for pattern, value in (self.config.get(field) or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                return value
        return default


def read_lora(checkpoint: Checkpoint) -> LoraAdapter:
    """The checkpoint's tensors by module and part.

    Raises:
        CheckpointError: the config lacks a number, or a pattern of it is none.
    """
    _check_config(checkpoint)
    tensors: dict[Key, Tensor] = {}
    unknown = []
    for name, info in checkpoint.tensors.items():
        key = parse_name(name)
        if key is not None:
            if len(key.module) > MAX_MODULE_CHARS:
                raise CheckpointError(
                    checkpoint.weights,
                    f"the module name {key.module!r:.80} is longer than {MAX_MODULE_CHARS} characters",
                )
            tensors[key] = stored(checkpoint.weights, info)
        elif not _LEFTOVERS.fullmatch(name):
            unknown.append(name)
    return LoraAdapter(
        path=checkpoint.path, config=checkpoint.config, tensors=tensors, unknown=tuple(unknown)
    )


def parse_name(name: str) -> Key | None:
    """What a tensor's name says, None for a leftover or a name of no known part."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    if _LEFTOVERS.fullmatch(name):
        return None
    for spelling, part in _SPELLINGS:
        match = re.fullmatch(rf"(.+?){spelling}", name)
        if match:
            return None if "lora_" in match[1] else Key(match[1].removeprefix(PREFIX), part)
    return None


def written_name(key: Key) -> str:
    """The name PEFT gives the tensor today."""
    return f"{PREFIX}{key.module}{SUFFIXES[key.part]}"


def is_as_read(adapter: LoraAdapter, checkpoint: Checkpoint) -> bool:
    """Whether writing `adapter` would give the checkpoint again: same config, same names, same bytes."""
    names = {written_name(key): tensor for key, tensor in adapter.tensors.items()}
    read = {name: stored(checkpoint.weights, info) for name, info in checkpoint.tensors.items()}
    return adapter.config == checkpoint.config and names == read


def write_lora(adapter: LoraAdapter, target: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors into `target`."""
    config = json.dumps(adapter.config, indent=2, sort_keys=False)
    (target / CONFIG_FILE).write_text(config + "\n", encoding="utf-8")
    tensors = {written_name(key): tensor for key, tensor in adapter.tensors.items()}
    write_tensors(target / WEIGHTS_FILE, tensors)


def _check_config(checkpoint: Checkpoint) -> None:
    config, path = checkpoint.config, checkpoint.path / CONFIG_FILE
    alpha = config.get("lora_alpha")
    if not _is_number(alpha):
        raise CheckpointError(path, f"lora_alpha must be a number, it is {alpha!r:.40}")
    for field in ("rank_pattern", "alpha_pattern"):
        patterns = config.get(field) or {}
        if not isinstance(patterns, dict):
            raise CheckpointError(path, f"{field} must map modules to numbers")
        for pattern, value in patterns.items():
            if not _is_number(value) or value <= 0:
                raise CheckpointError(path, f"{field}: {pattern!r:.80} must have a number")
            _check_pattern(pattern, field, path)


def _is_number(value: object) -> bool:
    """Neither infinite, nor an integer that is too large for a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18


def _check_pattern(pattern: str, field: str, path: Path) -> None:
    wildcards = sum(pattern.count(sign) for sign in "*+{")
    nested = re.search(r"\)\s*[*+?{]", pattern)
    if len(pattern) > MAX_PATTERN or wildcards > MAX_WILDCARDS or nested:
        raise CheckpointError(path, f"{field}: the pattern {pattern!r:.80} is too complicated")
    try:
        re.compile(pattern)
    except re.error as exc:
        raise CheckpointError(path, f"{field}: {pattern!r:.80} is no pattern ({exc})") from exc
