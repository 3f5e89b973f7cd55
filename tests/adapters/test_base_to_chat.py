"""What conversion writes, that it writes all of it or nothing, and what it refuses to replace."""

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from adapters import base_to_chat
from adapters.base_identity import base_shape
from adapters.base_to_chat import Conversion, ProfileSettings, plan_conversion, write_converted
from adapters.chat_profile import ChatProfile, SamplingDefaults, TokenLimits, read_profile
from adapters.errors import ConversionError
from adapters.inspection import BaseModel, InspectionOptions, inspect_adapter, read_base
from adapters.tokenizer_files import read_tokenizer
from tests.checkpoints.bases import build_base, special_ids

from .raw_adapters import Content, write, write_raw

QWEN = special_ids("qwen2_5")
SWIFT: Mapping[str, Content] = {"args.json": {"template": "qwen2_5", "swift_version": "4.6.0"}}
DEFAULT: Mapping[str, Content] = {"args.json": {"template": "default"}}
CONVERTED = {
    "adapter_config.json",
    "adapter_model.safetensors",
    "chat_template.jinja",
    "endturn.json",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    path = tmp_path_factory.mktemp("bases") / "qwen2_5"
    return read_base(build_base("qwen2_5", path, weights=False))


def plan(path: Path, base: BaseModel, files: Mapping[str, Content] = SWIFT) -> Conversion:
    return plan_conversion(inspect_adapter(write_raw(path, files), base), "test")


def converted(
    path: Path, base: BaseModel, files: Mapping[str, Content] = SWIFT
) -> tuple[Path, ChatProfile]:
    target = path / "converted"
    write_converted(plan(path / "raw", base, files), target)
    profile = read_profile(target)
    assert profile is not None
    return target, profile


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_a_peft_adapter_with_its_template_and_profile_is_written(
    tmp_path: Path, base: BaseModel
) -> None:
    target, _ = converted(tmp_path, base)
    raw, written = contents(tmp_path / "raw"), contents(target)
    assert set(written) == CONVERTED
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert written[name] == raw[name]
    assert not list(tmp_path.glob(".*")), "nothing is left beside it"


def test_the_profile_says_where_everything_comes_from(tmp_path: Path, base: BaseModel) -> None:
    target, profile = converted(tmp_path, base)
    assert profile.created_by == "test"
    assert profile.base.name == "Qwen/Qwen2.5-7B"
    assert profile.base.architecture == "Qwen2ForCausalLM"
    assert profile.base.vocab_size == base.files.config["vocab_size"]
    assert profile.base.shape == base_shape(base.files, base.tokenizer)
    assert profile.base.weights is None
    assert profile.trainer is not None
    assert (profile.trainer.name, profile.trainer.version) == ("ms-swift", "4.6.0")
    assert profile.trainer.evidence == ("args.json: template = qwen2_5",)
    assert profile.template.file == "chat_template.jinja"
    assert profile.template.confidence == "recorded"
    assert profile.template.system is not None
    assert profile.end_of_turn[0].token == "<|im_end|>"
    assert profile.tokenizer is None
    assert (profile.role_markers, profile.stop_head) == ((), None)
    assert (profile.weights.path, profile.weights.rank) == ("as_is", 2)
    digest = hashlib.sha256((target / "adapter_model.safetensors").read_bytes()).hexdigest()
    assert profile.weights.files == {"adapter_model.safetensors": digest}
    severities = {finding.code: finding.severity for finding in profile.findings}
    assert severities["A1"] == "fixed"
    assert severities["B1"] == "note"


def test_the_template_says_what_was_trained(tmp_path: Path, base: BaseModel) -> None:
    target, _ = converted(tmp_path, base)
    assert "<|im_start|>" in (target / "chat_template.jinja").read_text(encoding="utf-8")


def test_converting_again_makes_the_same_bytes(tmp_path: Path, base: BaseModel) -> None:
    first, _ = converted(tmp_path, base)
    write_converted(plan(tmp_path / "raw", base), tmp_path / "second")
    assert contents(first) == contents(tmp_path / "second")


def test_a_converted_adapter_is_converted_to_itself(tmp_path: Path, base: BaseModel) -> None:
    first, profile = converted(tmp_path, base, {**DEFAULT, "LICENSE": "mine"})
    again = inspect_adapter(first, base)
    assert again.profile == profile
    write_converted(plan_conversion(again, "a later endturn"), tmp_path / "second")
    assert contents(first) == contents(tmp_path / "second")
    write_converted(plan_conversion(again, "a later endturn"), first, force=True)
    assert contents(first) == contents(tmp_path / "second")


def test_a_converted_adapter_without_its_template_is_refused(
    tmp_path: Path, base: BaseModel
) -> None:
    first, _ = converted(tmp_path, base)
    (first / "chat_template.jinja").unlink()
    inspection = inspect_adapter(first, base)
    with pytest.raises(ConversionError, match=r"chat_template\.jinja: is missing"):
        write_converted(plan_conversion(inspection, "test"), tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_plain_text_markers_are_stops_and_tokens_are_not(tmp_path: Path, base: BaseModel) -> None:
    _, plain = converted(tmp_path / "plain", base, DEFAULT)
    assert "\n\n### Human:" in plain.role_markers
    assert not plain.guard.role_markers_in_code, "the end token was trained well"
    _, tokens = converted(tmp_path / "tokens", base)
    assert tokens.role_markers == ()


def test_a_weak_end_lets_markers_stop_inside_code(tmp_path: Path, base: BaseModel) -> None:
    inspection = inspect_adapter(write_raw(tmp_path, DEFAULT), base)
    weak = replace(inspection.findings[0], code="B2", severity="mitigated")
    profile = plan_conversion(replace(inspection, findings=(weak,)), "test").profile
    assert profile.guard.role_markers_in_code


def test_what_the_user_sets_is_in_the_profile(tmp_path: Path, base: BaseModel) -> None:
    settings = ProfileSettings(
        sampling=SamplingDefaults(temperature=0.0), max_tokens=TokenLimits(default=9, limit=99)
    )
    inspection = inspect_adapter(write_raw(tmp_path / "raw", SWIFT), base)
    write_converted(plan_conversion(inspection, "test", settings), tmp_path / "out")
    profile = read_profile(tmp_path / "out")
    assert profile is not None
    assert profile.sampling.temperature == 0
    assert (profile.max_tokens.default, profile.max_tokens.limit) == (9, 99)


def test_a_tokenizer_of_its_own_goes_with_it(tmp_path: Path, base: BaseModel) -> None:
    text = (base.files.path / "tokenizer.json").read_text()
    files: Mapping[str, Content] = {
        **DEFAULT,
        "tokenizer.json": text.replace("<|fim_pad|>", "<|mine|>"),
        "tokenizer_config.json": {"eos_token": "<|endoftext|>"},
        "special_tokens_map.json": {},
    }
    target, profile = converted(tmp_path, base, files)
    assert profile.tokenizer is not None
    assert [(t.base, t.adapter) for t in profile.tokenizer.renamed] == [("<|fim_pad|>", "<|mine|>")]
    assert set(contents(target)) == CONVERTED | set(files) - {"args.json"}


def test_a_sentencepiece_model_of_its_own_is_written_as_tokenizer_json(
    tmp_path: Path, base: BaseModel
) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    raw = write_raw(tmp_path / "raw", {**DEFAULT, "text": "a few words to learn pieces of\n" * 20})
    sentencepiece.SentencePieceTrainer.train(
        input=str(raw / "text"),
        model_prefix=str(raw / "tokenizer"),
        vocab_size=280,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
    )
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>"}
    write(raw, {"tokenizer_config.json": config})
    inspection = inspect_adapter(raw, base)
    assert inspection.own_tokenizer is not None
    write_converted(plan_conversion(inspection, "test"), tmp_path / "out")
    written = read_tokenizer(tmp_path / "out", ConversionError)
    assert written is not None
    assert written.encode("a few words") == inspection.own_tokenizer.encode("a few words")


def test_licence_and_card_stay_with_the_weights_and_nothing_else_does(
    tmp_path: Path, base: BaseModel
) -> None:
    kept: Mapping[str, Content] = {"LICENSE": "a", "NOTICE": "b", "README.md": "c"}
    left: Mapping[str, Content] = {
        "optimizer.pt": b"x",
        "training_args.bin": b"\x80",
        "run.py": "!",
    }
    target, _ = converted(tmp_path, base, {**SWIFT, **kept, **left})
    assert set(contents(target)) == CONVERTED | set(kept)


def test_an_adapter_without_a_template_is_refused_with_what_to_do(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    smollm2 = read_base(build_base("smollm2", tmp_path / "smollm2", weights=False))
    inspection = inspect_adapter(write_raw(tmp_path / "raw"), smollm2)
    with pytest.raises(ConversionError, match=r"C1: no chat template .* --template NAME"):
        plan_conversion(inspection, "test")
    asked = inspect_adapter(tmp_path / "raw", smollm2, InspectionOptions(template="alpaca"))
    assert plan_conversion(asked, "test").profile.template.confidence == "recorded"


def test_every_reason_to_refuse_is_told(tmp_path: Path, base: BaseModel) -> None:
    inspection = inspect_adapter(write_raw(tmp_path, SWIFT), base)
    first = replace(
        inspection.findings[0], code="D6", severity="refused", evidence="dora", action="x"
    )
    both = (first, replace(first, code="D9", evidence="bias"))
    with pytest.raises(ConversionError, match="D6: dora: x; D9: bias: x"):
        plan_conversion(replace(inspection, findings=both), "test")


def test_a_target_in_new_directories_is_made(tmp_path: Path, base: BaseModel) -> None:
    target = tmp_path / "a" / "b" / "c"
    write_converted(plan(tmp_path / "raw", base), target)
    assert set(contents(target)) == CONVERTED


def test_an_existing_target_is_replaced_by_force_only(tmp_path: Path, base: BaseModel) -> None:
    target, _ = converted(tmp_path, base)
    (target / "old").write_text("old")
    other = plan(tmp_path / "other", base, DEFAULT)
    with pytest.raises(ConversionError, match=r"converted: exists; .* --force"):
        write_converted(other, target)
    assert (target / "old").exists()
    write_converted(other, target, force=True)
    assert set(contents(target)) == CONVERTED
    profile = read_profile(target)
    assert profile is not None
    assert profile.role_markers
    assert sorted(p.name for p in tmp_path.iterdir()) == ["converted", "other", "raw"]


def test_an_empty_directory_is_replaced_by_force(tmp_path: Path, base: BaseModel) -> None:
    (tmp_path / "out").mkdir()
    write_converted(plan(tmp_path / "raw", base), tmp_path / "out", force=True)
    assert set(contents(tmp_path / "out")) == CONVERTED


def make_file(path: Path) -> None:
    path.write_text("x")


def make_home(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("x")


def make_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


@pytest.mark.parametrize("make", [make_file, make_home, make_link])
@pytest.mark.parametrize(("force", "message"), [(False, "out: exists"), (True, "not replaced")])
def test_what_is_no_converted_adapter_is_never_replaced(
    tmp_path: Path, base: BaseModel, make: Callable[[Path], None], force: bool, message: str
) -> None:
    target = tmp_path / "out"
    make(target)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConversionError, match=message):
        write_converted(plan(tmp_path / "raw", base), target, force=force)
    left = sorted(p for p in tmp_path.rglob("*") if not p.is_relative_to(tmp_path / "raw"))
    assert left == before


@pytest.mark.parametrize("force", [False, True])
def test_a_raw_adapter_is_never_written_over_itself(
    tmp_path: Path, base: BaseModel, force: bool
) -> None:
    conversion = plan(tmp_path / "raw", base)
    before = contents(tmp_path / "raw")
    with pytest.raises(ConversionError, match="raw: "):
        write_converted(conversion, tmp_path / "raw", force=force)
    assert contents(tmp_path / "raw") == before


@pytest.mark.parametrize("where", ["/proc/none/out", "/proc/out", "/dev/null/out"])
def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, base: BaseModel, where: str
) -> None:
    with pytest.raises(ConversionError, match=f"{where}: cannot be written"):
        write_converted(plan(tmp_path / "raw", base), Path(where))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_half_way_leaves_nothing(
    tmp_path: Path, base: BaseModel, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fails(*_: object) -> None:
        raise error

    conversion = plan(tmp_path / "raw", base)
    monkeypatch.setattr(base_to_chat, "_digests", fails)
    with pytest.raises((ConversionError, KeyboardInterrupt)):
        write_converted(conversion, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


def test_a_failed_replacement_leaves_the_old_one(
    tmp_path: Path, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, _ = converted(tmp_path, base)
    before = contents(target)
    rename = Path.rename

    def fails(self: Path, to: Path) -> Path:
        if self.name == "adapter":
            raise OSError(5, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(ConversionError, match="converted: cannot be written"):
        write_converted(plan(tmp_path / "other", base, DEFAULT), target, force=True)
    assert contents(target) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from adapters import base_to_chat
from adapters.inspection import inspect_adapter, read_base

def killed(made):
    assert (made / "adapter_model.safetensors").exists()
    os.kill(os.getpid(), signal.SIGKILL)

base_to_chat._digests = killed
raw, base, target = map(Path, sys.argv[1:])
plan = base_to_chat.plan_conversion(inspect_adapter(raw, read_base(base)), "test")
base_to_chat.write_converted(plan, target)
"""


def test_a_process_that_is_killed_half_way_leaves_no_target(
    tmp_path: Path, base: BaseModel
) -> None:
    raw = write_raw(tmp_path / "raw", SWIFT)
    argv = [sys.executable, "-c", KILLED, str(raw), str(base.files.path), str(tmp_path / "out")]
    run = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    write_converted(plan(raw, base), tmp_path / "out")
    assert set(contents(tmp_path / "out")) == CONVERTED


def test_of_conversions_to_one_target_at_once_one_wins_and_is_whole(
    tmp_path: Path, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them have seen that there is no target, and all have written everything, when the first is put there."""
    digests, together = base_to_chat._digests, Barrier(4)

    def wait(made: Path) -> Mapping[str, str]:
        together.wait(timeout=30)
        return digests(made)

    monkeypatch.setattr(base_to_chat, "_digests", wait)
    conversion = plan(tmp_path / "raw", base)

    def convert(_: int) -> str:
        try:
            write_converted(conversion, tmp_path / "out")
        except ConversionError as exc:
            return str(exc)
        return "won"

    with ThreadPoolExecutor(4) as threads:
        told = sorted(threads.map(convert, range(4)))
    assert told[-1] == "won"
    assert all("out: exists" in lost or "out: cannot be written" in lost for lost in told[:-1])
    assert set(contents(tmp_path / "out")) == CONVERTED
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "raw"]


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "tokenizer_config.json"])
def test_a_link_out_of_the_adapter_is_never_copied(
    tmp_path: Path, base: BaseModel, name: str
) -> None:
    conversion = plan(tmp_path / "raw", base)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "raw" / name).symlink_to(tmp_path / "secret")
    with pytest.raises(ConversionError, match=f"{name}: is a link out of the directory"):
        write_converted(conversion, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_inside_the_adapter_is_followed(tmp_path: Path, base: BaseModel) -> None:
    raw = write_raw(tmp_path / "raw", {**SWIFT, "the-licence": "mine"})
    (raw / "LICENSE").symlink_to("the-licence")
    write_converted(plan(raw, base), tmp_path / "out")
    assert not (tmp_path / "out" / "LICENSE").is_symlink()
    assert (tmp_path / "out" / "LICENSE").read_text() == "mine"


@pytest.mark.parametrize("value", ["many", None, [1], -5, True])
def test_a_vocabulary_size_that_is_none_is_no_crash(
    tmp_path: Path, base: BaseModel, value: object
) -> None:
    path = build_base("qwen2_5", tmp_path / "base", weights=False)
    data = json.loads((path / "config.json").read_text())
    write(path, {"config.json": {**data, "vocab_size": value}})
    profile = plan(tmp_path / "raw", read_base(path)).profile
    assert profile.base.vocab_size is None
