"""Weights of the tiny bases: bfloat16 numbers that are the same on every machine, in a safetensors file.

Knows the tensor names of the Llama, Qwen2, Qwen3 and Gemma 3 architectures; nothing of tokens but which rows of the
vocabulary no training has moved.
"""

import json

import numpy as np

from .families import Family

HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS, HEAD_DIM = 64, 128, 2, 4, 2, 16


def weights_file(family: Family, rows: int, untrained: list[int]) -> bytes:
    """A safetensors file for a vocabulary of `rows`.

    Rows of `untrained` are near zero in the embedding and all alike in lm_head, as those of published bases are.
    """
    numbers = np.random.RandomState(sum(family.repository.encode()))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    parts: list[bytes] = []
    end = 0
    for name, shape in sorted(_shapes(family, rows).items()):
        # Uniform numbers need no transcendental function, so no machine rounds them otherwise.
        values = (numbers.random_sample(shape) - 0.5).astype(np.float32) * np.float32(0.25)
        if name.endswith("norm.weight"):
            values = np.full(shape, 0.0 if family.model_type == "gemma3_text" else 1.0, np.float32)
        elif name == "lm_head.weight":
            values[untrained] = values[untrained[0]]
        elif name == "model.embed_tokens.weight":
            values[untrained] *= np.float32(2.0**-100)
        parts.append((values.view(np.uint32) >> 16).astype("<u2").tobytes())
        start, end = end, end + len(parts[-1])
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _shapes(family: Family, rows: int) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor, by the name the architecture's published checkpoints give it."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (rows, HIDDEN)}
    projections = {
        "self_attn.q_proj": (HEADS * HEAD_DIM, HIDDEN),
        "self_attn.k_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
        "self_attn.v_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HEADS * HEAD_DIM),
        "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
        "mlp.up_proj": (INTERMEDIATE, HIDDEN),
        "mlp.down_proj": (HIDDEN, INTERMEDIATE),
    }
    norms = ["input_layernorm", "post_attention_layernorm"]
    if family.model_type == "gemma3_text":
        norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        shapes |= {f"{prefix}{name}.weight": shape for name, shape in projections.items()}
        shapes |= {f"{prefix}{name}.weight": (HIDDEN,) for name in norms}
        if family.model_type == "qwen2":
            shapes |= {
                f"{prefix}self_attn.{letter}_proj.bias": (
                    projections[f"self_attn.{letter}_proj"][0],
                )
                for letter in "qkv"
            }
        if family.model_type in ("qwen3", "gemma3_text"):
            shapes |= {f"{prefix}self_attn.{letter}_norm.weight": (HEAD_DIM,) for letter in "qk"}
    shapes["model.norm.weight"] = (HIDDEN,)
    if not family.tied:
        shapes["lm_head.weight"] = (rows, HIDDEN)
    return shapes
