"""Parts of a base directory that an overlay or a merged model writes anew: index, config.json, names of the two matrices."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFilesError
from ..json_file import read_json_object
from .base_weights import INDEX_FILE, MAX_INDEX_BYTES, BaseWeights
from .stored_tensor import FileSlice, Tensor

# Other forms of the weights, with the base's own numbers.
_LAYER = re.compile(r"(.*?\blayers\.)(\d+)(\..+)")
OTHER_WEIGHTS = frozenset({".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx"})


def head_name(weights: BaseWeights) -> str:
    """What the output layer's tensor is called, in a tied model too."""
    if not weights.is_tied:
        return f"{weights.head}.weight"
    outer = weights.embedding.removesuffix("model.embed_tokens")
    inside = outer != weights.embedding and not outer.endswith("language_")
    return f"{outer}lm_head.weight" if inside else "lm_head.weight"


def with_field(config: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """The config with the field set where it stands, in the language model's part or at the top."""
    changed = {key: value if key == field else old for key, old in config.items()}
    inner = config.get("text_config")
    if isinstance(inner, dict):
        changed["text_config"] = {**inner, field: value}
    return changed if isinstance(inner, dict) or field in config else {**changed, field: value}


def untied(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a model whose output layer is a matrix of its own."""
    return {**with_field(config, "tie_word_embeddings", False), "tie_word_embeddings": False}


def file_of(tensor: Tensor) -> str:
    """The name of the file that a tensor of the base is in."""
    (piece,) = tensor.pieces
    if not isinstance(piece, FileSlice):
        raise TypeError("the base's tensors are in files")
    return piece.path.name


def write_index(weights: BaseWeights, files: Mapping[str, str], target: Path) -> bool:
    """Write the base's index with these tensors (name, file) into `target`; False where the base has none."""
    index = weights.base.path / INDEX_FILE
    if not index.is_file():
        return False
    described = read_json_object(
        index, ModelFilesError, max_bytes=MAX_INDEX_BYTES, follow_links=True
    )
    described["weight_map"] |= files
    write_json(target / INDEX_FILE, described)
    return True


def layer_sources(config: Mapping[str, Any]) -> list[int] | None:
    """Which of the base's layers each layer of the adapted model is a copy of; None where they are the base's own."""
    ranges = config.get("layer_replication")
    return [layer for first, last in ranges for layer in range(first, last)] if ranges else None


def replicated(named: Mapping[str, Any], sources: list[int]) -> dict[str, Any]:
    """The values by name, those of a layer under the name of every copy of it."""
    made: dict[str, Any] = {}
    for name, value in named.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            made[name] = value
            continue
        copies = (at for at, source in enumerate(sources) if source == int(match[2]))
        made |= {f"{match[1]}{at}{match[3]}": value for at in copies}
    return made


def copy_rest(base: Path, target: Path) -> None:
    """Tokenizer, templates and the like."""
    for source in sorted(base.iterdir()):
        weights = source.suffix in OTHER_WEIGHTS or source.suffix == ".safetensors"
        written = source.name == INDEX_FILE or (target / source.name).exists()
        if source.is_file() and not weights and not written:
            shutil.copyfile(source, target / source.name)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as the hub's are."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
