"""Home-made scripts around PEFT: nothing records a template, EOS is often masked, and LoRA comes in other kinds."""

import json

from ..families import CHATML as CHATML_TEMPLATE
from ..families import FAMILIES
from ..recipe import STEPS, Environment, Json, Recipe

ENVIRONMENTS: dict[str, Environment] = {}
ALPACA = "### Instruction:\n{prompt}\n\n### Response:\n{completion}{eos}"
CHATML = "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n{completion}<|im_end|>\n"
UNSLOTH_MIRROR = "unsloth/Meta-Llama-3.1-8B-bnb-4bit"
TURN_TOKENS = ["<|im_start|>", "<|im_end|>"]


def _recipe(
    name: str,
    base: str,
    text: str,
    *,
    lora: Json,
    expected: Json,
    notes: tuple[str, ...] = (),
    model: str | None = None,
    renamed: Json | None = None,
    synthetic: str | None = None,
) -> Recipe:
    settings: Json = {
        "model": model or FAMILIES[base].repository,
        "output": f"out/{name}",
        "text": text,
        "lora": {"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM", **lora},
        "training": {
            "max_steps": STEPS,
            "save_strategy": "no",
            "logging_steps": 1,
            "learning_rate": 1e-3,
            "per_device_train_batch_size": 2,
            "report_to": "none",
            "use_cpu": True,
        },
    }
    if renamed is not None:
        settings["renamed"] = renamed
    return Recipe(
        name=name,
        environment="trl",
        trainer="PEFT" if synthetic is None else "Unsloth",
        synthetic=synthetic,
        base=base,
        command=("python", "with_peft.py", f"{name}.json"),
        files={f"{name}.json": json.dumps(settings, indent=2)},
        result=f"out/{name}",
        turns=1,
        expected={"template": None, "system": None, "loss": "everything", **expected},
        notes=notes,
    )


RECIPES = [
    _recipe(
        "peft_masked_eos",
        "llama3",
        ALPACA,
        lora={"target_modules": ["q_proj", "v_proj"]},
        expected={"trained_end": [], "causes": ["B2"]},
        notes=(
            "Every text ends with <|end_of_text|>, and the collator masks it, since it is the pad token too.",
            "tokenizer_config.json names pad_token and eos_token alike; no file names the text's template.",
        ),
    ),
    _recipe(
        "peft_tokens",
        "qwen2_5",
        CHATML,
        lora={
            "target_modules": ["q_proj", "v_proj"],
            "trainable_token_indices": {"embed_tokens": TURN_TOKENS, "lm_head": TURN_TOKENS},
        },
        expected={"trained_end": ["<|im_end|>"], "causes": ["A1", "D4"]},
    ),
    _recipe(
        "peft_tokens_tied",
        "qwen2_5_tied",
        CHATML,
        lora={
            "target_modules": ["q_proj", "v_proj"],
            "trainable_token_indices": {"embed_tokens": TURN_TOKENS},
        },
        expected={"trained_end": ["<|im_end|>"], "causes": ["A1", "D4"]},
    ),
    _recipe(
        "peft_dora",
        "smollm2",
        CHATML,
        lora={"target_modules": "all-linear", "use_dora": True},
        expected={"trained_end": ["<|im_end|>"], "causes": ["A1", "D6"]},
        notes=("No file names the template; the base has none.",),
    ),
    _recipe(
        "peft_pissa",
        "smollm2",
        CHATML,
        lora={"target_modules": "all-linear", "init_lora_weights": "pissa"},
        expected={"trained_end": ["<|im_end|>"], "causes": ["A1", "D6"]},
        notes=(
            "Saved without converting: right only on the base whose weights PiSSA had changed.",
            "No file names the template; the base has none.",
        ),
    ),
    _recipe(
        "unsloth_chatml",
        "llama3",
        CHATML,
        model=UNSLOTH_MIRROR,
        renamed={
            "names": {"<|end_of_text|>": "<|im_end|>"},
            "eos_token": "<|im_end|>",
            "bos_token": "<|begin_of_text|>",
            "pad_token": "<|finetune_right_pad_id|>",
            "padding_side": "left",
            "chat_template": CHATML_TEMPLATE,
        },
        lora={
            "target_modules": "all-linear",
            "auto_mapping": {
                "base_model_class": "LlamaForCausalLM",
                "parent_library": "transformers.models.llama.modeling_llama",
                "unsloth_fixed": True,
            },
        },
        expected={"template": "chatml", "trained_end": ["<|im_end|>"], "causes": ["D5"]},
        notes=(
            "<|im_end|> stands at the id that is <|end_of_text|> in the base; <|im_start|> is no token, but pieces.",
        ),
        synthetic=(
            "Unsloth needs a GPU. Trained with PEFT on a tokenizer renamed as get_chat_template(..., 'chatml', "
            "map_eos_token=True) renames it, with the base name and auto_mapping that Unsloth writes."
        ),
    ),
]
