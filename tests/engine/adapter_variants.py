"""Adapters that differ in their weights alone, made of the demo's: files for the tests of adapters that come and go."""

import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from server.demo import DEMO_ADAPTER


def variant(folder: Path, scale: float) -> Path:
    """The demo's adapter in `folder`, its effect `scale` times as strong."""
    shutil.copytree(DEMO_ADAPTER, folder, ignore=shutil.ignore_patterns("README*"))
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    scaled = {
        name: tensor * scale if ".lora_B." in name else tensor for name, tensor in tensors.items()
    }
    save_file(scaled, path)
    return folder


def broken(folder: Path) -> Path:
    """One whose weights file ends too early."""
    weights = variant(folder, 1.0) / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    return folder
