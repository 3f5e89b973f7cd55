"""Changed rows in a base of their own: the rows beside the adapter, and the base directory that has them.

An overlay is the base with only these rows rewritten; what they do not touch is linked. Every adapter that is served on it
must want exactly these rows: a row that an adapter left as it was is a value too.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base_files import CONFIG_FILE, BaseFiles
from ..errors import ConversionError, ModelFilesError
from ..json_file import read_json_object
from .base_directory import (
    OTHER_WEIGHTS,
    file_of,
    head_name,
    untied,
    with_field,
    write_index,
    write_json,
)
from .base_rows import (
    MATRICES,
    BaseRows,
    agreed_rows,
    first_ids,
    read_rows_file,
    rows_conflict,
    write_rows_file,
)
from .base_weights import INDEX_FILE, BaseWeights, needed_base_weights, rows_digest
from .stored_tensor import Tensor, open_tensors, replace_rows, write_tensors
from .token_rows import Matrix, base_matrix

OVERLAY_FILE = "endturn_overlay.json"
# Not called .safetensors: engines load every such file of a base directory.
OVERLAY_ROWS = "endturn_overlay.rows"
# Small files are copied, so that changing one in the overlay leaves the base alone; larger ones are linked.
MAX_COPIED_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What an overlay says of itself: its rows, for whom, and which base it was: `base_weights` and `vocab_size` are the
    original's."""

    rows: BaseRows
    base: str
    base_weights: str
    vocab_size: int
    adapters: tuple[str, ...]


def read_overlay(base: Path) -> Overlay | None:
    """What the base directory says of being an overlay, None for a plain base.

    Raises:
        ModelFilesError: endturn_overlay.json is broken.
        CheckpointError: its rows are broken.
    """
    path = base / OVERLAY_FILE
    if not path.exists():
        return None
    raw = read_json_object(path, ModelFilesError, follow_links=True)
    try:
        return Overlay(
            rows=read_rows_file(base / OVERLAY_ROWS),
            base=str(raw["base"]),
            base_weights=str(raw["base_weights"]),
            vocab_size=int(raw["vocab_size"]),
            adapters=tuple(str(name) for name in raw["adapters"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ModelFilesError(path, f"is no overlay's description ({exc!r})") from exc


def overlay_conflict(
    base: Path, name: str, rows: BaseRows | None, *, allow_unchanged: bool = False
) -> str | None:
    """Why the adapter `name` with these rows cannot be served on this base, None where it can.

    Raises:
        AdapterError: the overlay's files are broken.
    """
    overlay = read_overlay(base)
    if overlay is not None:
        others = f"{base} (an overlay for {', '.join(overlay.adapters)})"
        return rows_conflict(others, overlay.rows, name, rows, allow_unchanged=allow_unchanged)
    if rows is None:
        return None
    wanted = " and ".join(f"of {m}: {first_ids(listed.ids)}" for m, listed in rows.matrices.items())
    return f"{name} needs rows {wanted} in its base, and {base} is a plain base; write an overlay of it"


def write_overlay(
    base: BaseFiles,
    adapters: Sequence[tuple[str, BaseRows | None]],
    target: Path,
    *,
    allow_unchanged: bool = False,
) -> None:
    """Write a base directory with the rows that these adapters (name, rows) agree on; `target` must not exist.

    `allow_unchanged` lets an adapter be served on rows that it left as the base has them.

    Raises:
        ConversionError: two of them want different rows, the target exists, or the base is an overlay.
        ModelFilesError: the base has no weights, or they are broken.
    """
    if target.exists():
        raise ConversionError(target, "exists; choose another directory, or remove it first")
    if read_overlay(base.path) is not None:
        raise ConversionError(target, f"{base.path} is an overlay already; give the base it is of")
    rows = agreed_rows(adapters, target, allow_unchanged=allow_unchanged)
    weights = needed_base_weights(base, "write an overlay of it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as name:
        made = Path(name) / "overlay"
        made.mkdir()
        touched = _write_rows(weights, rows, made)
        _link_rest(base.path, made, touched)
        description = {
            "format": 1,
            "base": str(base.path),
            "base_weights": rows_digest(weights),
            "vocab_size": weights.num_rows,
            "adapters": [adapter for adapter, _ in adapters],
        }
        write_json(made / OVERLAY_FILE, description)
        write_rows_file(rows, made / OVERLAY_ROWS)
        made.rename(target)


def unties(rows: BaseRows) -> bool:
    """Whether a tied base must part its two matrices to have these rows."""
    embedding, head = (rows.matrices.get(matrix) for matrix in MATRICES)
    return embedding is None or head is None or not embedding.equals(head)


def _write_rows(weights: BaseWeights, rows: BaseRows, made: Path) -> frozenset[str]:
    """Write the files that change into `made`; returns their names."""
    tensors, config = _changed_tensors(weights, rows)
    beside = f"{weights.embedding}.weight"
    files: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        file = file_of(weights.tensors[name if name in weights.tensors else beside])
        if file not in files:
            files[file] = open_tensors(weights.base.path / file, ModelFilesError)
        files[file][name] = tensor
    for file, changed in files.items():
        write_tensors(made / file, changed)
    write_json(made / CONFIG_FILE, config)
    written = {*files, CONFIG_FILE}
    if write_index(weights, {name: file for file, names in files.items() for name in names}, made):
        written.add(INDEX_FILE)
    return frozenset(written)


def _changed_tensors(
    weights: BaseWeights, rows: BaseRows
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The two matrices where they change, and config.json."""
    num_rows = max([weights.num_rows, *(listed.ids[-1] + 1 for listed in rows.matrices.values())])
    grows = num_rows > weights.num_rows
    parts = weights.is_tied and unties(rows)
    tensors: dict[str, Tensor] = {}
    names: dict[Matrix, str] = {
        "embed_tokens": f"{weights.embedding}.weight",
        "lm_head": head_name(weights),
    }
    for matrix, name in names.items():
        listed = rows.matrices.get(matrix)
        is_one = matrix == "lm_head" and weights.is_tied and not parts
        is_new = matrix == "lm_head" and parts
        if not is_one and (listed is not None or grows or is_new):
            original = base_matrix(weights, matrix)
            none = np.empty((0, original.shape[1]), dtype=np.float32)
            ids, values = ((), none) if listed is None else (listed.ids, listed.values)
            tensors[name] = replace_rows(original, ids, values, num_rows)
    config = dict(weights.base.config)
    if grows:
        config = with_field(config, "vocab_size", num_rows)
    if parts:
        config = untied(config)
    return tensors, config


def _link_rest(base: Path, made: Path, written: frozenset[str]) -> None:
    for source in sorted(base.iterdir()):
        if not source.is_file() or source.name in written or source.suffix in OTHER_WEIGHTS:
            continue
        file = source.resolve()
        if file.stat().st_size <= MAX_COPIED_BYTES and source.suffix != ".safetensors":
            shutil.copyfile(file, made / source.name)
            continue
        try:
            os.link(file, made / source.name)
        except OSError:
            # Another file system, or one without hard links.
            (made / source.name).symlink_to(file)
