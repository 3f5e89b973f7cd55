"""Changed rows as LoRA on the embedding and the output layer, where the engine's model class takes such LoRA; and back.

k changed rows are a change of rank k: one factor picks the rows, the other holds the differences. That is exact; a matrix
that was trained as a whole is approximated. A test holds the table below against vLLM's own classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .base_weights import BaseWeights
from .lora_pairs import join, one_hot_columns, one_hot_rows
from .lora_tensors import Key, LoraAdapter, Pair
from .low_rank import Approximation, approximate_rows
from .stored_tensor import Rows, Tensor, load, of_values, read_rows
from .token_rows import MAX_LISTED_ROWS, ChangedRows, Matrix, base_matrix, matrix_of

# vLLM's LogitsProcessorWithLoRA refuses a larger one.
MAX_VOCABULARY = 258_048

# The text model classes of vLLM 0.32, by the architecture in config.json, whose `embedding_modules` name both embeddings;
# those of its transformers backend and Cohere's, which ties them, name the input only. Any other takes no LoRA on either.
_BOTH = (
    "ApertusForCausalLM DeciLMForCausalLM Ernie4_5ForCausalLM Exaone4ForCausalLM "
    "ExaoneMoEForCausalLM ExaoneMoeForCausalLM FalconH1ForCausalLM GraniteForCausalLM "
    "GraniteMoeForCausalLM GraniteMoeHybridForCausalLM GraniteMoeSWAForCausalLM "
    "GraniteMoeSharedForCausalLM GraniteSWAForCausalLM HyperCLOVAXForCausalLM IQuestCoderForCausalLM "
    "InternLM3ForCausalLM JambaForCausalLM K2HorizonForCausalLM LLaMAForCausalLM Lfm2ForCausalLM "
    "Lfm2MoeForCausalLM Llama4ForCausalLM LlamaForCausalLM MiniCPM3ForCausalLM MiniCPMForCausalLM "
    "MixtralForCausalLM NemotronForCausalLM NemotronHForCausalLM NemotronHPuzzleForCausalLM "
    "Param2MoEForCausalLM Phi3ForCausalLM PhiMoEForCausalLM Qwen3ForCausalLM Qwen3MoeForCausalLM "
    "Qwen3_5ForCausalLM Qwen3_5MoeForCausalLM SolarForCausalLM TeleChat2ForCausalLM "
    "TeleChat3ForCausalLM TeleFLMForCausalLM"
)
_INPUT = (
    "ArceeForCausalLM Cohere2ForCausalLM CohereForCausalLM CwmForCausalLM FlexOlmoForCausalLM "
    "GPTBigCodeForCausalLM GPTNeoXForCausalLM GlmForCausalLM HunYuanDenseV1ForCausalLM "
    "HunYuanMoEV1ForCausalLM Jais2ForCausalLM MellumForCausalLM NanbeigeForCausalLM Olmo2ForCausalLM "
    "Olmo3ForCausalLM OlmoForCausalLM PhiForCausalLM SeedOssForCausalLM SmolLM3ForCausalLM "
    "Starcoder2ForCausalLM VaultGemmaForCausalLM"
)
EMBEDDING_LORA: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_BOTH.split(), frozenset({"embed_tokens", "lm_head"})),
    **dict.fromkeys(_INPUT.split(), frozenset({"embed_tokens"})),
    "ExaoneForCausalLM": frozenset({"wte", "lm_head"}),
    "InklingForCausalLM": frozenset({"lm_head"}),
    "InklingForConditionalGeneration": frozenset({"lm_head"}),
}
# Classes that use the embedding as the output layer whatever config.json says: no overlay or merge can part the two.
ALWAYS_TIED = frozenset(
    {"CohereForCausalLM", "Cohere2ForCausalLM", "Cohere2MoeForCausalLM", "Gemma2ForCausalLM"}
    | {"Gemma3nForCausalLM", "Lfm2ForCausalLM", "Lfm2MoeForCausalLM"}
)


def takes_lora(architecture: str | None, module: str, vocab_size: int) -> bool:
    """Whether the engine applies a LoRA on this embedding or output layer."""
    modules = EMBEDDING_LORA.get(architecture or "", frozenset())
    if "lm_head" in modules and vocab_size > MAX_VOCABULARY:
        return False
    return module.rsplit(".", 1)[-1] in modules


def padded(adapter: LoraAdapter, module: str, num_rows: int) -> LoraAdapter:
    """The adapter whose LoRA on `module` covers `num_rows` ids: no change for those past its own."""
    key = Key(module, "lora_embedding_A")
    embedding = key in adapter.tensors
    key = key if embedding else Key(module, "lora_B")
    values = load(adapter.tensors[key])
    missing = num_rows - values.shape[1 if embedding else 0]
    wider = np.pad(values, ((0, 0), (0, missing)) if embedding else ((0, missing), (0, 0)))
    return adapter.changed(tensors={key: of_values(wider)})


def with_rows(
    adapter: LoraAdapter, base: BaseWeights, matrix: Matrix, rows: ChangedRows
) -> LoraAdapter:
    """The adapter whose LoRA on the matrix does what its own did and sets the changed rows, exactly."""
    original = base_matrix(base, matrix)
    difference = rows.values - read_rows(original, rows.ids)
    if matrix == "embed_tokens":
        pair = Pair(
            one_hot_rows(rows.ids, rows.num_rows), of_values(np.ascontiguousarray(difference.T))
        )
    else:
        pair = Pair(of_values(difference), one_hot_columns(rows.ids, rows.num_rows))
    return join(adapter, rows.module, pair, embedding=matrix == "embed_tokens")


def with_approximation(
    adapter: LoraAdapter, base: BaseWeights, matrix: Matrix, rows: ChangedRows, rank: int
) -> tuple[LoraAdapter, Approximation]:
    """The adapter with the best LoRA of `rank` for a matrix that was trained as a whole, and what that misses."""
    original = base_matrix(base, matrix)
    dense = rows.dense
    if dense is None:
        raise ValueError("a list of rows is exact as it is")
    listed = dict(zip(rows.ids, rows.values, strict=True))

    def difference(block: range) -> Rows:
        shared = range(block.start, min(block.stop, dense.shape[0]))
        made = np.zeros((len(block), original.shape[1]), dtype=np.float32)
        made[: len(shared)] = read_rows(dense, shared) - read_rows(original, shared)
        for row in listed.keys() & set(block):
            made[row - block.start] = listed[row] - read_rows(original, [row])[0]
        return made

    found = approximate_rows(difference, original.shape[0], original.shape[1], rank)
    pair = found.pair
    if matrix == "embed_tokens":
        a, b = load(pair.b).T, load(pair.a).T
        pair = Pair(of_values(np.ascontiguousarray(a)), of_values(np.ascontiguousarray(b)))
    return join(adapter, rows.module, pair, embedding=matrix == "embed_tokens"), found


def with_lora_folded(
    adapter: LoraAdapter, base: BaseWeights, module: str, rows: ChangedRows | None
) -> ChangedRows | None:
    """The rows that the LoRA on `module` and `rows` change together; None where they are too many to list."""
    matrix, pair = matrix_of(module), adapter.pair(module)
    if matrix is None or pair is None:
        raise ValueError(f"{module} has no LoRA, or is no matrix of rows")
    a, b = (pair.b, pair.a) if matrix == "lm_head" else (pair.a, pair.b)
    touched = set(_nonzero(a, columns=matrix == "embed_tokens"))
    if rows is not None:
        if rows.dense is not None:
            return None
        touched |= set(rows.ids)
    if len(touched) > MAX_LISTED_ROWS:
        return None
    ids = tuple(sorted(touched))
    values = _rows_before(base, matrix, rows, ids)
    # [rank, width] of what each rank writes into a row, and [k, rank] of how much of it each row takes.
    directions = load(b) if matrix == "lm_head" else load(b).T
    shares = read_rows(a, ids) if matrix == "lm_head" else _columns(a, ids)
    delta = shares.astype(np.float64) @ directions.astype(np.float64) * adapter.scaling(module)
    return ChangedRows(
        module=module,
        ids=ids,
        values=(values + delta).astype(np.float32),
        num_changed=len(ids),
        num_rows=rows.num_rows if rows is not None else base.num_rows,
    )


def _rows_before(
    base: BaseWeights, matrix: Matrix, rows: ChangedRows | None, ids: Sequence[int]
) -> Rows:
    """Rows `ids` without the LoRA: replaced ones where there are such, the base's else."""
    original = base_matrix(base, matrix)
    replaced: Mapping[int, Rows] = (
        {} if rows is None else dict(zip(rows.ids, rows.values, strict=True))
    )
    values = np.zeros((len(ids), original.shape[1]), dtype=np.float32)
    kept = [i for i, row in enumerate(ids) if row not in replaced and row < original.shape[0]]
    values[kept] = read_rows(original, [ids[i] for i in kept])
    for i, row in enumerate(ids):
        if row in replaced:
            values[i] = replaced[row]
    return values


def _nonzero(tensor: Tensor, *, columns: bool) -> list[int]:
    numbers = load(tensor) != 0
    return [int(i) for i in np.flatnonzero(numbers.any(axis=0 if columns else 1))]


def _columns(tensor: Tensor, ids: Sequence[int]) -> Rows:
    return np.ascontiguousarray(load(tensor)[:, list(ids)].T)
