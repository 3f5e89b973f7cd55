"""Which way changed rows reach the engine: LoRA on the embeddings, rows of an overlay, or a merge.

LoRA where the model class takes it and the rank allows; an overlay where it does not, or where the vocabulary grew; a merge
for a matrix that was trained as a whole, or an approximation of that where LoRA is possible and asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..base_files import BaseFiles
from ..base_identity import architecture, text_config
from ..checkpoint import CONFIG_FILE, WEIGHTS_FILE
from ..finding import Severity
from .base_fit import row_misfit, vocabulary_of
from .base_overlay import unties
from .base_rows import BaseRows, RowValues, first_ids
from .base_weights import BaseWeights
from .embedding_lora import (
    ALWAYS_TIED,
    padded,
    takes_lora,
    with_approximation,
    with_lora_folded,
    with_rows,
)
from .lora_pairs import MAX_RANK, with_targets, without_lora
from .lora_tensors import Key, LoraAdapter
from .merged_model import parts_matrices
from .token_rows import (
    MAX_LISTED_ROWS,
    ChangedRows,
    Matrix,
    changed_rows,
    is_saved,
    matrix_of,
    row_keys,
)
from .weight_notes import MERGED, REFUSES, WeightNotes

WITHOUT_WEIGHTS = "nothing without a --base with weights, to compare the rows with"
TIED_FOR_GOOD = "nothing; the engine ties the two matrices of this model whatever its config says"


@dataclass(slots=True, kw_only=True)
class RowPlan:
    """The adapter without rows of its own, and where they went: into its LoRA (`joined`), into `base_rows`, or into a merge
    of `rows`. `refusal` says why they can go nowhere."""

    adapter: LoraAdapter
    rows: Mapping[Matrix, ChangedRows] = field(default_factory=dict)
    base_rows: BaseRows | None = None
    joined: bool = False
    lines: list[str] = field(default_factory=list)
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """The base, and what the user allows: a merge, or an approximation of rank `max_rank`."""

    base: BaseFiles
    weights: BaseWeights | None
    merge: bool = False
    max_rank: int | None = None

    @property
    def is_always_tied(self) -> bool:
        """Whether the engine never parts the two matrices of this model."""
        return architecture(self.base.config) in ALWAYS_TIED

    def takes(self, module: str) -> bool:
        """Whether the engine applies a LoRA on the matrix `module`."""
        size = text_config(self.base.config).get("vocab_size") or 0
        if self.weights is not None:
            size = self.weights.num_rows
        return takes_lora(architecture(self.base.config), module, int(size))


def plan_rows(adapter: LoraAdapter, options: RowOptions, notes: WeightNotes) -> RowPlan:
    """Decide for both matrices, reading the rows that must be compared.

    Raises:
        CheckpointError: rows do not fit the base.
        ModelFilesError: the base's rows are quantised.
    """
    modules = [module for module in adapter.modules if matrix_of(module) is not None]
    keys = row_keys(adapter)
    untaken = [module for module in modules if not options.takes(module)]
    if options.weights is None:
        plan = RowPlan(adapter=adapter)
        if keys or untaken:
            plan.refusal = WITHOUT_WEIGHTS
    else:
        rows = changed_rows(adapter, options.weights) if keys else {}
        plan = _planned(_cleaned(adapter, keys), rows, options, options.weights)
        if keys and not plan.lines:
            plan.lines = ["copies of the base's own rows left out"]
    causes = dict(_causes(adapter, keys, untaken, plan.rows, options))
    for code, (evidence, plain_vllm) in causes.items():
        severity: Severity = "refused" if plan.refusal else "fixable"
        notes.found(code, severity, evidence, plan.refusal or "; ".join(plan.lines), plain_vllm)
    if plan.refusal is None:
        notes.changes += plan.lines
    return plan


def _planned(
    adapter: LoraAdapter,
    rows: Mapping[Matrix, ChangedRows],
    options: RowOptions,
    weights: BaseWeights,
) -> RowPlan:
    plan = RowPlan(adapter=adapter, rows=rows)
    num_rows = max([weights.num_rows, *(changed.num_rows for changed in rows.values())])
    plan.refusal = row_misfit(adapter, rows, num_rows, weights)
    if plan.refusal is None and options.merge:
        if weights.is_tied and parts_matrices(adapter, rows) and options.is_always_tied:
            plan.refusal = TIED_FOR_GOOD
        plan.lines = [
            f"{_counted(changed)} of {matrix} {MERGED}" for matrix, changed in rows.items()
        ]
        return plan
    if plan.refusal is None:
        _approximate(plan, options, weights)
    if plan.refusal is None:
        listed = _listed(plan, options, weights)
        _place(plan, listed, options, weights, grows=num_rows > weights.num_rows)
    return plan


def _approximate(plan: RowPlan, options: RowOptions, weights: BaseWeights) -> None:
    """Matrices that were trained as a whole, as LoRA of the rank the user allows; else a refusal that says what to do."""
    for matrix, changed in plan.rows.items():
        if changed.dense is None:
            continue
        takes = options.takes(changed.module) and changed.num_rows == weights.num_rows
        if options.max_rank is None or not takes:
            hint = " or --max-rank N approximates the change by LoRA" if takes else ""
            plan.refusal = (
                f"nothing as an adapter: {_counted(changed)} of {matrix} changed, which is the whole matrix; "
                f"--merge writes a standalone model, exactly{hint}"
            )
            return
        own = plan.adapter.pair(changed.module)
        rank = min(options.max_rank, MAX_RANK - (own.rank if own else 0))
        plan.adapter, found = with_approximation(plan.adapter, weights, matrix, changed, rank)
        plan.joined = True
        plan.lines.append(
            f"{matrix} approximated by LoRA of rank {rank}, missing {found.error:.2%} of the change "
            f"(Frobenius norm), at most {found.worst:.2g} in one number"
        )


def _listed(plan: RowPlan, options: RowOptions, weights: BaseWeights) -> dict[Matrix, ChangedRows]:
    """Rows that are few enough to name, with those that a LoRA changes where the engine takes no LoRA."""
    listed = {matrix: changed for matrix, changed in plan.rows.items() if changed.dense is None}
    for module in plan.adapter.modules:
        matrix = matrix_of(module)
        if matrix is None or options.takes(module):
            continue
        folded = with_lora_folded(plan.adapter, weights, module, plan.rows.get(matrix))
        if folded is None:
            plan.refusal = (
                f"nothing as an adapter: its LoRA changes more than {MAX_LISTED_ROWS:,} rows of {matrix}, and the engine "
                "takes no LoRA there; --merge writes a standalone model, exactly"
            )
            return {}
        plan.adapter = without_lora(plan.adapter, module)
        if folded.ids:
            listed[matrix] = folded
    return listed


def _place(
    plan: RowPlan,
    listed: Mapping[Matrix, ChangedRows],
    options: RowOptions,
    weights: BaseWeights,
    *,
    grows: bool,
) -> None:
    """Into LoRA where that is possible for all of them, else into the base."""
    if not grows and all(_has_room(plan.adapter, changed, options) for changed in listed.values()):
        for matrix, changed in listed.items():
            plan.adapter = with_rows(plan.adapter, weights, matrix, changed)
            plan.joined = True
            plan.lines.append(f"{_counted(changed)} of {matrix} as LoRA of rank {len(changed.ids)}")
    else:
        matrices = {m: RowValues(changed.ids, changed.values) for m, changed in listed.items()}
        plan.base_rows = BaseRows(matrices)
        if weights.is_tied and unties(plan.base_rows) and options.is_always_tied:
            plan.refusal = TIED_FOR_GOOD
        plan.lines += [f"{_counted(changed)} of {m} for the base" for m, changed in listed.items()]
    num_rows = max([weights.num_rows, *(changed.num_rows for changed in listed.values())])
    for module in plan.adapter.modules:
        if matrix_of(module) is not None and vocabulary_of(plan.adapter, module) < num_rows:
            plan.adapter = padded(plan.adapter, module, num_rows)
            plan.lines.append(f"LoRA on {module} extended with zeros to {num_rows:,} ids")


def _has_room(adapter: LoraAdapter, changed: ChangedRows, options: RowOptions) -> bool:
    own = adapter.pair(changed.module)
    rank = len(changed.ids) + (own.rank if own else 0)
    return options.takes(changed.module) and rank <= MAX_RANK


def _cleaned(adapter: LoraAdapter, keys: Sequence[Key]) -> LoraAdapter:
    """The adapter without tensors of rows, and without what its config says of them."""
    if not keys:
        return adapter
    saved = adapter.config.get("modules_to_save")
    left = [name for name in saved or [] if matrix_of(name) is None]
    fields: dict[str, object] = {"modules_to_save": left or None} if saved else {}
    if adapter.config.get("trainable_token_indices") is not None:
        fields["trainable_token_indices"] = None
    cleaned = adapter.without(keys).changed(fields)
    if adapter.config.get("ensure_weight_tying"):
        # PEFT leaves the output layer out of target_modules when it ties the two.
        cleaned = with_targets(cleaned.changed({"ensure_weight_tying": False}))
    return cleaned


def _causes(
    adapter: LoraAdapter,
    keys: Sequence[Key],
    untaken: Sequence[str],
    rows: Mapping[Matrix, ChangedRows],
    options: RowOptions,
) -> Iterable[tuple[str, tuple[str, str]]]:
    """(code, (evidence, what plain vLLM does)) of every form in which the adapter speaks of rows."""
    if any(is_saved(adapter, key) for key in keys):
        saved = adapter.config.get("modules_to_save")
        yield "D1", (f"{CONFIG_FILE}: modules_to_save = {saved}", REFUSES)
    copied = [key.module for key in keys if key.part == "copied_weight"]
    if untaken:
        evidence = f"{CONFIG_FILE}: target_modules has {', '.join(untaken)}"
        yield "D2", (evidence, "refuses it; first used in a request, it ends the engine")
    elif copied:
        evidence = f"{WEIGHTS_FILE}: copies of {', '.join(copied)} below the LoRA"
        yield "D2", (evidence, "leaves the copies out without a word")
    if any(key.part == "tokens" for key in keys):
        ids = adapter.config.get("trainable_token_indices")
        yield "D4", (f"{CONFIG_FILE}: trainable_token_indices = {ids!r:.80}", REFUSES)
    size = 0 if options.weights is None else options.weights.num_rows
    grown = max((changed.num_rows for changed in rows.values()), default=0)
    tied = adapter.config.get("ensure_weight_tying")
    resized = [
        k.module for k in keys if k.part == "weight" and not tied and not is_saved(adapter, k)
    ]
    if grown > size or resized:
        names = ", ".join(resized) or "the embedding"
        evidence = f"{WEIGHTS_FILE}: {names} of {grown or size:,} rows, the base has {size:,}"
        yield "D3", (evidence, REFUSES)


def _counted(changed: ChangedRows) -> str:
    count = changed.num_changed
    shown = f" ({first_ids(changed.ids)})" if changed.dense is None else ""
    return f"{count:,} {'row' if count == 1 else 'rows'}{shown}"
