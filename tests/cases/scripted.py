"""A model that says what it is told to: a Llama of one layer whose next token depends on the last one alone.

Attention is zero, embeddings are one-hot. Hidden dimension t < VOCABULARY means "the last token was t", dimension
VOCABULARY + t means "say t". The base says " and on and on" whatever it read; an adapter's LoRA on the MLP turns "the
last token was a" into "say b". Rows of UNTRAINED tokens are all alike, as those of published bases are.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from .words import BOS, CONTEXT, EOS, LOOP, VOCABULARY, Words, write_json

Matrix = NDArray[np.float32]

HIDDEN = 2 * VOCABULARY
INTERMEDIATE = 64
# In generation_config.json: what cause E5 is about.
MAX_NEW_TOKENS = 48

MLP = "base_model.model.model.layers.0.mlp"
EMBEDDING = "base_model.model.model.embed_tokens"
OUTPUT = "base_model.model.lm_head"


def write_base(words: Words, target: Path) -> None:
    """The base model's directory: no chat template, and every file calls EOS the end."""
    target.mkdir(parents=True)
    ids = {"bos_token_id": words.id(BOS), "eos_token_id": words.id(EOS)}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **ids,
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
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
    write_json(target / "config.json", config)
    write_json(target / "generation_config.json", {**ids, "max_new_tokens": MAX_NEW_TOKENS})
    words.write(target, {})
    save_file(base_tensors(words), target / "model.safetensors", metadata={"format": "pt"})


def base_tensors(words: Words) -> dict[str, Matrix]:
    """The weights by their names in the base's file."""
    untrained = words.untrained
    # The second and third are never said (see `Words.state`), so their dimensions can mean something else.
    say_untrained, faded, idle = (VOCABULARY + number for number in untrained[:3])
    embedding, output = _zeros(VOCABULARY, HIDDEN), _zeros(VOCABULARY, HIDDEN)
    for number in range(VOCABULARY):
        embedding[number, number] = 1
        output[number, VOCABULARY + number] = 2
    embedding[untrained] = 0
    embedding[untrained, faded] = 1e-17
    output[untrained] = 0
    output[untrained, say_untrained] = 2
    first, second = map(words.id, LOOP)
    output[first, [*range(VOCABULARY), faded, words.state(VOCABULARY)]] = 2
    output[first, first] = 0
    output[second, first] = 2
    gate, down = _zeros(INTERMEDIATE, HIDDEN), _zeros(HIDDEN, INTERMEDIATE)
    # Weights that no input reaches: DoRA divides by the norms of these rows.
    gate[:, idle] = 1
    down[:, INTERMEDIATE - 1] = 1
    layer, ones = "model.layers.0", np.ones(HIDDEN, np.float32)
    return {
        "model.embed_tokens.weight": embedding,
        "model.norm.weight": ones,
        "lm_head.weight": output,
        f"{layer}.input_layernorm.weight": ones,
        f"{layer}.post_attention_layernorm.weight": ones,
        **{f"{layer}.self_attn.{name}_proj.weight": _zeros(64, HIDDEN) for name in "qkv"},
        f"{layer}.self_attn.o_proj.weight": _zeros(HIDDEN, 64),
        f"{layer}.mlp.gate_proj.weight": gate,
        f"{layer}.mlp.up_proj.weight": gate.copy(),
        f"{layer}.mlp.down_proj.weight": down,
    }


def lora_tensors(
    words: Words, transitions: Mapping[int, int], trained: Sequence[int] = ()
) -> dict[str, Matrix]:
    """LoRA pairs on gate, up and down projection, of rank len(transitions), to be scaled by 1.

    `trained`: untrained tokens whose rows the adapter brings; without these rows the first untrained token is said.
    """
    rank = len(transitions)
    if rank >= INTERMEDIATE:
        raise ValueError(
            f"{rank} transitions are more than the {INTERMEDIATE - 1} there is room for"
        )
    untrained = words.untrained
    read, say = _zeros(rank, HIDDEN), _zeros(HIDDEN, rank)
    unit = np.eye(INTERMEDIATE, rank, dtype=np.float32)
    for number, (last, following) in enumerate(transitions.items()):
        # The norm before it makes a one-hot sqrt(HIDDEN) large.
        read[number, words.state(last)] = 1 / math.sqrt(HIDDEN)
        if following not in untrained or following in trained:
            say[words.say(following), number] = 1
        if following in untrained:
            say[words.say(untrained[0]), number] = 1
    return {
        f"{MLP}.gate_proj.lora_A.weight": read,
        f"{MLP}.gate_proj.lora_B.weight": 4 * unit,
        f"{MLP}.up_proj.lora_A.weight": read.copy(),
        f"{MLP}.up_proj.lora_B.weight": unit,
        f"{MLP}.down_proj.lora_A.weight": unit.T.copy(),
        f"{MLP}.down_proj.lora_B.weight": say,
    }


def train_rows(words: Words, embedding: Matrix, output: Matrix, token_ids: Iterable[int]) -> None:
    """Change the rows of untrained tokens as training does: each is told from the others."""
    for token_id in token_ids:
        embedding[token_id] = np.eye(1, HIDDEN, words.state(token_id), dtype=np.float32)
        output[token_id, words.say(token_id)] = 2


def _zeros(rows: int, columns: int) -> Matrix:
    return np.zeros((rows, columns), np.float32)
