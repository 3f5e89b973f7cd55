"""Tiny base models and LoRA adapters of random numbers, written without torch: two layers, 64 wide, 512 tokens."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adapters.base_files import read_base_files
from adapters.checkpoint import read_checkpoint
from adapters.errors import CheckpointError, ModelFilesError
from adapters.weights.base_overlay import write_overlay
from adapters.weights.base_rows import read_base_rows
from adapters.weights.stored_tensor import Tensor, load, of_values, open_tensors, write_tensors
from adapters.weights.weight_plan import WeightOptions, WeightPlan, plan_weights, write_weights

Architecture = Literal["llama", "qwen2", "qwen3", "gemma3"]
Array = NDArray[np.float32]

VOCABULARY, HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS, HEAD_DIM = 512, 64, 96, 2, 2, 1, 32
CLASSES: Mapping[Architecture, tuple[str, str]] = {
    "llama": ("LlamaForCausalLM", "llama"),
    "qwen2": ("Qwen2ForCausalLM", "qwen2"),
    "qwen3": ("Qwen3ForCausalLM", "qwen3"),
    "gemma3": ("Gemma3ForCausalLM", "gemma3_text"),
}
PROJECTIONS: Mapping[str, tuple[int, int]] = {
    "self_attn.q_proj": (HEADS * HEAD_DIM, HIDDEN),
    "self_attn.k_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
    "self_attn.v_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HEADS * HEAD_DIM),
    "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
    "mlp.up_proj": (INTERMEDIATE, HIDDEN),
    "mlp.down_proj": (HIDDEN, INTERMEDIATE),
}


def build_base(
    path: Path,
    architecture: Architecture = "llama",
    *,
    tied: bool = False,
    dtype: str = "F32",
    shards: int = 1,
    vocabulary: int = VOCABULARY,
    weights: bool = True,
) -> Path:
    """Write a base directory: config.json, and weights in `shards` files (none with weights=False)."""
    path.mkdir(parents=True)
    write_json(path / "config.json", config(architecture, tied=tied, vocabulary=vocabulary))
    write_json(path / "generation_config.json", {"eos_token_id": 1})
    if weights:
        arrays = base_arrays(architecture, tied=tied, vocabulary=vocabulary)
        write_shards(path, {name: of_values(a, dtype) for name, a in arrays.items()}, shards)
    return path


def config(
    architecture: Architecture, *, tied: bool, vocabulary: int = VOCABULARY
) -> dict[str, Any]:
    """A config.json that transformers and vLLM load."""
    name, model_type = CLASSES[architecture]
    made: dict[str, Any] = {
        "architectures": [name],
        "model_type": model_type,
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "hidden_act": "silu",
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "tie_word_embeddings": tied,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": None,
        "dtype": "float32",
    }
    if architecture == "gemma3":
        del made["rope_parameters"], made["hidden_act"]
        made |= {
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": HEAD_DIM,
            "sliding_window": 128,
            "layer_types": ["sliding_attention", "full_attention"],
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                "full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
            },
        }
    return made


def base_arrays(
    architecture: Architecture, *, tied: bool, vocabulary: int = VOCABULARY, seed: int = 0
) -> dict[str, Array]:
    """Every tensor of the base by name."""
    random = np.random.default_rng(seed)

    def normal(*shape: int, scale: float) -> Array:
        return (random.standard_normal(shape) * scale).astype(np.float32)

    gemma = architecture == "gemma3"
    ones = 0.0 if gemma else 1.0  # Gemma's norms multiply by 1 + weight
    norms = ["input_layernorm", "post_attention_layernorm"]
    norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"] if gemma else []
    embedding = normal(vocabulary, HIDDEN, scale=0.1 if gemma else 0.5)
    arrays = {"model.embed_tokens.weight": embedding}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name, shape in PROJECTIONS.items():
            arrays[f"{prefix}{name}.weight"] = normal(*shape, scale=shape[1] ** -0.5)
        for name in norms:
            arrays[f"{prefix}{name}.weight"] = ones + normal(HIDDEN, scale=0.1)
        for letter in "qkv" if architecture == "qwen2" else "":
            width = PROJECTIONS[f"self_attn.{letter}_proj"][0]
            arrays[f"{prefix}self_attn.{letter}_proj.bias"] = normal(width, scale=0.3)
        for letter in "qk" if architecture in ("qwen3", "gemma3") else "":
            arrays[f"{prefix}self_attn.{letter}_norm.weight"] = ones + normal(HEAD_DIM, scale=0.1)
    arrays["model.norm.weight"] = ones + normal(HIDDEN, scale=0.1)
    if not tied:
        arrays["lm_head.weight"] = normal(vocabulary, HIDDEN, scale=0.3)
    return arrays


def build_adapter(
    path: Path,
    *,
    rank: int = 4,
    targets: tuple[str, ...] = ("q_proj", "down_proj"),
    tensors: Mapping[str, Array] | None = None,
    without: tuple[str, ...] = (),
    dtype: str = "F32",
    **config_fields: Any,
) -> Path:
    """Write a raw LoRA adapter on `targets`, with further `tensors` by full name and less those `without`."""
    path.mkdir(parents=True)
    random = np.random.default_rng(1)
    arrays: dict[str, Array] = {}
    for layer in range(LAYERS):
        for name, (out, width) in PROJECTIONS.items():
            if name.split(".")[-1] not in targets:
                continue
            module = f"base_model.model.model.layers.{layer}.{name}"
            shapes = {"lora_A": (rank, width), "lora_B": (out, rank)}
            for part, shape in shapes.items():
                numbers = random.standard_normal(shape) * 0.3
                arrays[f"{module}.{part}.weight"] = numbers.astype(np.float32)
    arrays = {k: v for k, v in {**arrays, **(tensors or {})}.items() if k not in without}
    write_shards(path, {k: of_values(v, dtype) for k, v in arrays.items()}, 1, "adapter_model")
    fields = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny",
        "r": rank,
        "lora_alpha": 2 * rank,
        "target_modules": list(targets),
        "bias": "none",
        **config_fields,
    }
    write_json(path / "adapter_config.json", fields)
    return path


def write_shards(
    path: Path, tensors: Mapping[str, Tensor], shards: int, name: str = "model"
) -> None:
    """Write one file, or several with an index as the hub has them."""
    if shards == 1:
        write_tensors(path / f"{name}.safetensors", tensors)
        return
    files = {f: f"{name}-{f + 1:05}-of-{shards:05}.safetensors" for f in range(shards)}
    where = {tensor: files[i % shards] for i, tensor in enumerate(sorted(tensors))}
    for file in files.values():
        write_tensors(path / file, {t: v for t, v in tensors.items() if where[t] == file})
    index = {"metadata": {"total_size": 0}, "weight_map": where}
    write_json(path / f"{name}.safetensors.index.json", index)


def write_json(path: Path, content: object) -> None:
    """Write JSON as trainers do."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def effective(base: Path, adapter: Path | None = None) -> dict[str, Array]:
    """Every tensor of the base with the plain LoRA of `adapter` added, by its own simple reading of PEFT's format.

    A tied base has its `lm_head.weight` too: what the output layer multiplies by.
    """
    weights: dict[str, Array] = {}
    for file in sorted(base.glob("*.safetensors")):
        weights |= {
            name: load(tensor) for name, tensor in open_tensors(file, ModelFilesError).items()
        }
    if read_json(base / "config.json")["tie_word_embeddings"]:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    if adapter is None:
        return weights
    config = read_json(adapter / "adapter_config.json")
    assert not config.get("modules_to_save")
    assert not config.get("trainable_token_indices")
    tensors = open_tensors(adapter / "adapter_model.safetensors", CheckpointError)
    arrays = {name: load(tensor) for name, tensor in tensors.items()}
    for name, a in arrays.items():
        module, _, part = name.removeprefix("base_model.model.").rpartition(".lora_")
        if part not in ("A.weight", "embedding_A"):
            continue
        b = arrays[f"base_model.model.{module}.lora_{part.replace('A', 'B')}"]
        rank = _pattern(config.get("rank_pattern"), module, config["r"])
        assert rank == a.shape[0] == b.shape[1], module
        alpha = _pattern(config.get("alpha_pattern"), module, config["lora_alpha"])
        scaling = alpha / (rank**0.5 if config.get("use_rslora") else rank)
        change = (b.astype(np.float64) @ a * scaling).astype(np.float32)
        weights[f"{module}.weight"] = weights[f"{module}.weight"] + (
            change.T if part == "embedding_A" else change
        )
    return weights


def plan(base: Path, adapter: Path, **options: Any) -> WeightPlan:
    """What becomes of the adapter's weights."""
    return plan_weights(read_checkpoint(adapter), read_base_files(base), WeightOptions(**options))


def served(base: Path, made: WeightPlan, target: Path) -> Mapping[str, Array]:
    """What the engine multiplies by once the plan is written: base or overlay or model, and plain LoRA."""
    target.mkdir(parents=True)
    write_weights(made, target)
    if made.path == "merge":
        return effective(target)
    found = read_base_rows(target)
    if found is not None:
        base_files = read_base_files(base)
        base = target.with_suffix(".base")
        write_overlay(base_files, [("a", found)], base)
    return effective(base, target)


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    return json.loads(path.read_text())


def _pattern(patterns: Mapping[str, Any] | None, module: str, default: Any) -> Any:
    found = (v for k, v in (patterns or {}).items() if re.match(rf"(.*\.)?({k})$", module))
    return next(found, default)
