"""How an adapter's weights become weights the engine serves: the plan, and writing it.

`plan_weights` only reads. The engine takes plain LoRA on modules of its own and nothing else: kinds of LoRA are turned into
that, and rows that training changed become LoRA, rows of a base that adapters share (an overlay), or a merged model.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ..base_files import BaseFiles
from ..checkpoint import CONFIG_FILE, WEIGHTS_FILE, Checkpoint
from ..finding import Finding
from .adapter_kinds import KindOptions, as_plain_lora
from .base_fit import misfits
from .base_overlay import read_overlay
from .base_rows import ROWS_FILE, BaseRows, read_base_rows, write_rows_file
from .base_weights import BaseWeights, read_base_weights, rows_digest
from .lora_tensors import LoraAdapter, is_as_read, parse_name, read_lora, write_lora, written_name
from .merged_model import check_merge, write_merged
from .row_paths import RowOptions, RowPlan, plan_rows
from .stored_tensor import read_rows, row_blocks
from .token_rows import ChangedRows, Matrix, matrix_of, row_keys
from .weight_notes import WeightNotes

WeightPath = Literal["as_is", "rewritten", "embedding_lora", "overlay", "merge", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightOptions:
    """What the user allows: `merge` writes a standalone model, `max_rank` approximates a matrix that was trained as a whole
    by LoRA of that rank, `initial_adapter` is the adapter that a PiSSA-like training started from."""

    merge: bool = False
    max_rank: int | None = None
    initial_adapter: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightPlan:
    """What becomes of the weights. `rank` is the highest LoRA rank after it, `changes` one line each for people,
    `trained_ids` the ids whose output row the adapter itself sets, `base_rows` the rows it is only right with in its base.
    `base_weights` is the digest of the plain base's sampled rows, None where its weights are not there."""

    path: WeightPath
    findings: tuple[Finding, ...] = ()
    rank: int
    changes: tuple[str, ...] = ()
    trained_ids: frozenset[int] = frozenset()
    base_weights: str | None = None
    base_rows: BaseRows | None = None
    source: Checkpoint
    adapter: LoraAdapter
    weights: BaseWeights | None = None
    merged_rows: Mapping[Matrix, ChangedRows] = field(default_factory=dict)

    @property
    def needs_base_rows(self) -> bool:
        """Whether the adapter is only right on an overlay of its base."""
        return self.base_rows is not None


def plan_weights(
    checkpoint: Checkpoint, base_files: BaseFiles, options: WeightOptions
) -> WeightPlan:
    """Decide, reading headers and the rows that must be compared.

    Raises:
        CheckpointError: the adapter's files are broken.
        ModelFilesError: the base's weights are broken.
    """
    adapter = read_lora(checkpoint)
    weights = read_base_weights(base_files)
    notes = WeightNotes(merges=options.merge, findings=misfits(adapter, base_files, weights))
    existing = read_base_rows(checkpoint.path)
    rows = RowPlan(adapter=adapter)
    if not notes.is_refused:
        _check_base(adapter, base_files, notes)
        kinds = KindOptions(
            weights=weights, initial_adapter=options.initial_adapter, max_rank=options.max_rank
        )
        plain = _named_as_today(as_plain_lora(adapter, kinds, notes), checkpoint, notes)
        row_options = RowOptions(
            base=base_files, weights=weights, merge=options.merge, max_rank=options.max_rank
        )
        rows = plan_rows(plain, row_options, notes)
        if options.merge:
            check_merge(rows.adapter, weights, notes)
    base_rows = existing or rows.base_rows
    return WeightPlan(
        path=_path(rows, base_rows, checkpoint, notes),
        findings=tuple(notes.findings),
        rank=rows.adapter.highest_rank,
        changes=tuple(notes.changes),
        trained_ids=_trained_ids(rows, base_rows),
        base_weights=base_digest(base_files, weights),
        base_rows=base_rows,
        source=checkpoint,
        adapter=rows.adapter,
        weights=weights,
        merged_rows=rows.rows,
    )


def base_digest(base: BaseFiles, weights: BaseWeights | None) -> str | None:
    """What tells this base's weights from another's, the plain base's on an overlay of it; None where nothing can be read."""
    overlay = read_overlay(base.path)
    if overlay is not None:
        return overlay.base_weights
    if weights is None or not (weights.embedding_rows.is_float and weights.head_rows.is_float):
        return None
    return rows_digest(weights)


def write_weights(plan: WeightPlan, target: Path) -> None:
    """Write the planned weights into the existing, empty directory `target`: the adapter's config, tensors and rows for
    the base, or a whole model.

    Raises:
        AdapterError: a file cannot be read.
        ValueError: the plan is a refusal.
    """
    if plan.path == "refused":
        raise ValueError("a refused adapter cannot be written")
    if plan.path == "merge":
        if plan.weights is None:
            raise ValueError("a merge needs the base's weights")
        write_merged(plan.adapter, plan.weights, plan.merged_rows, target)
        return
    if is_as_read(plan.adapter, plan.source):
        shutil.copyfile(plan.source.path / CONFIG_FILE, target / CONFIG_FILE)
        shutil.copyfile(plan.source.weights, target / WEIGHTS_FILE)
    else:
        write_lora(plan.adapter, target)
    if plan.base_rows is not None:
        write_rows_file(plan.base_rows, target / ROWS_FILE)


def _path(
    rows: RowPlan, base_rows: BaseRows | None, checkpoint: Checkpoint, notes: WeightNotes
) -> WeightPath:
    if notes.is_refused:
        return "refused"
    if notes.merges:
        return "merge"
    if base_rows is not None:
        return "overlay"
    if rows.joined:
        return "embedding_lora"
    return "as_is" if is_as_read(rows.adapter, checkpoint) else "rewritten"


def _check_base(adapter: LoraAdapter, base: BaseFiles, notes: WeightNotes) -> None:
    """Rows are compared with the plain base: on an overlay, what another adapter changed would pass for the base's own."""
    overlay = read_overlay(base.path)
    if overlay is not None and row_keys(adapter):
        notes.refused(
            "D1",
            f"{base.path}: is an overlay of {overlay.base}",
            f"nothing; convert the adapter for {overlay.base}, then serve it on the overlay",
        )


def _named_as_today(
    adapter: LoraAdapter, checkpoint: Checkpoint, notes: WeightNotes
) -> LoraAdapter:
    """Names and config as PEFT writes them today, where an older or a wrapped writer left others."""
    keys = {name: parse_name(name) for name in checkpoint.tensors}
    gone = row_keys(adapter)
    renamed = [
        name
        for name, key in keys.items()
        if key is None or (key not in gone and written_name(key) != name)
    ]
    if renamed:
        notes.fixed(
            "D6",
            f"{WEIGHTS_FILE}: {len(renamed)} names such as {renamed[0]:.100}",
            "tensors named as PEFT names them today",
            "refuses them or leaves them out",
        )
    if "peft_type" not in adapter.config:
        notes.changes.append("peft_type added to the config")
        return adapter.changed({"peft_type": "LORA", "task_type": "CAUSAL_LM"})
    return adapter


def _trained_ids(rows: RowPlan, base_rows: BaseRows | None) -> frozenset[int]:
    """Ids whose row of the output layer is not the base's."""
    found: set[int] = set()
    changed = rows.rows.get("lm_head")
    if changed is not None:
        found |= set(range(changed.num_rows)) if changed.dense is not None else set(changed.ids)
    if base_rows is not None and "lm_head" in base_rows.matrices:
        found |= set(base_rows.matrices["lm_head"].ids)
    for module in rows.adapter.modules:
        pair = rows.adapter.pair(module)
        if matrix_of(module) == "lm_head" and pair is not None:
            for block in row_blocks(pair.b.shape[1], pair.b.shape[0]):
                touched = read_rows(pair.b, block).any(axis=1)
                found |= {block.start + int(row) for row in np.flatnonzero(touched)}
    return frozenset(found)
