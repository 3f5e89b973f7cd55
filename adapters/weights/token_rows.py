"""What an adapter says about single rows of the token embedding and the output layer, in every form PEFT writes.

The rows are compared with the base's, in blocks: what counts is which rows differ, not which were stored. Knows nothing
of engines. In every form the stored numbers are the rows themselves, `trainable_tokens_delta` too (PEFT replaces rows).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..checkpoint import CONFIG_FILE, WEIGHTS_FILE
from ..errors import CheckpointError, ModelFilesError
from .base_weights import EMBEDDING_NAMES, HEAD_NAMES, BaseWeights
from .lora_tensors import Key, LoraAdapter
from .stored_tensor import Rows, Tensor, has_same_bytes, load, read_rows, rounded, row_blocks

Matrix = Literal["embed_tokens", "lm_head"]
# More rows than this are no list of tokens but a matrix that was trained: special and added tokens are hundreds.
MAX_LISTED_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRows:
    """Rows of one matrix that differ from the base's, under the module's name in the adapter.

    `ids` are ascending and `values` [len(ids), width] what these rows become, before any LoRA on the module. Where more
    than MAX_LISTED_ROWS differ, `dense` is the whole matrix, and `ids` and `values` are rows that differ from that.
    """

    module: str
    ids: tuple[int, ...]
    values: Rows
    num_changed: int
    num_rows: int
    dense: Tensor | None = None


def matrix_of(module: str) -> Matrix | None:
    """Which of the two matrices a module is, by the last part of its name."""
    last = module.rsplit(".", 1)[-1]
    if last in EMBEDDING_NAMES:
        return "embed_tokens"
    return "lm_head" if last in HEAD_NAMES else None


def row_keys(adapter: LoraAdapter) -> tuple[Key, ...]:
    """The tensors that are about rows: what `changed_rows` reads and a converted adapter no longer has."""
    parts = ("weight", "copied_weight", "tokens")
    return tuple(
        key for key in adapter.tensors if key.part in parts and matrix_of(key.module) is not None
    )


def is_saved(adapter: LoraAdapter, key: Key) -> bool:
    """Whether the tensor is a module that modules_to_save names."""
    saved = adapter.config.get("modules_to_save") or []
    return key.part == "weight" and any(_is_named(key.module, name) for name in saved)


def changed_rows(adapter: LoraAdapter, base: BaseWeights) -> dict[Matrix, ChangedRows]:
    """The rows that differ from the base's, for each matrix that has any.

    Raises:
        CheckpointError: a tensor does not fit the base, or the token ids are not as many as the rows.
        ModelFilesError: the base's rows are quantised.
    """
    found: dict[Matrix, ChangedRows] = {}
    compared: dict[tuple[Tensor, tuple[Key, ...]], ChangedRows | None] = {}
    for matrix, keys in _sources(adapter, base).items():
        # In a tied model both matrices may be one tensor, compared once.
        question = (base_matrix(base, matrix), tuple(keys))
        if question not in compared:
            compared[question] = _compare(adapter, base, *question)
        changed = compared[question]
        if changed is not None:
            found[matrix] = replace(changed, module=_module(matrix, keys, base))
    return found


def base_matrix(base: BaseWeights, matrix: Matrix) -> Tensor:
    """The base's own rows.

    Raises:
        ModelFilesError: they are quantised.
    """
    tensor = base.embedding_rows if matrix == "embed_tokens" else base.head_rows
    if not tensor.is_float:
        raise ModelFilesError(
            base.base.path, f"its {matrix} is quantised ({tensor.dtype}); give the original model"
        )
    return tensor


def _sources(adapter: LoraAdapter, base: BaseWeights) -> dict[Matrix, list[Key]]:
    """The tensors that decide each matrix, the later ones over the earlier."""
    keys = sorted(row_keys(adapter), key=lambda key: key.part == "tokens")
    sources: dict[Matrix, list[Key]] = {}
    for key in keys:
        matrix = matrix_of(key.module)
        if matrix is not None:
            sources.setdefault(matrix, []).append(key)
    if base.is_tied:
        read = {matrix: list(keys) for matrix, keys in sources.items()}
        for matrix, keys in read.items():
            other: Matrix = "lm_head" if matrix == "embed_tokens" else "embed_tokens"
            shared = [k for k in keys if _is_shared(adapter, k, read.get(other, []))]
            if shared:
                both = [*sources.get(other, []), *shared]
                sources[other] = sorted(both, key=lambda key: key.part == "tokens")
    return sources


def _module(matrix: Matrix, keys: Sequence[Key], base: BaseWeights) -> str:
    """The matrix' module as the adapter names it, or would."""
    for key in keys:
        if matrix_of(key.module) == matrix:
            return key.module
    if matrix == "embed_tokens":
        return base.embedding
    return "lm_head" if base.is_tied else base.head


def _is_shared(adapter: LoraAdapter, key: Key, others: Sequence[Key]) -> bool:
    """Whether, in a tied model, the tensor is both matrices' where `others` are the other one's own tensors.

    PEFT copies a plain tensor into the one parameter they share. modules_to_save makes a copy of its own, unless
    ensure_weight_tying; trainable_token_indices on the embedding ties the output layer to it, and on the output layer
    alone does not.
    """
    if any((key.part == "tokens") == (other.part == "tokens") for other in others):
        return False
    if any(is_saved(adapter, other) for other in others):
        return False
    if adapter.config.get("ensure_weight_tying"):
        return True
    if key.part == "tokens":
        return matrix_of(key.module) == "embed_tokens"
    return not is_saved(adapter, key)


def _compare(
    adapter: LoraAdapter, base: BaseWeights, original: Tensor, keys: Sequence[Key]
) -> ChangedRows | None:
    values: dict[int, Rows] = {}
    num_rows, num_changed, dense = base.num_rows, 0, None
    for key in keys:
        source = adapter.tensors[key]
        _check_width(source, original, key, adapter)
        if key.part == "tokens":
            ids = _token_ids(adapter, key.module, source.shape[0], num_rows)
            values |= dict(zip(ids, load(source), strict=True))
            continue
        num_rows = max(num_rows, source.shape[0])
        ids = _differing(source, original)
        if len(ids) > MAX_LISTED_ROWS:
            num_changed, dense = len(ids), source
        else:
            values |= dict(zip(ids, read_rows(source, ids), strict=True))
    if dense is None:
        values = _unlike(values, original)
    if not values and dense is None:
        return None
    ids = sorted(values)
    empty = np.empty((0, original.shape[1]), dtype=np.float32)
    return ChangedRows(
        module=keys[-1].module,
        ids=tuple(ids),
        values=np.stack([values[row] for row in ids]) if ids else empty,
        num_changed=num_changed or len(ids),
        num_rows=num_rows,
        dense=dense,
    )


def _unlike(values: Mapping[int, Rows], original: Tensor) -> dict[int, Rows]:
    """Those of the rows that are not the base's; rows past its end are new."""
    known = [row for row in sorted(values) if row < original.shape[0]]
    theirs = dict(zip(known, read_rows(original, known), strict=True))
    return {
        row: value
        for row, value in values.items()
        if row not in theirs or not np.array_equal(value, theirs[row])
    }


def _differing(source: Tensor, original: Tensor) -> list[int]:
    """Rows of `source` that are not the base's, those past its end included.

    Numbers are equal where rounding one to the precision of the other makes them so: a bfloat16 base saved as float32.
    """
    shared = min(source.shape[0], original.shape[0])
    found: list[int] = []
    for block in row_blocks(original.shape[1], shared):
        if has_same_bytes(source, original, block):
            continue
        ours, theirs = read_rows(source, block), read_rows(original, block)
        differs = ours != theirs
        if source.dtype != original.dtype and differs.any():
            differs &= rounded(ours, original.dtype) != theirs
            differs &= ours != rounded(theirs, source.dtype)
        found += [block.start + int(row) for row in np.flatnonzero(differs.any(axis=1))]
    return found + list(range(shared, source.shape[0]))


def _token_ids(adapter: LoraAdapter, module: str, count: int, num_rows: int) -> list[int]:
    indices = adapter.config.get("trainable_token_indices")
    if isinstance(indices, dict):
        named = [ids for name, ids in indices.items() if _is_named(module, name)]
        indices = named[0] if named else None
    if (
        not isinstance(indices, list)
        or len(indices) != count
        or len(set(indices)) != count
        or not all(type(i) is int and 0 <= i < num_rows for i in indices)
    ):
        raise CheckpointError(
            adapter.path / CONFIG_FILE,
            f"trainable_token_indices must be {count} different ids below {num_rows:,} for {module}",
        )
    return indices


def _check_width(source: Tensor, original: Tensor, key: Key, adapter: LoraAdapter) -> None:
    if len(source.shape) != 2 or source.shape[1] != original.shape[1] or not source.is_float:
        raise CheckpointError(
            adapter.path / WEIGHTS_FILE,
            f"{key.module} is {source.dtype} {list(source.shape)}, the base's has rows of {original.shape[1]}",
        )


def _is_named(module: str, name: str) -> bool:
    # PEFT's rule for modules_to_save and trainable_token_indices.
    return module.endswith(name)
