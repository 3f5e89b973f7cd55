"""LLaMA-Factory: the template's name is in no file, its end token sometimes in the tokenizer's configuration."""

import json

from ..families import FAMILIES
from ..recipe import STEPS, Environment, Json, Recipe

QWEN_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
ALPACA_SYSTEM = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
)

ENVIRONMENTS = {
    "llamafactory": Environment(
        packages=("torch==2.13.0", "llamafactory==0.9.5"),
        unlink=("torchvision/*", "torchaudio/lib/*.so"),
    ),
}


def _recipe(
    name: str,
    base: str,
    template: str,
    *,
    more: str = "",
    whole_run: bool = False,
    expected: Json,
    notes: tuple[str, ...] = (),
) -> Recipe:
    config = f"""\
model_name_or_path: {FAMILIES[base].repository}
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 4
lora_target: all
dataset_dir: data
dataset: chat
template: {template}
cutoff_len: 512
overwrite_cache: true
output_dir: out/{name}
logging_steps: 1
save_steps: {STEPS - 1}
plot_loss: false
overwrite_output_dir: true
per_device_train_batch_size: 2
gradient_accumulation_steps: 1
learning_rate: 1.0e-3
max_steps: {STEPS}
report_to: none
bf16: true
use_cpu: true
{more}"""
    return Recipe(
        name=name,
        environment="llamafactory",
        trainer="LLaMA-Factory",
        base=base,
        command=("llamafactory-cli", "train", f"{name}.yaml"),
        files={f"{name}.yaml": config},
        result=f"out/{name}",
        whole_run=whole_run,
        expected={"template": template, **expected},
        notes=notes,
    )


BOARD = {
    "top.lang": "en",
    "top.model_name": "Custom",
    "top.model_path": FAMILIES["qwen2_5"].repository,
    "top.template": "default",
    "train.dataset_dir": "data",
    "train.dataset": ["chat"],
    "train.output_dir": "llamafactory_board",
    "train.cutoff_len": 512,
    "train.num_train_epochs": "1.0",
    "train.learning_rate": "1e-3",
    "train.lora_rank": 4,
    "train.lora_alpha": 8,
    "train.compute_type": "bf16",
    "train.logging_steps": 1,
    "train.save_steps": STEPS - 1,
    "train.batch_size": 2,
    "train.gradient_accumulation_steps": 1,
    "train.extra_args": json.dumps({"use_cpu": True, "max_steps": STEPS}),
}

RECIPES = [
    _recipe(
        "llamafactory_qwen",
        "qwen2_5",
        "qwen",
        whole_run=True,
        expected={
            "system": QWEN_SYSTEM,
            "trained_end": ["<|im_end|>"],
            "causes": ["A1", "B1", "C3"],
        },
        notes=(
            "chat_template.jinja is the base's own: its system prompt is not the one trained with.",
        ),
    ),
    _recipe(
        "llamafactory_default",
        "qwen2_5",
        "default",
        expected={"system": None, "trained_end": ["<|endoftext|>"], "causes": ["C1"]},
    ),
    _recipe(
        "llamafactory_alpaca",
        "smollm2",
        "alpaca",
        expected={"system": ALPACA_SYSTEM, "trained_end": ["<|endoftext|>"], "causes": ["C1"]},
    ),
    _recipe(
        "llamafactory_llama3",
        "llama3",
        "llama3",
        expected={"system": None, "trained_end": ["<|eot_id|>"], "causes": ["A1", "B1"]},
    ),
    _recipe(
        "llamafactory_qwen_saved",
        "qwen2_5",
        "qwen",
        more="additional_target: embed_tokens,lm_head\n",
        expected={
            "system": QWEN_SYSTEM,
            "trained_end": ["<|im_end|>"],
            "causes": ["A1", "C3", "D1"],
        },
    ),
    _recipe(
        "llamafactory_smollm2",
        "smollm2",
        "smollm2",
        expected={
            "system": "You are a helpful AI assistant named SmolLM, trained by Hugging Face.",
            "trained_end": ["<|im_end|>"],
            "causes": ["A1"],
        },
        notes=(
            "tokenizer_config.json keeps the base's eos_token: the trained end is in the template alone.",
        ),
    ),
    _recipe(
        "llamafactory_gemma2",
        "gemma3",
        "gemma2",
        expected={
            "system": None,
            "trained_end": ["<end_of_turn>", "<eos>"],
            "causes": ["A1", "C4"],
        },
    ),
    _recipe(
        "llamafactory_empty",
        "llama3",
        "empty",
        expected={"system": None, "trained_end": [], "causes": ["B3"]},
    ),
    Recipe(
        name="llamafactory_board",
        environment="llamafactory",
        trainer="LLaMA-Factory",
        base="qwen2_5",
        command=("python", "with_llamaboard.py", "board.json"),
        files={"board.json": json.dumps(BOARD, indent=2)},
        result="saves/Custom/lora/llamafactory_board",
        expected={
            "template": "default",
            "system": None,
            "trained_end": ["<|endoftext|>"],
            "causes": ["C1"],
        },
        notes=(
            "Trained through the web UI, so training_args.yaml and llamaboard_config.yaml name the template.",
        ),
    ),
]
