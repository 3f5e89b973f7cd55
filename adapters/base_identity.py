"""A short name for what an adapter needs of its base, so that another base is refused before it answers nonsense."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .base_files import BaseFiles
from .tokenizer_files import TokenizerFiles

# What decides the shapes of the modules a LoRA is added to.
SHAPE_FIELDS = (
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
)


def base_shape(base: BaseFiles, tokenizer: TokenizerFiles) -> str:
    """sha256 over the fields of config.json that decide shapes, and the vocabulary.

    Tensor names and shapes follow from these, so a base without weights, or a quantised copy of it, has the same name.
    """
    config = text_config(base.config)
    shape = {name: config.get(name) for name in SHAPE_FIELDS}
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for token, token_id in sorted(tokenizer.ids.items(), key=lambda item: item[1]):
        digest.update(f"{token_id}\0{token}\0".encode())
    return digest.hexdigest()


def base_name(config: Mapping[str, Any], fallback: str) -> str:
    """The base's name as the adapter gives it."""
    name = config.get("base_model_name_or_path")
    return name if isinstance(name, str) and name else fallback


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The language model's part of config.json; models that also see keep theirs in `text_config`."""
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config


def vocab_size(config: Mapping[str, Any]) -> int | None:
    """How many rows config.json gives the vocabulary, None where it says nothing sensible."""
    size = text_config(config).get("vocab_size")
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None


def architecture(config: Mapping[str, Any]) -> str | None:
    """The model class that config.json names first."""
    named = config.get("architectures")
    return named[0] if isinstance(named, list) and named and isinstance(named[0], str) else None
