"""Read a LoRA adapter directory as a trainer wrote it: its config and tensor headers, no weights, no torch.

Knows the PEFT file names and nothing of chat. Pickles are refused without being opened: unpickling runs code.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from .errors import CheckpointError
from .json_file import read_json_object

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
TEMPLATE_FILE = "chat_template.jinja"
PICKLED_WEIGHTS = ("adapter_model.bin", "adapter_model.pt", "pytorch_model.bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One adapter directory; `tensor_names` are the keys of its weights file."""

    path: Path
    config: dict[str, Any]
    rank: int
    tensor_names: tuple[str, ...]

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS_FILE


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and check the adapter in `path`.

    Raises:
        CheckpointError: it is no LoRA adapter, its weights are pickled, or a file is broken.
    """
    if not path.is_dir():
        raise CheckpointError(path, "is not a directory; an adapter is a PEFT LoRA directory")
    config = read_json_object(path / CONFIG_FILE, CheckpointError)
    kind = config.get("peft_type")
    if kind != "LORA":
        raise CheckpointError(path / CONFIG_FILE, f"peft_type is {kind!r}; only 'LORA' is served")
    return Checkpoint(
        path=path, config=config, rank=_highest_rank(path, config), tensor_names=_tensor_names(path)
    )


def _highest_rank(path: Path, config: dict[str, Any]) -> int:
    pattern = config.get("rank_pattern") or {}
    ranks: list[int] = []
    for rank in [config.get("r"), *(pattern.values() if isinstance(pattern, dict) else [pattern])]:
        if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
            raise CheckpointError(
                path / CONFIG_FILE, f"r must be a positive integer, it is {rank!r}"
            )
        ranks.append(rank)
    return max(ranks)


def _tensor_names(path: Path) -> tuple[str, ...]:
    weights = path / WEIGHTS_FILE
    if not weights.is_file():
        for name in PICKLED_WEIGHTS:
            if (path / name).exists():
                raise CheckpointError(
                    path / name,
                    "pickled weights can run code and are never opened; save the adapter with safe_serialization=True",
                )
        raise CheckpointError(weights, "is missing")
    try:
        with safe_open(weights, framework="numpy") as tensors:
            names = tuple(tensors.keys())
    except (SafetensorError, OSError) as exc:
        raise CheckpointError(weights, f"is not a whole safetensors file ({exc})") from exc
    if not any(".lora_A." in name for name in names):
        raise CheckpointError(weights, "holds no LoRA tensors")
    return names
