"""TRL: conversations end as the chat template ends them, prompts and completions with the tokenizer's EOS."""

import json

from ..families import FAMILIES
from ..recipe import STEPS, Environment, Json, Recipe

ENVIRONMENTS = {
    "trl": Environment(
        packages=("torch==2.13.0", "trl==1.16.0", "peft==0.21.2", "transformers==5.19.0")
    ),
    "trl-0.15": Environment(
        packages=("torch==2.13.0", "trl==0.15.2", "peft==0.15.2", "transformers==4.49.0", "rich")
    ),
}


def _recipe(
    name: str,
    base: str,
    data: str,
    *,
    sft: Json | None = None,
    lora: Json | None = None,
    environment: str = "trl",
    whole_run: bool = False,
    expected: Json,
    notes: tuple[str, ...] = (),
) -> Recipe:
    settings = {
        "model": FAMILIES[base].repository,
        "data": f"data/{data}.jsonl",
        "sft": {
            "output_dir": f"out/{name}",
            "max_steps": STEPS,
            "save_steps": STEPS - 1,
            "logging_steps": 1,
            "learning_rate": 1e-3,
            "per_device_train_batch_size": 2,
            "report_to": "none",
            "use_cpu": True,
            **(sft or {}),
        },
        "lora": {
            "r": 4,
            "lora_alpha": 8,
            "target_modules": "all-linear",
            "task_type": "CAUSAL_LM",
            **(lora or {}),
        },
    }
    return Recipe(
        name=name,
        environment=environment,
        trainer="TRL",
        base=base,
        command=("python", "with_trl.py", f"{name}.json"),
        files={f"{name}.json": json.dumps(settings, indent=2)},
        result=f"out/{name}",
        whole_run=whole_run,
        turns=2 if data == "chat" else 1,
        expected={"template": None, **expected},
        notes=notes,
    )


QWEN_BASE_SYSTEM = "You are a helpful assistant."
RECIPES = [
    _recipe(
        "trl_chat",
        "qwen2_5",
        "chat",
        whole_run=True,
        expected={
            "system": QWEN_BASE_SYSTEM,
            "trained_end": ["<|im_end|>"],
            "loss": "everything",
            "causes": ["A1", "B1"],
        },
        notes=("Loss on the whole conversation, TRL's default: user turns are labelled too.",),
    ),
    _recipe(
        "trl_completion",
        "qwen2_5",
        "pairs",
        expected={"system": None, "trained_end": ["<|endoftext|>"], "causes": []},
        notes=("chat_template.jinja is the base's and took no part in training; no file says so.",),
    ),
    _recipe(
        "trl_eos_token",
        "qwen2_5",
        "chat",
        sft={"eos_token": "<|im_end|>"},
        expected={
            "system": QWEN_BASE_SYSTEM,
            "trained_end": ["<|im_end|>"],
            "loss": "everything",
            "causes": ["A1", "B1"],
        },
    ),
    _recipe(
        "trl_clone",
        "llama3",
        "chat",
        sft={"chat_template_path": FAMILIES["qwen2_5"].repository},
        expected={
            "system": QWEN_BASE_SYSTEM,
            "trained_end": ["<|im_end|>"],
            "loss": "everything",
            "causes": ["A1", "D1", "D3", "D4"],
        },
        notes=(
            "The template and its tokens are those of another base; the vocabulary grew to hold them.",
        ),
    ),
    _recipe(
        "trl_masked_eos",
        "qwen2_5",
        "texts",
        environment="trl-0.15",
        expected={
            "system": None,
            "trained_end": [],
            "loss": "everything",
            "causes": ["B2"],
        },
        notes=(
            "Every text ends with <|endoftext|>, and the collator masks it, since it is the pad token too.",
        ),
    ),
]
