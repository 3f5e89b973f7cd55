"""Read a LoRA adapter directory as a trainer wrote it: its config and tensor headers, no weights, no torch.

Knows the PEFT file names and nothing of chat. Pickles are refused without being opened: unpickling runs code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CheckpointError
from .json_file import read_json_object, refuse_link_outside
from .safetensors_file import TensorInfo, read_header

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
TEMPLATE_FILE = "chat_template.jinja"
PICKLED_WEIGHTS = ("adapter_model.bin", "adapter_model.pt", "pytorch_model.bin")
# How trainers name the directories in which an adapter lies: ms-swift 2.x and PEFT's adapter name; the Trainer's
# checkpoints; torchtune's epochs; ms-swift's runs.
NESTED = ("default", r"checkpoint-(\d+)", r"epoch_(\d+)", r"v(\d+)-.+")
MAX_NESTING = 3
# No layer is wider than that.
MAX_RANK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One adapter directory. `run` is the directory of its training run where the adapter lies in one, else None."""

    path: Path
    run: Path | None
    config: dict[str, Any]
    rank: int
    tensors: Mapping[str, TensorInfo]

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS_FILE

    def find(self, *names: str) -> Path | None:
        """The first of these files that is there, in the adapter's directory or that of its run."""
        homes = [self.path] if self.run is None else [self.path, self.run]
        paths = (home / name for home in homes for name in names)
        return next((path for path in paths if path.is_file()), None)


def locate_checkpoint(path: Path) -> Path:
    """The adapter directory in `path`: itself, or the last checkpoint of the training run it is.

    Raises:
        CheckpointError: there is no adapter in it.
    """
    if not path.is_dir():
        raise CheckpointError(path, "is not a directory; an adapter is a PEFT LoRA directory")
    found = path
    for _ in range(MAX_NESTING):
        if (found / CONFIG_FILE).exists():
            return found
        deeper = _last_nested(found)
        if deeper is None:
            break
        found = deeper
    if (found / CONFIG_FILE).exists():
        return found
    raise CheckpointError(
        path, f"holds no {CONFIG_FILE}, neither itself nor in checkpoint-N, epoch_N or default"
    )


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and check the adapter in `path`.

    Raises:
        CheckpointError: it is no LoRA adapter, its weights are pickled, or a file is broken.
    """
    found = locate_checkpoint(path)
    config = read_json_object(found / CONFIG_FILE, CheckpointError)
    kind = config.get("peft_type", "LORA")  # torchtune's early versions leave it out
    if kind != "LORA":
        raise CheckpointError(
            found / CONFIG_FILE, f"peft_type is {kind!r:.80}; only 'LORA' is served"
        )
    in_run = any(re.fullmatch(pattern, found.resolve().name) for pattern in NESTED)
    return Checkpoint(
        path=found,
        run=found.resolve().parent if in_run else None,
        config=config,
        rank=_highest_rank(found, config),
        tensors=_tensors(found),
    )


def _last_nested(path: Path) -> Path | None:
    for pattern in NESTED:
        numbered = [
            (int(match[1]) if match.groups() else 0, child)
            for child in path.iterdir()
            if (match := re.fullmatch(pattern, child.name)) and child.is_dir()
        ]
        if numbered:
            last = max(numbered)[1]
            refuse_link_outside(last, CheckpointError)
            return last
    return None


def _highest_rank(path: Path, config: dict[str, Any]) -> int:
    pattern = config.get("rank_pattern") or {}
    ranks: list[int] = []
    for rank in [config.get("r"), *(pattern.values() if isinstance(pattern, dict) else [pattern])]:
        if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= MAX_RANK:
            raise CheckpointError(
                path / CONFIG_FILE,
                f"r must be a positive integer of at most {MAX_RANK:,}, it is {rank!r:.80}",
            )
        ranks.append(rank)
    return max(ranks)


def _tensors(path: Path) -> Mapping[str, TensorInfo]:
    weights = path / WEIGHTS_FILE
    if not weights.is_file():
        for name in PICKLED_WEIGHTS:
            if (path / name).exists():
                raise CheckpointError(
                    path / name,
                    "pickled weights can run code and are never opened; save the adapter with safe_serialization=True",
                )
        raise CheckpointError(weights, "is missing")
    refuse_link_outside(weights, CheckpointError)
    tensors = read_header(weights, CheckpointError)
    if not any(".lora_A." in name or ".lora_embedding_A" in name for name in tensors):
        raise CheckpointError(weights, "holds no LoRA tensors")
    return tensors
