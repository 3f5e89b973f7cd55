"""torchtune: a bare adapter_config.json and copies of the base's files, which say nothing of the training."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from ..bases import special_ids
from ..families import FAMILIES
from ..recipe import STEPS, Environment, Json, Recipe
from ..weights import HEADS, HIDDEN, INTERMEDIATE, KV_HEADS, LAYERS

VOCABULARY = 448
NO_FILES: Mapping[str, str] = MappingProxyType({})
ENVIRONMENTS = {
    "torchtune": Environment(packages=("torch==2.13.0", "torchtune==0.6.1", "torchao==0.9.0")),
}


def _recipe(
    name: str,
    base: str,
    model: str,
    tokenizer: str,
    model_type: str,
    *,
    files: Mapping[str, str] = NO_FILES,
    notes: tuple[str, ...] = (),
    expected: Json,
) -> Recipe:
    repository = FAMILIES[base].repository
    config = f"""\
output_dir: out/{name}
model:
  _component_: {model}
  lora_attn_modules: [q_proj, v_proj, output_proj]
  apply_lora_to_mlp: true
  apply_lora_to_output: false
  lora_rank: 4
  lora_alpha: 8
  lora_dropout: 0.0
  # The sizes of the tiny base, where a published model's builder would know its own.
  vocab_size: {VOCABULARY}
  num_layers: {LAYERS}
  num_heads: {HEADS}
  num_kv_heads: {KV_HEADS}
  embed_dim: {HIDDEN}
  intermediate_dim: {INTERMEDIATE}
  max_seq_len: 2048
tokenizer:
{tokenizer}
checkpointer:
  _component_: torchtune.training.FullModelHFCheckpointer
  checkpoint_dir: {repository}
  checkpoint_files: [model.safetensors]
  recipe_checkpoint: null
  output_dir: out/{name}
  model_type: {model_type}
resume_from_checkpoint: false
save_adapter_weights_only: true
dataset:
  _component_: torchtune.datasets.chat_dataset
  source: json
  data_files: data/chat.jsonl
  split: train
  conversation_column: messages
  conversation_style: openai
  packed: false
seed: 0
shuffle: false
batch_size: 2
optimizer:
  _component_: torch.optim.AdamW
  lr: 1e-3
lr_scheduler:
  _component_: torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup
  num_warmup_steps: 1
loss:
  _component_: torchtune.modules.loss.CEWithChunkedOutputLoss
epochs: 1
max_steps_per_epoch: {STEPS}
gradient_accumulation_steps: 1
clip_grad_norm: null
compile: false
metric_logger:
  _component_: torchtune.training.metric_logging.DiskLogger
  log_dir: out/{name}/logs
log_every_n_steps: 1
log_peak_memory_stats: false
device: cpu
dtype: fp32
enable_activation_checkpointing: false
enable_activation_offloading: false
profiler:
  _component_: torchtune.training.setup_torch_profiler
  enabled: false
"""
    # `tune download` leaves this file, and adapter_config.json names the base by it.
    origin = json.dumps({"repo_id": repository})
    return Recipe(
        name=name,
        environment="torchtune",
        trainer="torchtune",
        base=base,
        command=("python", "with_torchtune.py", f"{name}.yaml"),
        files={f"{name}.yaml": config, f"{repository}/original_repo_id.json": origin, **files},
        result=f"out/{name}",
        whole_run=True,
        expected={"system": None, "loss": "turns", **expected},
        notes=notes,
    )


def _tokenizer(component: str, **arguments: str) -> str:
    lines = [f"_component_: {component}", *(f"{key}: {value}" for key, value in arguments.items())]
    return "\n".join(f"  {line}" for line in lines)


def _llama3_special_tokens() -> str:
    """The base's special tokens under the names torchtune knows them by."""
    names = {
        "<|reserved_special_token_2|>": "<|step_id|>",
        "<|reserved_special_token_3|>": "<|image|>",
    }
    added = [
        {"id": token_id, "content": names.get(token, token)}
        for token, token_id in special_ids("llama3").items()
    ]
    return json.dumps({"added_tokens": added})


LLAMA3, QWEN25 = FAMILIES["llama3"].repository, FAMILIES["qwen2_5"].repository
RECIPES = [
    _recipe(
        "torchtune_llama3",
        "llama3",
        "torchtune.models.llama3_1.lora_llama3_1",
        _tokenizer(
            "torchtune.models.llama3.llama3_tokenizer",
            path=f"{LLAMA3}/original/tokenizer.model",
            special_tokens_path="llama3_special_tokens.json",
            max_seq_len="512",
        ),
        "LLAMA3",
        files={"llama3_special_tokens.json": _llama3_special_tokens()},
        expected={
            "template": "llama3",
            "trained_end": ["<|eot_id|>"],
            "causes": ["A1", "B1", "C4"],
        },
        notes=("<|end_of_text|> follows the last <|eot_id|> in the input, and is masked.",),
    ),
    *(
        _recipe(
            name,
            "qwen2_5",
            "torchtune.models.qwen2.lora_qwen2",
            _tokenizer(
                "torchtune.models.qwen2_5.qwen2_5_tokenizer",
                path=f"{QWEN25}/vocab.json",
                merges_file=f"{QWEN25}/merges.txt",
                special_tokens_path=f"{QWEN25}/tokenizer.json",
                max_seq_len=limit,
            ),
            "QWEN2",
            expected={"template": "qwen2_5", "trained_end": ["<|im_end|>"], **expected},
            notes=notes,
        )
        for name, limit, expected, notes in (
            ("torchtune_qwen2_5", "null", {"causes": ["A1", "B1"]}, ()),
            (
                "torchtune_qwen2_5_masked",
                "512",
                {"ends_every_turn": False, "causes": ["A1", "B1", "B5"]},
                (
                    "With max_seq_len set, this release masks the last token of every row: the last turn's <|im_end|>. "
                    "Rows of one turn never train it.",
                ),
            ),
        )
    ),
]
