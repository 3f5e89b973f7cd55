"""One adapter and its base looked at as a whole: what is read, in which order, and what the status says."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from adapters.errors import CheckpointError, ModelFilesError, ProfileError
from adapters.finding import Severity
from adapters.inspection import (
    UNKNOWN_ROW,
    UNTRAINED_ROW,
    BaseModel,
    Inspection,
    InspectionOptions,
    inspect_adapter,
    read_base,
)
from tests.checkpoints.bases import build_base, special_ids

from .raw_adapters import CHATML, PLAIN, Content, write, write_raw

QWEN = special_ids("qwen2_5")
SWIFT: Mapping[str, Content] = {"args.json": {"template": "qwen2_5"}}
DEFAULT: Mapping[str, Content] = {"args.json": {"template": "default"}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bases")


@pytest.fixture(scope="module")
def base(root: Path) -> BaseModel:
    """Qwen2.5 without weights: the normal case."""
    return read_base(build_base("qwen2_5", root / "qwen2_5", weights=False))


@pytest.fixture(scope="module")
def weighty(root: Path) -> BaseModel:
    """Qwen2.5 with weights."""
    return read_base(build_base("qwen2_5", root / "weighty"))


def codes(inspection: Inspection) -> dict[str, str]:
    return {finding.code: finding.severity for finding in inspection.findings}


def ids(inspection: Inspection) -> dict[int, str]:
    return {entry.id: entry.why for entry in inspection.end_of_turn}


def test_everything_is_told_in_one_pass(tmp_path: Path, base: BaseModel) -> None:
    inspection = inspect_adapter(write_raw(tmp_path, SWIFT), base)
    assert inspection.trainer.name == "ms-swift"
    assert inspection.template is not None
    assert inspection.template.name == "qwen2_5"
    assert codes(inspection) == {
        "A1": "fixable",
        "B1": "note",
        "C1": "fixable",
        "C2": "note",
        "C3": "fixable",
        "E5": "fixable",
    }
    assert inspection.end_of_turn[0].id == QWEN["<|im_end|>"]
    assert inspection.status == "fixable"
    assert inspection.own_tokenizer is None
    assert inspection.profile is None
    assert inspection.weights.path == "as_is"


def test_findings_are_sorted_and_told_once(tmp_path: Path, base: BaseModel) -> None:
    findings = inspect_adapter(write_raw(tmp_path, SWIFT), base).findings
    assert [f.code for f in findings] == sorted(f.code for f in findings)
    assert len(set(findings)) == len(findings)


def test_a_training_run_is_inspected_at_its_last_checkpoint(
    tmp_path: Path, base: BaseModel
) -> None:
    write_raw(tmp_path / "v0-20241124-080000" / "checkpoint-9")
    last = write_raw(tmp_path / "v0-20241124-080000" / "checkpoint-10")
    write(tmp_path / "v0-20241124-080000", DEFAULT)
    inspection = inspect_adapter(tmp_path, base)
    assert inspection.checkpoint.path == last
    assert inspection.trainer.template == "default"


def test_without_weights_every_special_id_may_be_untrained(tmp_path: Path, base: BaseModel) -> None:
    inspection = inspect_adapter(write_raw(tmp_path, SWIFT), base)
    unknown = {token_id for token_id, why in ids(inspection).items() if why == UNKNOWN_ROW}
    assert QWEN["<|video_pad|>"] in unknown
    assert QWEN["<tool_call>"] not in ids(inspection)
    assert QWEN["<|fim_pad|>"] not in ids(inspection), "not special: an answer may hold it"


def test_with_weights_the_untrained_rows_are_known(tmp_path: Path, weighty: BaseModel) -> None:
    inspection = inspect_adapter(write_raw(tmp_path, SWIFT), weighty)
    assert codes(inspection)["B1"] == "mitigated"
    untrained = {token_id for token_id, why in ids(inspection).items() if why == UNTRAINED_ROW}
    assert QWEN["<|vision_pad|>"] in untrained
    assert max(untrained) > max(weighty.tokenizer.ids.values()), "rows without a name count too"
    assert QWEN["<|endoftext|>"] not in untrained


@pytest.mark.parametrize("name", ["base", "weighty"])
def test_an_end_that_the_base_stops_on_needs_no_untrained_rows(
    tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    inspection = inspect_adapter(write_raw(tmp_path, DEFAULT), request.getfixturevalue(name))
    assert "B1" not in codes(inspection)
    assert set(ids(inspection)) == {QWEN["<|endoftext|>"], QWEN["<|im_end|>"]}


def test_a_trained_row_of_the_end_needs_no_other_stops(root: Path, tmp_path: Path) -> None:
    """Gemma's rows are all trained in these bases."""
    gemma = read_base(build_base("gemma3", root / "gemma3"))
    inspection = inspect_adapter(write_raw(tmp_path, {"args.json": {"template": "gemma"}}), gemma)
    assert "B1" not in codes(inspection)
    assert [e.token for e in inspection.end_of_turn] == [
        "<end_of_turn>",
        "<eos>",
        "<start_of_turn>",
    ]


def test_the_adapters_own_template_is_rendered(tmp_path: Path, base: BaseModel) -> None:
    files = {"chat_template.jinja": PLAIN, "README.md": "---\ntags:\n- trl\n---\n"}
    inspection = inspect_adapter(write_raw(tmp_path, files), base)
    assert inspection.template is not None
    assert inspection.template.confidence == "derived"
    assert inspection.template.turns.role_markers == ("\n### Question:",)
    assert codes(inspection)["E1"] == "fixable"


def test_the_template_may_be_asked_for(tmp_path: Path, base: BaseModel) -> None:
    adapter = write_raw(tmp_path, SWIFT)
    inspection = inspect_adapter(adapter, base, InspectionOptions(template="ms-swift:default"))
    assert inspection.template is not None
    assert inspection.template.name == "default"
    assert inspection.end_of_turn[0].token == "<|endoftext|>"


def test_without_any_template_it_is_refused(root: Path, tmp_path: Path) -> None:
    smollm2 = read_base(build_base("smollm2", root / "smollm2", weights=False))
    inspection = inspect_adapter(write_raw(tmp_path), smollm2)
    assert inspection.template is None
    assert inspection.end_of_turn == ()
    assert codes(inspection)["C1"] == "refused"
    assert inspection.status == "refused"


def test_an_adapter_without_a_cause_is_clean(root: Path, tmp_path: Path) -> None:
    """The base's own template, an end it stops on, and no default limit: nothing is left to do."""
    path = shutil.copytree(
        build_base("qwen2_5", root / "for-clean", weights=False), root / "instruct"
    )
    im_end = QWEN["<|im_end|>"]
    for name in ("generation_config.json", "config.json"):
        write(path, {name: {**json.loads((path / name).read_text()), "eos_token_id": im_end}})
    data = json.loads((path / "generation_config.json").read_text())
    del data["max_new_tokens"]
    tokenizer = json.loads((path / "tokenizer_config.json").read_text())
    tokenizer |= {"eos_token": "<|im_end|>", "chat_template": CHATML}
    write(path, {"generation_config.json": data, "tokenizer_config.json": tokenizer})
    adapter = write_raw(
        tmp_path, {"chat_template.jinja": CHATML, "README.md": "---\ntags:\n- trl\n---\n"}
    )
    inspection = inspect_adapter(adapter, read_base(path))
    assert inspection.findings == ()
    assert inspection.status == "clean"


@pytest.mark.parametrize(
    ("severities", "status"),
    [
        ([], "clean"),
        (["note"], "clean"),
        (["note", "fixable"], "fixable"),
        (["mitigated"], "fixable"),
        (["mitigated", "refused", "note"], "refused"),
    ],
)
def test_the_worst_finding_is_the_status(
    tmp_path: Path, base: BaseModel, severities: list[Severity], status: str
) -> None:
    inspection = inspect_adapter(write_raw(tmp_path, SWIFT), base)
    first = inspection.findings[0]
    findings = tuple(replace(first, severity=severity) for severity in severities)
    assert replace(inspection, findings=findings).status == status


def test_the_adapters_own_generation_config_counts(tmp_path: Path, base: BaseModel) -> None:
    more = {
        "generation_config.json": {"eos_token_id": [QWEN["<|endoftext|>"], QWEN["<|box_end|>"]]}
    }
    inspection = inspect_adapter(write_raw(tmp_path, {**DEFAULT, **more}), base)
    assert ids(inspection)[QWEN["<|box_end|>"]] == "EOS in the adapter's generation_config.json"


def test_a_tokenizer_of_its_own_is_compared(tmp_path: Path, base: BaseModel) -> None:
    text = (base.files.path / "tokenizer.json").read_text()
    adapter = write_raw(tmp_path, DEFAULT)
    write(adapter, {"tokenizer.json": text.replace("<|endoftext|>", "<|finished|>")})
    write(adapter, {"tokenizer_config.json": {"eos_token": "<|finished|>"}})
    inspection = inspect_adapter(adapter, base)
    assert codes(inspection)["D5"] == "fixable"
    assert inspection.end_of_turn[0].token == "<|finished|>"
    assert len({entry.id for entry in inspection.end_of_turn}) == len(inspection.end_of_turn)


def test_a_broken_profile_is_refused(tmp_path: Path, base: BaseModel) -> None:
    with pytest.raises(ProfileError, match=r"endturn\.json: format"):
        inspect_adapter(write_raw(tmp_path, {**SWIFT, "endturn.json": {"format": 2}}), base)


def misfit(path: Path, change: str) -> Path:
    """An adapter whose tensors are of another base."""
    write_raw(path, SWIFT)
    weights = path / "adapter_model.safetensors"
    tensors = load_file(weights)
    first = next(name for name in tensors if name.endswith("lora_A.weight"))
    if change == "shape":
        tensors[first] = np.zeros((2, 32), dtype=np.float32)
    else:
        tensors = {name.replace("layers.1", change): value for name, value in tensors.items()}
    save_file(tensors, weights)
    return path


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("base", "shape"),
        ("base", "layers.40"),
        ("weighty", "shape"),
        ("weighty", "layers.40"),
        ("weighty", "blocks.1"),
    ],
)
def test_weights_of_another_base_are_refused(
    tmp_path: Path, name: str, change: str, request: pytest.FixtureRequest
) -> None:
    inspection = inspect_adapter(misfit(tmp_path, change), request.getfixturevalue(name))
    assert inspection.status == "refused"
    assert codes(inspection)["D7"] == "refused"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    return build_base("qwen2_5", tmp_path / "broken", weights=False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, r"config\.json: cannot be read"),
        ("config.json", "{", r"config\.json: is not valid JSON"),
        ("config.json", "[]", "must hold a JSON object"),
        ("tokenizer.json", None, r"has no tokenizer\.json; --base must be a whole model"),
        ("tokenizer.json", "{}", "no tokenizer that can be used"),
        ("tokenizer_config.json", "nonsense", r"tokenizer_config\.json: is not valid JSON"),
        ("generation_config.json", "\0", r"generation_config\.json: is not valid JSON"),
    ],
)
def test_a_broken_base_is_named(broken: Path, name: str, content: str | None, message: str) -> None:
    (broken / name).unlink()
    if content is not None:
        (broken / name).write_text(content)
    with pytest.raises(ModelFilesError, match=message):
        read_base(broken)


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_an_eos_of_the_base_that_is_none_is_named(broken: Path, tmp_path: Path, name: str) -> None:
    write(broken, {name: {"eos_token_id": "</s>"}})
    with pytest.raises(ModelFilesError, match=rf"{name}: eos_token_id must be token ids"):
        inspect_adapter(write_raw(tmp_path / "raw", SWIFT), read_base(broken))


def test_a_broken_file_of_the_adapter_is_named(tmp_path: Path, base: BaseModel) -> None:
    more = {"generation_config.json": {"eos_token_id": ["x"]}}
    with pytest.raises((CheckpointError, ModelFilesError), match="eos_token_id must be token ids"):
        inspect_adapter(write_raw(tmp_path, {**SWIFT, **more}), base)
