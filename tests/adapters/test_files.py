"""What is read from untrusted adapter and model directories, and how what is wrong is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.base_files import read_base_files
from adapters.chat_profile import ChatProfile, read_profile
from adapters.checkpoint import read_checkpoint
from adapters.end_of_turn import base_end_of_turn_ids
from adapters.errors import CheckpointError, ModelFilesError, ProfileError
from adapters.json_file import MAX_JSON_BYTES, read_json_object
from tests.fakes import EOS, profile


def edit(path: Path, **changes: Any) -> None:
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **changes}))


def test_reads_rank_and_tensor_names(adapter_dir: Path) -> None:
    checkpoint = read_checkpoint(adapter_dir)
    assert checkpoint.rank == 2
    assert any("lora_A" in name for name in checkpoint.tensors)
    assert checkpoint.weights.is_file()


def test_highest_rank_counts_the_pattern(adapter_dir: Path) -> None:
    edit(adapter_dir / "adapter_config.json", rank_pattern={"q_proj": 32})
    assert read_checkpoint(adapter_dir).rank == 32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"r": 0}, "r must be a positive integer"),
        ({"r": True}, "r must be a positive integer"),
        ({"r": None}, "r must be a positive integer"),
        ({"rank_pattern": [7, "x"]}, "r must be a positive integer"),
    ],
)
def test_wrong_config_is_refused_by_name(
    adapter_dir: Path, changes: dict[str, Any], message: str
) -> None:
    edit(adapter_dir / "adapter_config.json", **changes)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(adapter_dir)


def test_no_directory_no_weights_no_lora(tmp_path: Path, adapter_dir: Path) -> None:
    with pytest.raises(CheckpointError, match="not a directory"):
        read_checkpoint(tmp_path / "nothing")
    (adapter_dir / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        read_checkpoint(adapter_dir)
    (adapter_dir / "adapter_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(CheckpointError, match="never opened"):
        read_checkpoint(adapter_dir)


@pytest.mark.parametrize("keep", [0, 4, 60, 200])
def test_truncated_weights_are_refused(adapter_dir: Path, keep: int) -> None:
    weights = adapter_dir / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"no safetensors file|truncated|broken|claims"):
        read_checkpoint(adapter_dir)


def test_header_that_claims_more_than_the_file_is_refused(adapter_dir: Path) -> None:
    (adapter_dir / "adapter_model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError, match="truncated"):
        read_checkpoint(adapter_dir)


def test_weights_without_lora_are_refused(adapter_dir: Path) -> None:
    header = b'{"weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    raw = len(header).to_bytes(8, "little") + header + bytes(4)
    (adapter_dir / "adapter_model.safetensors").write_bytes(raw)
    with pytest.raises(CheckpointError, match="no LoRA tensors"):
        read_checkpoint(adapter_dir)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1]", "must hold a JSON object"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 100_000, "not valid JSON"),
        (b" " * (MAX_JSON_BYTES + 1), "larger than"),
    ],
)
def test_json_files_are_bounded_and_checked(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=message):
        read_json_object(path, ProfileError)


def test_raw_adapter_has_no_profile(adapter_dir: Path) -> None:
    assert read_profile(adapter_dir) is None


def test_profile_survives_a_round_trip(adapter_dir: Path) -> None:
    (adapter_dir / "endturn.json").write_text(profile().model_dump_json())
    assert read_profile(adapter_dir) == profile()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": 2}, "format"),
        ({"role_markers": ["\n "]}, "role_markers"),
        ({"end_of_turn": [{"id": -1, "token": "x", "why": ""}]}, "end_of_turn.0.id"),
        ({"template": {"file": "../../etc/passwd"}}, "template.file"),
        ({"sampling": {"temperature": "0"}}, "sampling.temperature"),
        ({"max_tokens": {"default": 0}}, "max_tokens.default"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_wrong_profile_names_the_field(
    adapter_dir: Path, changes: dict[str, Any], field: str
) -> None:
    data = json.loads(profile().model_dump_json())
    (adapter_dir / "endturn.json").write_text(json.dumps({**data, **changes}))
    with pytest.raises(ProfileError, match=field):
        read_profile(adapter_dir)


def test_demo_profile_is_valid() -> None:
    written = (Path(__file__).parents[1] / "demo/endturn.json").read_bytes()
    assert ChatProfile.model_validate_json(written).role_markers


def test_base_end_of_turn_is_the_union_with_generation_config(base_dir: Path) -> None:
    edit(base_dir / "generation_config.json", eos_token_id=[5, EOS])
    assert base_end_of_turn_ids(read_base_files(base_dir), EOS) == (EOS, 5)


def test_config_counts_only_without_generation_config(base_dir: Path) -> None:
    edit(base_dir / "config.json", eos_token_id=9)
    assert base_end_of_turn_ids(read_base_files(base_dir), None) == (EOS,)
    (base_dir / "generation_config.json").unlink()
    assert base_end_of_turn_ids(read_base_files(base_dir), EOS) == (EOS, 9)


@pytest.mark.parametrize("value", ["2", [True], -1, [1.5]])
def test_end_of_turn_ids_that_are_none_are_refused(base_dir: Path, value: Any) -> None:
    edit(base_dir / "generation_config.json", eos_token_id=value)
    with pytest.raises(ModelFilesError, match="eos_token_id"):
        base_end_of_turn_ids(read_base_files(base_dir), EOS)


def test_missing_eos_is_no_end(base_dir: Path) -> None:
    edit(base_dir / "generation_config.json", eos_token_id=None)
    assert base_end_of_turn_ids(read_base_files(base_dir), None) == ()


def test_sampling_defaults_leave_max_new_tokens_out(base_dir: Path) -> None:
    edit(base_dir / "generation_config.json", max_new_tokens=64, top_p=0.8, temperature=1)
    defaults = read_base_files(base_dir).sampling_defaults()
    assert defaults.model_dump(exclude_none=True) == {"top_k": 7, "top_p": 0.8, "temperature": 1.0}


def test_wrong_sampling_default_names_the_field(base_dir: Path) -> None:
    edit(base_dir / "generation_config.json", top_p=7)
    with pytest.raises(ModelFilesError, match="top_p"):
        read_base_files(base_dir).sampling_defaults()


def test_base_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match=r"config\.json"):
        read_base_files(tmp_path)
