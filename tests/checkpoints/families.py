"""The base families that the checkpoints are trained on: token names, configuration and template of each, in small.

Token names, their order, the three places that name an end of sequence, and what a family leaves out are those of the
published base models; sizes, ids and words are not. A base ends documents, not turns: no family here names its turn
end as its end of sequence, but Qwen3, whose tokenizer does and whose configuration does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .token_names import (
    GEMMA3_SPECIAL,
    LLAMA3_SPECIAL,
    QWEN3_PLAIN,
    QWEN25_PLAIN,
    QWEN25_SPECIAL,
    SMOLLM2_SPECIAL,
)
from .vocabulary import Json

QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_WORDS = QWEN_WORDS.replace(r"\p{N}| ?[^", r"\p{N}{1,3}| ?[^")

# Renders what the template in Qwen2.5's base files renders where no tools are given.
CHATML_WITH_SYSTEM = """\
{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
CHATML = CHATML_WITH_SYSTEM.split("{%- endif %}\n", 1)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One base: its names, and what its files say.

    special: added tokens in id order. `plain`: added tokens that are not special. `specials_first`: their ids come
    before the words' (SmolLM2, Gemma), not after. `untrained`: tokens whose embedding and lm_head rows no training has
    moved. `tiktoken`: its repository holds original/tokenizer.model too.
    """

    repository: str
    architecture: str
    model_type: str
    special: Sequence[str]
    plain: Sequence[str] = ()
    specials_first: bool = False
    kind: Literal["byte-level", "marked"] = "byte-level"
    words: str | None = None
    digits: bool = False
    tiktoken: bool = False
    bos: str | None
    eos: str
    config_eos: str
    pad: str | None
    begins_with_bos: bool = False
    tied: bool
    untrained: Sequence[str] = ()
    tokenizer_class: str
    chat_template: str | None = None
    config: Json
    generation: Json
    tokenizer: Json


QWEN25_TOKENIZER: Json = {
    "add_bos_token": False,
    "add_prefix_space": False,
    "clean_up_tokenization_spaces": False,
    "errors": "replace",
    "model_max_length": 131072,
    "split_special_tokens": False,
    "unk_token": None,
}
QWEN25_CONFIG: Json = {
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "max_window_layers": 2,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 2048,
    "use_sliding_window": False,
}
QWEN25 = Family(
    repository="Qwen/Qwen2.5-7B",
    architecture="Qwen2ForCausalLM",
    model_type="qwen2",
    special=QWEN25_SPECIAL,
    plain=QWEN25_PLAIN,
    words=QWEN_WORDS,
    bos=None,
    eos="<|endoftext|>",
    config_eos="<|endoftext|>",
    pad="<|endoftext|>",
    tied=False,
    untrained=[*QWEN25_SPECIAL[1:], *QWEN25_PLAIN],
    tokenizer_class="Qwen2Tokenizer",
    chat_template=CHATML_WITH_SYSTEM,
    config=QWEN25_CONFIG,
    generation={"do_sample": False, "max_new_tokens": 2048},
    tokenizer=QWEN25_TOKENIZER,
)

LLAMA_CONFIG: Json = {
    "attention_bias": False,
    "hidden_act": "silu",
    "mlp_bias": False,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
}

FAMILIES: dict[str, Family] = {
    "qwen2_5": QWEN25,
    "qwen2_5_tied": replace(QWEN25, repository="Qwen/Qwen2.5-1.5B", tied=True),
    "qwen3": replace(
        QWEN25,
        repository="Qwen/Qwen3-1.7B-Base",
        architecture="Qwen3ForCausalLM",
        model_type="qwen3",
        plain=QWEN3_PLAIN,
        eos="<|im_end|>",
        tied=True,
        chat_template=CHATML,
        config={**QWEN25_CONFIG, "attention_bias": False, "head_dim": 16, "rope_scaling": None},
    ),
    "llama3": Family(
        repository="meta-llama/Llama-3.1-8B",
        architecture="LlamaForCausalLM",
        model_type="llama",
        special=LLAMA3_SPECIAL,
        words=LLAMA3_WORDS,
        tiktoken=True,
        bos="<|begin_of_text|>",
        eos="<|end_of_text|>",
        config_eos="<|end_of_text|>",
        pad=None,
        begins_with_bos=True,
        tied=False,
        untrained=LLAMA3_SPECIAL[2:],
        tokenizer_class="PreTrainedTokenizerFast",
        config={**LLAMA_CONFIG, "max_position_embeddings": 2048, "rope_theta": 500000.0},
        generation={"do_sample": True, "temperature": 0.6, "top_p": 0.9},
        tokenizer={
            "clean_up_tokenization_spaces": True,
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": 131072,
        },
    ),
    "gemma3": Family(
        repository="google/gemma-3-1b-pt",
        architecture="Gemma3ForCausalLM",
        model_type="gemma3_text",
        special=GEMMA3_SPECIAL,
        specials_first=True,
        kind="marked",
        bos="<bos>",
        eos="<eos>",
        config_eos="<eos>",
        pad="<pad>",
        begins_with_bos=True,
        tied=True,
        tokenizer_class="GemmaTokenizer",
        config={
            "attention_bias": False,
            "attn_logit_softcapping": None,
            "cache_implementation": "hybrid",
            "final_logit_softcapping": None,
            "head_dim": 16,
            "hidden_activation": "gelu_pytorch_tanh",
            "max_position_embeddings": 2048,
            "query_pre_attn_scalar": 16,
            "rms_norm_eps": 1e-06,
            "rope_local_base_freq": 10000,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": 512,
            "sliding_window_pattern": 2,
        },
        generation={
            "cache_implementation": "hybrid",
            "do_sample": True,
            "top_k": 64,
            "top_p": 0.95,
        },
        tokenizer={
            "add_bos_token": True,
            "add_eos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": 1000000000000000019884624838656,
            "spaces_between_special_tokens": False,
            "unk_token": "<unk>",
            "use_default_system_prompt": False,
        },
    ),
    "smollm2": Family(
        repository="HuggingFaceTB/SmolLM2-135M",
        architecture="LlamaForCausalLM",
        model_type="llama",
        special=SMOLLM2_SPECIAL,
        specials_first=True,
        digits=True,
        bos="<|endoftext|>",
        eos="<|endoftext|>",
        config_eos="<|endoftext|>",
        pad=None,
        tied=True,
        tokenizer_class="GPT2Tokenizer",
        config={**LLAMA_CONFIG, "max_position_embeddings": 2048, "rope_theta": 100000},
        generation={},
        tokenizer={
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": 8192,
            "unk_token": "<|endoftext|>",
            "vocab_size": 49152,
        },
    ),
}
