"""Axolotl: the whole configuration is in the README.md of the run, and in none of its checkpoint directories."""

from ..families import FAMILIES
from ..recipe import STEPS, Environment, Json, Recipe

ENVIRONMENTS = {
    "axolotl": Environment(
        packages=(
            *("torch==2.13.0", "transformers==5.16.1", "peft==0.20.0", "trl==1.9.0"),
            *("datasets==4.8.4", "accelerate==1.13.0", "huggingface_hub==1.17.0"),
            *("tokenizers==0.23.1", "pydantic==2.12.5", "typer==0.25.1", "posthog==6.7.11"),
            *("mistral-common==1.11.5", "schedulefree==1.4.1", "evaluate==0.4.1"),
            *("kernels<0.17.0,>=0.16.0", "optimum==1.16.2", "fire", "addict", "colorama"),
            *("python-dotenv", "sentencepiece", "art", "fastcore", "einops", "scipy", "requests"),
            *("zstandard", "numba", "psutil", "nvidia-ml-py", "tensorboard", "wandb"),
        ),
        loose=(
            *("axolotl==0.19.0", "axolotl-contribs-lgpl==0.0.7", "axolotl-contribs-mit==0.0.6"),
            *("torchao==0.17.0", "bitsandbytes==0.50.2", "triton==3.9.0"),
        ),
        variables={"AXOLOTL_DO_NOT_TRACK": "1", "WANDB_MODE": "offline"},
    ),
}


def _recipe(
    name: str,
    base: str,
    more: str,
    *,
    dataset: str = "",
    expected: Json,
    whole_run: bool = False,
    notes: tuple[str, ...] = (),
) -> Recipe:
    config = f"""\
base_model: {FAMILIES[base].repository}

datasets:
  - path: data/chat.jsonl
    type: chat_template
{dataset}dataset_prepared_path: prepared/{name}
val_set_size: 0
output_dir: out/{name}

adapter: lora
lora_r: 4
lora_alpha: 8
lora_target_linear: true
{more}
sequence_len: 512
micro_batch_size: 2
gradient_accumulation_steps: 1
max_steps: {STEPS}
learning_rate: 0.001
optimizer: adamw_torch
lr_scheduler: constant
logging_steps: 1
save_steps: {STEPS}
bf16: false
fp16: false
tf32: false
flash_attention: false
# The fused kernels need a GPU.
lora_mlp_kernel: false
lora_qkv_kernel: false
lora_o_kernel: false
"""
    return Recipe(
        name=name,
        environment="axolotl",
        trainer="Axolotl",
        base=base,
        command=("python", "with_axolotl.py", f"{name}.yaml"),
        files={f"{name}.yaml": config},
        result=f"out/{name}",
        whole_run=whole_run,
        expected=expected,
        notes=notes,
    )


RECIPES = [
    _recipe(
        "axolotl_chatml",
        "qwen2_5",
        "chat_template: chatml\nspecial_tokens:\n  eos_token: <|im_end|>\n",
        whole_run=True,
        expected={
            "template": "chatml",
            "system": None,
            "trained_end": ["<|im_end|>"],
            "causes": ["A1", "B1"],
        },
    ),
    _recipe(
        "axolotl_no_eot",
        "smollm2",
        "chat_template: chatml\n",
        expected={
            "template": "chatml",
            "system": None,
            "trained_end": [],
            "causes": ["B3"],
        },
        notes=(
            "Neither eot_tokens nor eos_token names <|im_end|>, so no turn's end is in the loss.",
        ),
    ),
    _recipe(
        "axolotl_llama3_last",
        "llama3",
        "chat_template: llama3\neot_tokens: [<|eot_id|>]\n",
        dataset="    train_on_eos: last\n",
        expected={
            "template": "llama3",
            "system": None,
            "trained_end": ["<|eot_id|>"],
            "ends_every_turn": False,
            "causes": ["A1", "B1", "B5"],
        },
    ),
    _recipe(
        "axolotl_tokens",
        "llama3",
        "lora_modules_to_save: [embed_tokens, lm_head]\n"
        "chat_template: chatml\nspecial_tokens:\n  eos_token: <|im_end|>\ntokens: [<|im_start|>]\n",
        expected={
            "template": "chatml",
            "system": None,
            "trained_end": ["<|im_end|>"],
            "causes": ["A1", "D1", "D3"],
        },
        notes=(
            "The README of Axolotl for ChatML on a base without its tokens: they are added, the rows trained.",
        ),
    ),
]
