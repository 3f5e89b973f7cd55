"""Whether an adapter's tensors belong to this base: names, shapes, ranks.

vLLM skips a LoRA on a module it does not have and then serves the base as if nothing were wrong, so this is checked when an
adapter is converted and again when it is loaded. Works from the base's headers, or from config.json alone.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..base_files import BaseFiles
from ..base_identity import architecture, text_config
from ..checkpoint import CONFIG_FILE, WEIGHTS_FILE, Checkpoint
from ..finding import Finding
from .base_weights import BaseWeights, read_base_weights
from .lora_tensors import Key, LoraAdapter, Pair, read_lora
from .stored_tensor import Tensor
from .token_rows import ChangedRows, Matrix, matrix_of

CODE = "D7"
# How quantised checkpoints store a module that has no plain weight.
QUANTISED = (".qweight", ".weight_packed", ".weight_q")
# Segments by which one model's modules are named differently over versions of transformers.
OUTER = frozenset({"model", "language_model", "text_model", "transformer", "base_model"})
# Families whose layers are `model.layers.N`: names are known where the base's weights are not there.
USUAL = re.compile(
    r"(llama|qwen[23]|gemma|mistral|mixtral|phi3|smollm3|granite|olmo|glm4?|cohere|deepseek|starcoder2|exaone4)"
)
NAMED = 3


def check_fits(
    checkpoint: Checkpoint, base: BaseFiles, weights: BaseWeights | None = None
) -> list[Finding]:
    """What does not fit, as refusals; empty where everything does. `weights` are read where they are not given.

    Raises:
        CheckpointError: the adapter's config is broken.
        ModelFilesError: the base's files are broken.
    """
    adapter = read_lora(checkpoint)
    return misfits(adapter, base, weights if weights is not None else read_base_weights(base))


def misfits(adapter: LoraAdapter, base: BaseFiles, weights: BaseWeights | None) -> list[Finding]:
    """As `check_fits`, for an adapter that is read already."""
    text = text_config(base.config)
    found: list[Finding] = []
    if adapter.unknown:
        found.append(
            _refused(
                f"{WEIGHTS_FILE}: {_some(adapter.unknown)} are of no kind of LoRA that is known",
                "refuses it, or ignores them",
                "nothing; train with plain LoRA, or merge with the trainer that wrote it",
            )
        )
    strangers = _strangers(adapter, text, weights)
    if strangers:
        found.append(
            _refused(
                f"{WEIGHTS_FILE}: {_some(strangers)} are modules that {architecture(base.config) or base.path} does not have",
                "ignores them and serves the base without a word, or refuses it",
                "nothing; check that this is the base it was trained on",
            )
        )
    if not strangers:
        found += [
            _refused(
                f"{WEIGHTS_FILE}: {problem}", "refuses it, or stops at the first request", what
            )
            for problem, what in _wrong_shapes(adapter, text, weights)
        ]
    return found


def base_names(adapter: LoraAdapter, weights: BaseWeights) -> dict[str, str]:
    """The base's module for each module of the adapter, where it has one: mostly the same name."""
    modules = _base_modules(weights.tensors)
    by_inner = {_inner(module): module for module in modules}
    names: dict[str, str] = {}
    for module in {key.module for key in adapter.tensors}:
        if module in modules:
            names[module] = module
        elif _may_be_renamed(weights.base) and _inner(module) in by_inner:
            names[module] = by_inner[_inner(module)]
    return names


def row_misfit(
    adapter: LoraAdapter, rows: Mapping[Matrix, ChangedRows], num_rows: int, weights: BaseWeights
) -> str | None:
    """Why changed rows do not make a model of `num_rows` ids, None where they do."""
    if num_rows > weights.num_rows:
        matrices: tuple[Matrix, ...] = ("embed_tokens", "lm_head")
        alone = [m for m in matrices if m not in rows or rows[m].num_rows != num_rows]
        if alone:
            return f"nothing; {alone[0]} has no rows for the new ids from {weights.num_rows:,}"
    for module in adapter.modules:
        if matrix_of(module) is None:
            continue
        size = vocabulary_of(adapter, module)
        if size > num_rows:
            return f"nothing; {module} has a LoRA for {size:,} ids, the base has {num_rows:,}"
    return None


def vocabulary_of(adapter: LoraAdapter, module: str) -> int:
    """How many ids the LoRA on a matrix is for."""
    pair = adapter.pair(module)
    if pair is None:
        return 0
    embedding = Key(module, "lora_embedding_A") in adapter.tensors
    return pair.a.shape[1] if embedding else pair.b.shape[0]


def _strangers(
    adapter: LoraAdapter, text: Mapping[str, Any], weights: BaseWeights | None
) -> list[str]:
    num_layers = text.get("num_hidden_layers")
    replicated = adapter.config.get("layer_replication")
    modules = {key.module for key in adapter.tensors}
    if weights is not None and not replicated:
        known = base_names(adapter, weights)
        # A tied base has no tensor for its output layer, and experts are often stored as one.
        return sorted(
            module
            for module in modules
            if module not in known and ".experts" not in module and matrix_of(module) != "lm_head"
        )
    strangers = []
    for module in modules:
        index = re.search(r"(?:^|\.)layers?\.(\d+)\.", module)
        beyond = index and isinstance(num_layers, int) and int(index[1]) >= num_layers
        usual = re.match(r"(?:(?:model|language_model)\.)+layers\.\d+\.", module)
        misnamed = index and not usual and USUAL.match(str(text.get("model_type", "")))
        if (beyond and not replicated) or misnamed:
            strangers.append(module)
    return sorted(strangers)


def _wrong_shapes(
    adapter: LoraAdapter, text: Mapping[str, Any], weights: BaseWeights | None
) -> Iterator[tuple[str, str]]:
    """Each thing that is wrong and what to do about it."""
    halves = {
        key.module
        for key in adapter.tensors
        if key.part in ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B")
        and adapter.pair(key.module) is None
    }
    if halves:
        yield (
            f"{_some(sorted(halves))} have only one half of a LoRA",
            "nothing; the file is damaged",
        )
    names = {} if weights is None else base_names(adapter, weights)
    for module in adapter.modules:
        pair = adapter.pair(module)
        if pair is None or ".experts" in module or adapter.config.get("use_bdlora"):
            continue
        a, b = pair.a.shape, pair.b.shape
        rank = adapter.rank(module)
        if len(a) != 2 or len(b) != 2 or a[0] != b[1] or a[0] != rank:
            yield (
                f"{module}: LoRA of {list(a)} and {list(b)}, where {CONFIG_FILE} gives rank {rank}",
                "nothing; config and weights are of different adapters",
            )
            return
        tensor = None if weights is None else weights.tensors.get(f"{names.get(module)}.weight")
        wanted = _sizes(module, text) if tensor is None else _tensor_sizes(tensor)
        problem = _size_problem(adapter, module, pair, wanted)
        if problem:
            yield problem, "nothing; check that this is the base it was trained on"
            return


def _size_problem(
    adapter: LoraAdapter, module: str, pair: Pair, wanted: tuple[int | None, int | None]
) -> str | None:
    has = (pair.b.shape[0], pair.a.shape[1])
    if Key(module, "lora_embedding_A") in adapter.tensors:
        has = (has[1], has[0])
    if adapter.config.get("use_qalora"):
        has = (has[0], has[1] * int(adapter.config.get("qalora_group_size") or 1))
    # Another number of tokens is dealt with where rows are.
    fits_out = wanted[0] in (None, has[0]) or matrix_of(module) is not None
    if fits_out and wanted[1] in (None, has[1]):
        return None
    return f"{module}: LoRA for {list(has)}, the base's module is {list(wanted)}"


def _tensor_sizes(tensor: Tensor) -> tuple[int | None, int | None]:
    if len(tensor.shape) != 2 or not tensor.is_float:
        return None, None
    return tensor.shape[0], tensor.shape[1]


def _sizes(module: str, text: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """[out, in] of a module by config.json, None where that does not say."""
    hidden, inter = text.get("hidden_size"), text.get("intermediate_size")
    last = module.rsplit(".", 1)[-1]
    if last in ("q_proj", "k_proj", "v_proj"):
        return None, hidden
    if last == "o_proj":
        return hidden, None
    if ".mlp." in module and not re.search(r"experts?\b|shared", module):
        if last in ("gate_proj", "up_proj"):
            return inter, hidden
        if last == "down_proj":
            return hidden, inter
    if matrix_of(module) is not None:
        return text.get("vocab_size"), hidden
    return None, None


def _base_modules(tensors: Mapping[str, Tensor]) -> frozenset[str]:
    suffixes = (".weight", ".bias", *QUANTISED)
    return frozenset(
        name.removesuffix(suffix)
        for name in tensors
        for suffix in suffixes
        if name.endswith(suffix)
    )


def _may_be_renamed(base: BaseFiles) -> bool:
    """Whether the engine maps names: it does in models with more than a language model, not in plain ones."""
    return "text_config" in base.config or "vision_config" in base.config


def _inner(module: str) -> str:
    parts = module.split(".")
    while len(parts) > 1 and parts[0] in OUTER:
        parts = parts[1:]
    return ".".join(parts)


def _some(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(f"{name:.120}" for name in names[:NAMED])
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown


def _refused(evidence: str, plain_vllm: str, action: str) -> Finding:
    return Finding(
        code=CODE, severity="refused", evidence=evidence, plain_vllm=plain_vllm, action=action
    )
