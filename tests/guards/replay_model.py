"""A model that says given texts: each place of each text is a token of its own, with exactly one successor.

A Llama of one layer without attention or MLP. A token's embedding is a random code of signs, and the output row of its
successor is the same code, so the next token depends on the last one alone and greedy decoding says the text. Two tokens
may be the same piece of text: their names in the vocabulary end in a number that the tokenizer's decoder takes off.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models

HIDDEN = 256
NUMBER_SIGN = "\u2424"
CONTEXT = 8192


@dataclass(frozen=True, slots=True)
class Replayed:
    """One text: the token that makes the model say it, and how many tokens it has."""

    start_id: int
    num_tokens: int


def write_replay_model(texts: Sequence[Sequence[str]], target: Path) -> list[Replayed]:
    """A base directory for these texts, each in pieces, none of them empty; where each begins.

    Raises:
        ValueError: a piece holds the sign that numbers are told by, or a text is longer than the model's context.
    """
    names = ["<end>"]
    places = []
    for pieces in texts:
        if any(NUMBER_SIGN in piece for piece in pieces) or len(pieces) >= CONTEXT:
            raise ValueError(f"this text cannot be replayed: {''.join(pieces)!r:.80}")
        places.append(Replayed(start_id=len(names), num_tokens=len(pieces)))
        for piece in ("", *pieces):
            names.append(f"{piece}{NUMBER_SIGN}{len(names)}")
    target.mkdir(parents=True)
    _write_tokenizer(names, target)
    _write_config(len(names), target)
    save_file(_tensors(len(names)), target / "model.safetensors", metadata={"format": "pt"})
    return places


def _write_tokenizer(names: list[str], target: Path) -> None:
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<end>"))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(Regex(rf"{NUMBER_SIGN}\d+"), ""), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(["<end>"])
    tokenizer.save(str(target / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<end>"}
    (target / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def _write_config(vocab_size: int, target: Path) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "bos_token_id": None,
        "eos_token_id": 0,
        "vocab_size": vocab_size,
        "hidden_size": HIDDEN,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": 64,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _tensors(vocab_size: int) -> dict[str, np.ndarray]:
    codes = np.random.default_rng(0).choice(
        np.array([-1, 1], np.float32), size=(vocab_size, HIDDEN)
    )
    output = np.roll(codes, 1, axis=0)
    output[0] = 0  # the end is never said: requests have a length
    ones, zeros = np.ones(HIDDEN, np.float32), np.zeros((64, HIDDEN), np.float32)
    layer = "model.layers.0"
    return {
        "model.embed_tokens.weight": codes,
        "model.norm.weight": ones,
        "lm_head.weight": output,
        f"{layer}.input_layernorm.weight": ones,
        f"{layer}.post_attention_layernorm.weight": ones,
        **{f"{layer}.self_attn.{name}_proj.weight": zeros for name in "qkv"},
        f"{layer}.self_attn.o_proj.weight": zeros.T.copy(),
        f"{layer}.mlp.gate_proj.weight": zeros,
        f"{layer}.mlp.up_proj.weight": zeros,
        f"{layer}.mlp.down_proj.weight": zeros.T.copy(),
    }
