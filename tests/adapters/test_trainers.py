"""Who wrote a checkpoint and what they recorded, in every layout the trainers write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters.checkpoint import locate_checkpoint, read_checkpoint
from adapters.errors import CheckpointError
from adapters.trainers import TrainerRecord, recognise_trainer

from .raw_adapters import Content, raw, write, write_raw


def recognised(
    path: Path, files: Mapping[str, Content] | None = None, **config: Any
) -> TrainerRecord:
    return recognise_trainer(raw(path, files, **config))


def card(*tags: str, body: str = "") -> str:
    return "---\ntags:\n" + "".join(f"- {tag}\n" for tag in tags) + f"---\n\n# Model card\n{body}"


def axolotl_card(config: str) -> str:
    body = f"<details><summary>See axolotl config</summary>\n\naxolotl version: `0.19.0`\n```yaml\n{config}\n```\n"
    return card("axolotl", body=body)


@pytest.mark.parametrize(
    ("files", "config", "name", "evidence"),
    [
        ({"args.json": {"template": "qwen2_5"}}, {}, "ms-swift", "args.json: template = qwen2_5"),
        ({"sft_args.json": {"template_type": "qwen"}}, {}, "ms-swift", "sft_args.json: template"),
        ({"llamaboard_config.yaml": "top.template: qwen"}, {}, "LLaMA-Factory", "template = qwen"),
        ({"training_args.yaml": "template: llama3"}, {}, "LLaMA-Factory", "template = llama3"),
        ({"training_args.yaml": "stage: sft"}, {}, "LLaMA-Factory", "training_args.yaml is there"),
        ({"README.md": card("llama-factory", "lora")}, {}, "LLaMA-Factory", "tag llama-factory"),
        ({"trainer_log.jsonl": "{}"}, {}, "LLaMA-Factory", "trainer_log.jsonl"),
        ({"README.md": axolotl_card("chat_template: chatml")}, {}, "Axolotl", "axolotl config"),
        ({"README.md": card("axolotl")}, {}, "Axolotl", "tag axolotl"),
        ({"torchtune_config.yaml": "epochs: 1"}, {}, "torchtune", "torchtune_config.yaml"),
        ({}, {"bias": None, "task_type": None, "lora_dropout": None}, "torchtune", "only"),
        ({}, {"base_model_name_or_path": "unsloth/Qwen3-8B-bnb-4bit"}, "Unsloth", "unsloth/Qwen3"),
        ({"README.md": card("trl", "unsloth")}, {}, "Unsloth", "tag unsloth"),
        ({"README.md": card("sft", "trl")}, {}, "TRL", "tag trl"),
        ({"README.md": card("trl").replace("\n", "\r\n")}, {}, "TRL", "tag trl"),
        ({"README.md": "# no front matter"}, {}, "PEFT", "no trainer's own files"),
        ({"README.md": "---\n- a list\n---"}, {}, "PEFT", "no trainer's own files"),
        ({"args.json": {"lr": 1}}, {}, "PEFT", "no trainer's own files"),
        ({}, {}, "PEFT", "no trainer's own files"),
    ],
)
def test_a_trainer_is_known_by_the_files_it_writes(
    tmp_path: Path, files: dict[str, Content], config: dict[str, Any], name: str, evidence: str
) -> None:
    record = recognised(tmp_path, files, **config)
    assert record.name == name
    assert evidence in record.evidence[0]


def test_ms_swift_records_everything_about_the_conversation(tmp_path: Path) -> None:
    args = {
        "template": "qwen3",
        "swift_version": "4.6.0",
        "system": "Be brief.",
        "response_prefix": "<think>\n\n</think>\n\n",
        "enable_thinking": False,
        "use_chat_template": False,
        "stop_words": ["<|im_end|>", 7],
        "truncation_strategy": "right",
        "max_length": 256,
    }
    record = recognised(tmp_path, {"args.json": args, "trainer_state.json": {"global_step": 12}})
    assert (record.template, record.version, record.system) == ("qwen3", "4.6.0", "Be brief.")
    assert record.response_prefix == "<think>\n\n</think>\n\n"
    assert record.enable_thinking is False
    assert not record.uses_chat_template
    assert record.stop_words == ("<|im_end|>",)
    assert record.cuts_samples == "args.json: truncation_strategy = right, max_length = 256"
    assert record.num_steps == 12


def test_what_ms_swift_leaves_to_its_defaults_is_unknown(tmp_path: Path) -> None:
    args: dict[str, Any] = {
        "template": "default",
        "system": None,
        "truncation_strategy": "delete",
        "stop_words": [],
    }
    record = recognised(tmp_path, {"args.json": args})
    assert record.system is None
    assert record.enable_thinking is None
    assert record.uses_chat_template
    assert record.stop_words == ()
    assert record.cuts_samples is None
    assert record.num_steps is None


def test_an_empty_system_prompt_is_recorded_as_one(tmp_path: Path) -> None:
    assert recognised(tmp_path, {"args.json": {"template": "qwen", "system": ""}}).system == ""


def test_ms_swift_2_is_read_with_its_own_names(tmp_path: Path) -> None:
    args = {"template_type": "chatml", "model_type": "qwen-7b", "sft_type": "lora", "system": "S"}
    record = recognised(tmp_path, {"sft_args.json": args})
    assert (record.name, record.template, record.system) == ("ms-swift", "chatml", "S")


@pytest.mark.parametrize(
    ("version", "every"),
    [
        ("3.2.0", True),
        ("3.3.0.dev0", True),
        ("3.3.1", False),
        ("4.6.0", False),
        ("x", False),
        (None, False),
    ],
)
def test_early_ms_swift_3_trains_the_end_of_every_turn(
    tmp_path: Path, version: str | None, every: bool
) -> None:
    files: Mapping[str, Content] = {"args.json": {"template": "default", "swift_version": version}}
    assert recognised(tmp_path, files).trains_every_end is every


def test_llama_factorys_web_page_prefixes_its_fields(tmp_path: Path) -> None:
    board = "top.template: alpaca\ntrain.cutoff_len: 2048\ntrain.dataset:\n- a\n"
    record = recognised(tmp_path, {"llamaboard_config.yaml": board})
    assert record.template == "alpaca"
    assert record.cuts_samples == "llamaboard_config.yaml: cutoff_len = 2048"


def test_axolotl_is_read_from_its_model_card(tmp_path: Path) -> None:
    config = "chat_template: llama3\nsequence_len: 64\nexcess_length_strategy: truncate\neot_tokens:\n  - <|eot_id|>"
    record = recognised(tmp_path, {"README.md": axolotl_card(config)})
    assert (record.version, record.template) == ("0.19.0", "llama3")
    assert record.cuts_samples is not None
    assert "sequence_len = 64" in record.cuts_samples
    assert record.leaves_ends_out is None


@pytest.mark.parametrize(
    "config",
    [
        "train_on_eos: last",
        "train_on_eot: none",
        "datasets:\n  - path: a\n    train_on_eos: last",
        "datasets:\n  - train_on_eot: last\n    path: a",
    ],
)
def test_axolotl_may_train_the_end_on_the_last_turn_only(tmp_path: Path, config: str) -> None:
    left_out = recognised(tmp_path, {"README.md": axolotl_card(config)}).leaves_ends_out
    assert left_out is not None
    assert config.rpartition("train_on_")[2].partition("\n")[0].replace(":", " =") in left_out


@pytest.mark.parametrize("config", ["train_on_eos: turn", "train_on_eos: all", "x: last"])
def test_axolotls_other_settings_train_every_end(tmp_path: Path, config: str) -> None:
    record = recognised(tmp_path, {"README.md": axolotl_card(config)})
    assert record.leaves_ends_out is None


TORCHTUNE = """\
output_dir: out
tokenizer:
  _component_: torchtune.models.{family}.{family}_tokenizer
  path: vocab.json
  max_seq_len: {length}
model:
  max_seq_len: 2048
"""


@pytest.mark.parametrize(
    ("family", "length", "leaves_out"),
    [
        ("qwen2_5", "null", False),
        ("qwen2_5", "512", True),
        ("llama3", "512", False),  # <|end_of_text|> is the token that is masked
    ],
)
def test_torchtunes_tokenizer_names_the_template_and_may_mask_the_end(
    tmp_path: Path, family: str, length: str, leaves_out: bool
) -> None:
    config = TORCHTUNE.format(family=family, length=length)
    record = recognised(tmp_path, {"torchtune_config.yaml": config})
    assert record.template == family
    assert record.evidence[0].endswith(f"torchtune.models.{family}.{family}_tokenizer")
    assert (record.leaves_ends_out is not None) == leaves_out


LAYOUTS: Mapping[str, tuple[str, Mapping[str, Content], str]] = {
    "ms-swift's run directory": (
        "v0-20241124-080000/checkpoint-20",
        {"v0-20241124-080000/checkpoint-20/args.json": {"template": "default"}},
        "ms-swift",
    ),
    "args.json in the run directory": (
        "v0-20241124-080000/checkpoint-20",
        {"v0-20241124-080000/args.json": {"template": "default"}},
        "ms-swift",
    ),
    "ms-swift 2, adapter in default": (
        "checkpoint-20/default",
        {"checkpoint-20/sft_args.json": {"template_type": "default"}},
        "ms-swift",
    ),
    "ms-swift 2, whole run": (
        "v3-20240101-000000/checkpoint-20/default",
        {"v3-20240101-000000/checkpoint-20/sft_args.json": {"template_type": "default"}},
        "ms-swift",
    ),
    "LLaMA-Factory's checkpoint": (
        "checkpoint-20",
        {"training_args.yaml": "template: qwen"},
        "LLaMA-Factory",
    ),
    "TRL's checkpoint": ("checkpoint-20", {"checkpoint-20/README.md": card("trl")}, "TRL"),
    "torchtune's epoch": ("epoch_20", {"torchtune_config.yaml": "epochs: 1"}, "torchtune"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_adapter_is_found_in_a_training_run(tmp_path: Path, layout: str) -> None:
    where, files, trainer = LAYOUTS[layout]
    write_raw(tmp_path / where)
    write(tmp_path, files)
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint.path == tmp_path / where
    assert recognise_trainer(checkpoint).name == trainer
    assert recognise_trainer(read_checkpoint(tmp_path / where)).name == trainer


@pytest.mark.parametrize(
    ("names", "last"),
    [
        (["checkpoint-9", "checkpoint-10", "checkpoint-100"], "checkpoint-100"),
        (["epoch_0", "epoch_2", "epoch_10"], "epoch_10"),
        (
            ["v0-20241124-080000", "v10-20241124-090000", "v9-20241124-100000"],
            "v10-20241124-090000",
        ),
        (["default", "checkpoint-5"], "default"),
        (["checkpoint-5", "checkpoint-best", "runs", "logs"], "checkpoint-5"),
    ],
)
def test_the_last_of_several_checkpoints_is_taken(
    tmp_path: Path, names: list[str], last: str
) -> None:
    for name in names:
        write_raw(tmp_path / name)
    assert locate_checkpoint(tmp_path) == tmp_path / last


def test_a_directory_with_an_adapter_is_taken_before_its_checkpoints(tmp_path: Path) -> None:
    write_raw(tmp_path)
    write_raw(tmp_path / "checkpoint-7")
    assert locate_checkpoint(tmp_path) == tmp_path


@pytest.mark.parametrize(
    "inside", [[], ["checkpoint-5"], ["model"], ["v0-a/checkpoint-1/default/x"]]
)
def test_a_directory_without_an_adapter_is_refused(tmp_path: Path, inside: list[str]) -> None:
    for name in inside:
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"holds no adapter_config\.json"):
        locate_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"args.json": {"template": "q", "system": ["x"]}}, "system must be text, it is list"),
        ({"args.json": {"template": "q", "swift_version": 4}}, "swift_version must be text"),
        ({"args.json": "{"}, r"args\.json: is not valid JSON"),
        ({"args.json": "[]"}, "must hold a JSON object"),
        ({"llamaboard_config.yaml": "top.template: 7"}, "template must be text, it is int"),
        ({"llamaboard_config.yaml": "a: ["}, "YAML that cannot be read"),
        (
            {"README.md": axolotl_card("chat_template: [a]")},
            "chat_template must be text, it is list",
        ),
        ({"README.md": "---\ntags: {\n---"}, r"README\.md: holds YAML that cannot be read"),
    ],
)
def test_a_broken_trainers_file_is_named_with_its_field(
    tmp_path: Path, files: dict[str, Content], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        recognised(tmp_path, files)


def test_the_number_of_steps_is_found_before_a_log_with_nan(tmp_path: Path) -> None:
    state = '{"epoch": 1.0, "global_step" : 350, "log_history": [{"loss": NaN, "step": 350}]}'
    assert recognised(tmp_path, {"trainer_state.json": state}).num_steps == 350
