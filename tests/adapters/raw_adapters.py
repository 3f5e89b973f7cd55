"""Raw adapters and small tokenizers of any content, a line each: what trainers write, and what nobody should."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from adapters.checkpoint import Checkpoint, read_checkpoint
from adapters.errors import CheckpointError
from adapters.tokenizer_files import TokenizerFiles, read_tokenizer
from tests.checkpoints.weights import HIDDEN, LAYERS

Content = str | bytes | Mapping[str, Any]
QWEN = "Qwen/Qwen2.5-7B"
# What PEFT writes; torchtune is told by writing less.
CONFIG: Mapping[str, Any] = {
    "base_model_name_or_path": QWEN,
    "bias": "none",
    "lora_alpha": 4,
    "lora_dropout": 0.0,
    "peft_type": "LORA",
    "r": 2,
    "target_modules": ["q_proj"],
    "task_type": "CAUSAL_LM",
}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAIN = (
    "{% for m in messages %}{% if m.role == 'user' %}### Question: {{ m.content }}\n"
    "{% else %}### Answer: {{ m.content }}{{ eos_token }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Answer: {% endif %}"
)


def write_raw(path: Path, files: Mapping[str, Content] | None = None, **config: Any) -> Path:
    """A LoRA adapter for any base of tests.checkpoints; `config` changes its adapter_config.json (None drops a key)."""
    path.mkdir(parents=True, exist_ok=True)
    fields = {k: v for k, v in {**CONFIG, **config}.items() if v is not None}
    write(path, {"adapter_config.json": fields, **(files or {})})
    if not (path / "adapter_model.safetensors").exists():
        (path / "adapter_model.safetensors").write_bytes(weights())
    return path


def write(path: Path, files: Mapping[str, Content]) -> None:
    """Write each of `files`, with the directories in its name."""
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            file.write_text(text, encoding="utf-8")


@cache
def weights() -> bytes:
    """The weights of a LoRA of rank 2 on every q_proj."""
    numbers = np.random.default_rng(0)
    tensors = {}
    for layer in range(LAYERS):
        module = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{module}.lora_A.weight"] = numbers.random((2, HIDDEN), dtype=np.float32)
        tensors[f"{module}.lora_B.weight"] = numbers.random((HIDDEN, 2), dtype=np.float32)
    return save(tensors)


def raw(path: Path, files: Mapping[str, Content] | None = None, **config: Any) -> Checkpoint:
    """`write_raw`, read back."""
    return read_checkpoint(write_raw(path, files, **config))


def byte_level(special: Sequence[str] = (), plain: Sequence[str] = ()) -> Tokenizer:
    """One token a byte, ids 0 to 255, then the `special` added tokens and the `plain` ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in special])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in plain])
    return tokenizer


def tokenizer_files(
    path: Path,
    special: Sequence[str] = (),
    plain: Sequence[str] = (),
    **config: Any,
) -> TokenizerFiles:
    """A byte-level tokenizer in `path`, read back; `config` is its tokenizer_config.json."""
    path.mkdir(parents=True, exist_ok=True)
    byte_level(special, plain).save(str(path / "tokenizer.json"))
    write(path, {"tokenizer_config.json": config})
    read = read_tokenizer(path, CheckpointError)
    assert read is not None
    return read
