"""An adapter merged into its base: a standalone model, written tensor by tensor in blocks, without loading either.

Takes what the engine cannot take as an adapter: dense rows, DoRA, biases, whole modules, replicated layers. Does not go by way
of PEFT's merge, which in a tied model writes the embedding's LoRA into the output layer too.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base_files import CONFIG_FILE
from ..base_identity import text_config
from .base_directory import (
    copy_rest,
    file_of,
    head_name,
    layer_sources,
    replicated,
    untied,
    with_field,
    write_json,
)
from .base_fit import base_names
from .base_weights import INDEX_FILE, BaseWeights
from .lora_tensors import Key, LoraAdapter, Pair
from .stored_tensor import (
    Rows,
    Tensor,
    load,
    of_rows,
    of_values,
    read_rows,
    row_blocks,
    write_tensors,
)
from .token_rows import ChangedRows, Matrix, matrix_of
from .weight_notes import WeightNotes

CODE = "D6"


def parts_matrices(adapter: LoraAdapter, rows: Mapping[Matrix, ChangedRows]) -> bool:
    """Whether a tied model has two matrices once merged: rows, or a LoRA, of one that are not the other's."""
    if any(matrix_of(module) is not None for module in adapter.modules):
        return True
    embedding, head = rows.get("embed_tokens"), rows.get("lm_head")
    if embedding is None or head is None:
        return embedding is not head
    same = embedding.ids == head.ids and np.array_equal(embedding.values, head.values)
    return not same or embedding.dense != head.dense


def check_merge(adapter: LoraAdapter, weights: BaseWeights | None, notes: WeightNotes) -> None:
    """Note why a merge is not possible: every module must be a plain float matrix of the base."""
    if weights is None:
        notes.refused(CODE, f"{CONFIG_FILE}: the base has no weights", "give a --base with weights")
        return
    if adapter.config.get("fan_in_fan_out"):
        notes.refused(CODE, "adapter_config.json: fan_in_fan_out = true", "merge it with PEFT")
    _, tensors = _base_tensors(adapter, weights, parts=weights.is_tied)
    names = base_names(adapter, replace(weights, tensors=tensors))
    for module in adapter.modules:
        tensor = tensors.get(f"{names.get(module)}.weight")
        if tensor is None or not tensor.is_float or len(tensor.shape) != 2:
            kind = (
                "no matrix of its own" if tensor is None else f"{tensor.dtype} {list(tensor.shape)}"
            )
            notes.refused(
                CODE,
                f"{module} is {kind} in the base",
                "give the original, unquantised base, or merge it with PEFT",
            )
            return


def write_merged(
    adapter: LoraAdapter, weights: BaseWeights, rows: Mapping[Matrix, ChangedRows], target: Path
) -> None:
    """Write the model into the existing, empty directory `target`, in the base's own shards and dtypes.

    Raises:
        AdapterError: a file cannot be read.
    """
    parts = weights.is_tied and parts_matrices(adapter, rows)
    files, tensors = _base_tensors(adapter, weights, parts=parts)
    layout = replace(weights, tensors=tensors)
    modules = {theirs: ours for ours, theirs in base_names(adapter, layout).items()}
    merged = {
        name: _merged(name, tensor, adapter, modules, _rows_of(name, weights, rows, parts=parts))
        for name, tensor in tensors.items()
    }
    for file in sorted(set(files.values())):
        write_tensors(target / file, {n: t for n, t in merged.items() if files[n] == file})
    if (weights.base.path / INDEX_FILE).is_file():
        write_json(target / INDEX_FILE, {"metadata": {}, "weight_map": files})
    num_rows = merged[f"{weights.embedding}.weight"].shape[0]
    config = _merged_config(adapter, weights, num_rows, parts=parts)
    write_json(target / CONFIG_FILE, config)
    copy_rest(weights.base.path, target)


def _base_tensors(
    adapter: LoraAdapter, weights: BaseWeights, *, parts: bool
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """File and tensor of each name that the merged model has, as the base has them."""
    tensors = dict(weights.tensors)
    files = {name: file_of(tensor) for name, tensor in tensors.items()}
    head = head_name(weights)
    if weights.is_tied:
        # Where a tied model stores its output layer all the same, nobody reads it.
        tensors.pop(head, None)
    if parts:
        tensors[head] = weights.embedding_rows
        files[head] = files[f"{weights.embedding}.weight"]
    sources = layer_sources(adapter.config)
    if sources is not None:
        tensors, files = replicated(tensors, sources), replicated(files, sources)
    return {name: files[name] for name in tensors}, tensors


def _merged_config(
    adapter: LoraAdapter, weights: BaseWeights, num_rows: int, *, parts: bool
) -> dict[str, Any]:
    config = dict(weights.base.config)
    if num_rows > weights.num_rows:
        config = with_field(config, "vocab_size", num_rows)
    if parts:
        config = untied(config)
    sources = layer_sources(adapter.config)
    if sources is not None:
        text = text_config(config)
        count = text.get("num_hidden_layers")
        for field, value in text.items():
            if isinstance(value, list) and len(value) == count:
                config = with_field(config, field, [value[source] for source in sources])
        config = with_field(config, "num_hidden_layers", len(sources))
    return config


def _rows_of(
    name: str, weights: BaseWeights, rows: Mapping[Matrix, ChangedRows], *, parts: bool
) -> ChangedRows | None:
    if name == f"{weights.embedding}.weight":
        # A tied model's one matrix takes the rows of either: they are the same.
        return rows.get("embed_tokens") or (
            rows.get("lm_head") if weights.is_tied and not parts else None
        )
    return rows.get("lm_head") if name == head_name(weights) else None


def _merged(
    name: str,
    tensor: Tensor,
    adapter: LoraAdapter,
    modules: Mapping[str, str],
    rows: ChangedRows | None,
) -> Tensor:
    """What becomes of one tensor of the base."""
    outer, _, part = name.rpartition(".")
    if rows is not None:
        tensor = _with_rows(tensor, rows)
    module = modules.get(outer)
    if module is None or part not in ("weight", "bias"):
        return tensor
    if part == "bias":
        return _with_bias(tensor, adapter, module)
    saved = adapter.tensors.get(Key(module, "weight"))
    if saved is not None and matrix_of(module) is None:
        return of_values(load(saved), tensor.dtype)
    pair = adapter.pair(module)
    return tensor if pair is None else _with_pair(tensor, adapter, module, pair)


def _with_rows(tensor: Tensor, changed: ChangedRows) -> Tensor:
    listed = dict(zip(changed.ids, changed.values, strict=True))

    def rows(block: range) -> Rows:
        made = _read_or_zero(tensor, block)
        if changed.dense is not None:
            dense = range(block.start, min(block.stop, changed.dense.shape[0]))
            made[: len(dense)] = read_rows(changed.dense, dense)
        for row in listed.keys() & set(block):
            made[row - block.start] = listed[row]
        return made

    return of_rows((changed.num_rows, tensor.shape[1]), rows, tensor.dtype)


def _with_bias(tensor: Tensor, adapter: LoraAdapter, module: str) -> Tensor:
    trained = adapter.tensors.get(
        Key(module, "bias"), adapter.tensors.get(Key(module, "copied_bias"))
    )
    added = adapter.tensors.get(Key(module, "lora_bias"))
    if trained is None and added is None:
        return tensor
    values = load(tensor if trained is None else trained)
    if added is not None:
        values = values + load(added) * np.float32(adapter.scaling(module))
    return of_values(values, tensor.dtype)


def _with_pair(tensor: Tensor, adapter: LoraAdapter, module: str, pair: Pair) -> Tensor:
    """W + scaling * B @ A; with DoRA, each output scaled to the magnitude that was trained (peft/tuners/lora/dora.py)."""
    shape = (tensor.shape[0], tensor.shape[1])
    scaling = np.float32(adapter.scaling(module))
    embedding = Key(module, "lora_embedding_A") in adapter.tensors
    magnitude = adapter.tensors.get(Key(module, "magnitude"))

    def plain(block: range) -> Rows:
        made = read_rows(tensor, block)
        if embedding:
            shares = np.zeros((len(block), pair.rank), dtype=np.float32)
            known = load(pair.a)[:, block.start : block.stop].T
            shares[: len(known)] = known
            delta = shares @ load(pair.b).T
        else:
            delta = _read_or_zero(pair.b, block) @ load(pair.a)
        return made + scaling * delta

    if magnitude is None:
        return of_rows(shape, plain, tensor.dtype)

    def by_row(block: range) -> Rows:
        made = plain(block)
        wanted = load(magnitude).reshape(-1)[block.start : block.stop]
        return made * _ratio(wanted, np.linalg.norm(made, axis=1))[:, None]

    @functools.cache
    def factor() -> Rows:
        squares = np.zeros(shape[1])
        for block in row_blocks(shape[1], shape[0]):
            squares += (plain(block).astype(np.float64) ** 2).sum(axis=0)
        return _ratio(load(magnitude).reshape(-1), np.sqrt(squares))

    def by_column(block: range) -> Rows:
        return plain(block) * factor()

    # An embedding's outputs are its columns.
    return of_rows(shape, by_column if embedding else by_row, tensor.dtype)


def _ratio(wanted: Rows, norms: NDArray[np.floating]) -> Rows:
    made: Rows = np.divide(wanted, norms, out=np.zeros_like(wanted), where=norms > 0)
    return made


def _read_or_zero(tensor: Tensor, block: range) -> Rows:
    """Rows of a block that may reach past the matrix' end."""
    made = np.zeros((len(block), tensor.shape[1]), dtype=np.float32)
    known = range(block.start, min(block.stop, tensor.shape[0]))
    made[: len(known)] = read_rows(tensor, known)
    return made
