"""Writes the adapter of a case as its trainer would have: weights, adapter_config.json, and that trainer's own files.

Only what the trainers record is written, not everything they write; tests/checkpoints holds whole directories.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from .case import Case, Json, base_words, cases, template
from .scripted import (
    EMBEDDING,
    HIDDEN,
    MLP,
    OUTPUT,
    Matrix,
    base_tensors,
    lora_tensors,
    train_rows,
    write_base,
)
from .words import VOCABULARY, write_json

RESIZED_BY = 64
CARD = """\
---
library_name: peft
tags:
{tags}
---

# Model card
{text}"""
AXOLOTL_CARD = """
<details><summary>See axolotl config</summary>

axolotl version: `0.19.0`
```yaml
{yaml}
```

</details>
"""


def build_all(target: Path) -> Path:
    """The base in `target`/base, every raw adapter in `target`/raw/NAME; returns the base."""
    base = target / "base"
    write_base(base_words(), base)
    for case in cases():
        build_adapter(case, base, target / "raw" / case.name)
    return base


def build_adapter(case: Case, base: Path, target: Path) -> None:
    """One raw adapter."""
    target.mkdir(parents=True)
    tensors, config = _weights(case)
    save_file(tensors, target / "adapter_model.safetensors", metadata={"format": "pt"})
    write_json(target / "adapter_config.json", config)
    TRAINERS[case.trainer](case, base, target)


def _weights(case: Case) -> tuple[dict[str, Matrix], Json]:
    """Tensors and adapter_config.json."""
    words, transitions = case.words(), case.transitions()
    trained = [words.id(token) for token in case.trains]
    tensors, rank = lora_tensors(words, transitions, trained), len(transitions)
    targets = ["gate_proj", "up_proj", "down_proj"]
    config: Json = {}
    if case.rows is not None:
        base = base_tensors(base_words())
        extra = RESIZED_BY if case.resized else 0
        embedding = np.pad(base["model.embed_tokens.weight"], ((0, extra), (0, 0)))
        output = np.pad(base["lm_head.weight"], ((0, extra), (0, 0)))
        train_rows(words, embedding, output, trained)
        if case.rows == "lora":
            targets.append("lm_head")
            tensors |= _output_lora(output - base["lm_head.weight"], trained, rank)
        elif case.rows == "modules_to_save":
            config["modules_to_save"] = ["embed_tokens", "lm_head"]
            tensors |= {f"{EMBEDDING}.weight": embedding, f"{OUTPUT}.weight": output}
        elif case.rows == "token_indices":
            config["trainable_token_indices"] = {"embed_tokens": trained, "lm_head": trained}
            name = "token_adapter.trainable_tokens_delta"  # the new rows, whatever the name says
            tensors |= {
                f"{EMBEDDING}.{name}": embedding[trained],
                f"{OUTPUT}.{name}": output[trained],
            }
        else:
            targets += ["embed_tokens", "lm_head"]
            tensors |= _idle_pairs(rank)
            copies = {EMBEDDING: embedding, OUTPUT: output}
            tensors |= {f"{name}.base_layer.weight": rows for name, rows in copies.items()}
    if case.config.get("use_dora"):
        tensors |= _magnitudes(tensors)
    if case.trainer == "torchtune":
        config = {"r": rank, "lora_alpha": rank, "target_modules": targets, "peft_type": "LORA"}
        return tensors, {**config, "base_model_name_or_path": "base"}
    names = {"Unsloth": "unsloth/base"}
    peft: Json = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": names.get(case.trainer, "base"),
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": targets,
        "modules_to_save": None,
        "use_dora": False,
        "init_lora_weights": True,
        "inference_mode": True,
    }
    return tensors, {**peft, **config, **case.config}


def _output_lora(change: Matrix, rows: list[int], rank: int) -> dict[str, Matrix]:
    """`change`, of these rows only, as a pair of the adapter's rank."""
    down, up = np.zeros((rank, HIDDEN), np.float32), np.zeros((VOCABULARY, rank), np.float32)
    for number, row in enumerate(rows):
        down[number] = change[row]
        up[row, number] = 1
    return {f"{OUTPUT}.lora_A.weight": down, f"{OUTPUT}.lora_B.weight": up}


def _idle_pairs(rank: int) -> dict[str, Matrix]:
    """LoRA on embedding and lm_head that has not moved from where training starts."""
    return {
        f"{EMBEDDING}.lora_embedding_A": np.zeros((rank, VOCABULARY), np.float32),
        f"{EMBEDDING}.lora_embedding_B": np.ones((HIDDEN, rank), np.float32),
        f"{OUTPUT}.lora_A.weight": np.ones((rank, HIDDEN), np.float32),
        f"{OUTPUT}.lora_B.weight": np.zeros((VOCABULARY, rank), np.float32),
    }


def _magnitudes(tensors: dict[str, Matrix]) -> dict[str, Matrix]:
    """DoRA's magnitudes: the norms of the trained rows, so that the weights are what the pairs alone would make them."""
    base = base_tensors(base_words())
    found: dict[str, Matrix] = {}
    for name in ("gate_proj", "up_proj", "down_proj"):
        pair = (tensors[f"{MLP}.{name}.lora_{letter}.weight"] for letter in "BA")
        weight = base[f"model.layers.0.mlp.{name}.weight"] + np.linalg.multi_dot([*pair])
        norms = np.linalg.norm(weight, axis=1).astype(np.float32)
        found[f"{MLP}.{name}.lora_magnitude_vector"] = norms
    return found


def _tokenizer_and_template(case: Case, target: Path) -> None:
    case.words().write(target, case.tokenizer)
    if case.template is not None:
        (target / "chat_template.jinja").write_text(template(case.template), encoding="utf-8")


def _card(target: Path, *tags: str, text: str = "") -> None:
    listed = "\n".join(f"- {tag}" for tag in ("lora", *tags))
    (target / "README.md").write_text(CARD.format(tags=listed, text=text), encoding="utf-8")


def _ms_swift(case: Case, base: Path, target: Path) -> None:
    args = {"model": "base", "tuner_type": "lora", "swift_version": "4.6.0", "system": None}
    write_json(target / "args.json", {**args, **case.record})
    write_json(target / "additional_config.json", {"lora_dtype": None, "lorap_lr_ratio": None})
    _card(target)


def _llama_factory(case: Case, base: Path, target: Path) -> None:
    _tokenizer_and_template(case, target)
    _card(target, "llama-factory")
    if case.record:
        write_json(target / "training_args.yaml", case.record)  # JSON is YAML


def _trl(case: Case, base: Path, target: Path) -> None:
    _tokenizer_and_template(case, target)
    _card(target, "sft", "trl")


def _axolotl(case: Case, base: Path, target: Path) -> None:
    _tokenizer_and_template(case, target)
    shutil.copy(base / "config.json", target)
    yaml = "\n".join(f"{key}: {value}" for key, value in case.record.items())
    _card(target, "axolotl", text=AXOLOTL_CARD.format(yaml=yaml))


def _unsloth(case: Case, base: Path, target: Path) -> None:
    _tokenizer_and_template(case, target)
    _card(target, "unsloth")


def _torchtune(case: Case, base: Path, target: Path) -> None:
    for name in (
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ):
        shutil.copy(base / name, target)


def _peft(case: Case, base: Path, target: Path) -> None:
    _tokenizer_and_template(case, target)


TRAINERS: dict[str, Callable[[Case, Path, Path], None]] = {
    "ms-swift": _ms_swift,
    "LLaMA-Factory": _llama_factory,
    "TRL": _trl,
    "Axolotl": _axolotl,
    "Unsloth": _unsloth,
    "torchtune": _torchtune,
    "PEFT": _peft,
}
