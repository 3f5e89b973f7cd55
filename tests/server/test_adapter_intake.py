"""What `serve` does with an adapter directory on its way in: raw ones are converted, all are checked and copied."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from adapters.base_to_chat import ProfileSettings, plan_conversion, write_converted
from adapters.chat_profile import SamplingDefaults
from adapters.inspection import BaseModel, inspect_adapter, read_base
from server.errors import StartError
from server.loading.adapter_intake import AdapterFiles, take_in
from server.loading.model_source import AdapterSource
from tests.adapters.raw_adapters import CHATML, Content, write, write_raw
from tests.checkpoints.bases import build_base, special_ids

QWEN = special_ids("qwen2_5")
SWIFT: Mapping[str, Content] = {"args.json": {"template": "qwen2_5"}}
DEFAULT: Mapping[str, Content] = {"args.json": {"template": "default"}}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    path = tmp_path_factory.mktemp("bases") / "qwen2_5"
    return read_base(build_base("qwen2_5", path, weights=False))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """A base without a template of its own."""
    path = tmp_path_factory.mktemp("bases") / "smollm2"
    return read_base(build_base("smollm2", path, weights=False))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


async def taken(
    path: Path, base: BaseModel, cache: Path, chat_template: Path | None = None, **source: Any
) -> AdapterFiles:
    return await take_in(
        AdapterSource(name="support", path=path, **source), base, cache, chat_template
    )


async def refused(
    path: Path, base: BaseModel, cache: Path, chat_template: Path | None = None, **source: Any
) -> str:
    """The one line that the start ends with; nothing is left in the cache."""
    with pytest.raises(StartError) as told:
        await taken(path, base, cache, chat_template, **source)
    text = str(told.value)
    assert text.startswith("adapter 'support': ")
    assert text.isprintable()
    assert left(cache) == []
    return text


def left(cache: Path) -> list[str]:
    """Files and temporary directories in the cache."""
    return sorted(p.name for p in cache.rglob("*") if p.is_file() or p.name.startswith("."))


def converted(path: Path, base: BaseModel, files: Mapping[str, Content] = SWIFT) -> Path:
    inspection = inspect_adapter(write_raw(path / "raw", files), base)
    write_converted(plan_conversion(inspection, "test"), path / "converted")
    return path / "converted"


def edit_profile(path: Path, **changes: Any) -> None:
    data = json.loads((path / "endturn.json").read_text())
    write(path, {"endturn.json": {**data, **changes}})


async def test_a_raw_adapter_is_converted_into_the_cache(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    raw = write_raw(tmp_path / "raw", SWIFT)
    before = sorted(p.name for p in raw.iterdir())
    files = await taken(raw, base, cache)
    assert files.profile is not None
    assert files.profile.created_by.startswith("endturn ")
    assert files.profile.end_of_turn[0].id == QWEN["<|im_end|>"]
    assert files.template is not None
    assert "<|im_start|>" in files.template
    assert files.tokenizer is None
    assert files.weights.path.is_relative_to(cache / "adapters")
    assert sorted(p.name for p in files.weights.path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert sorted(p.name for p in raw.iterdir()) == before, "the directory itself is left alone"
    assert left(cache) == ["adapter_config.json", "adapter_model.safetensors"]


async def test_a_training_run_is_taken_at_its_last_checkpoint(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    write_raw(tmp_path / "run" / "checkpoint-9", DEFAULT)
    write_raw(tmp_path / "run" / "checkpoint-10", SWIFT)
    files = await taken(tmp_path / "run", base, cache)
    assert files.profile is not None
    assert files.profile.trainer is not None
    assert files.profile.trainer.template == "qwen2_5"


async def test_the_sources_settings_go_into_the_profile(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    settings = ProfileSettings(sampling=SamplingDefaults(temperature=0.0))
    files = await taken(write_raw(tmp_path / "raw", SWIFT), base, cache, settings=settings)
    assert files.profile is not None
    assert files.profile.sampling.temperature == 0


async def test_every_finding_is_one_line_in_the_log(
    tmp_path: Path, base: BaseModel, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the files say cannot begin a line of its own, nor steer the terminal that shows the log."""
    args = {"template": "default", "stop_words": ["<|im_end|>"], "truncation_strategy": "right"}
    args["max_length"] = "9\n2026-01-01 ERROR server: forged\x1b[2J"
    with caplog.at_level(logging.INFO, logger="server.loading.adapter_intake"):
        files = await taken(write_raw(tmp_path / "raw", {"args.json": args}), base, cache)
    lines = [record.getMessage() for record in caplog.records]
    assert files.profile is not None
    assert len(lines) == len(files.profile.findings)
    assert all(line.startswith("adapter support: ") and line.isprintable() for line in lines)
    assert any(line.startswith("adapter support: B4 mitigated: args.json: ") for line in lines)
    assert any(line.startswith("adapter support: A4 fixable: ") for line in lines)


async def test_a_converted_adapter_is_taken_as_it_is(
    tmp_path: Path, base: BaseModel, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = converted(tmp_path, base)
    edit_profile(path, created_by="somebody")
    with caplog.at_level(logging.INFO, logger="server.loading.adapter_intake"):
        files = await taken(path, base, cache)
    assert files.profile is not None
    assert files.profile.created_by == "somebody"
    assert caplog.records == []


async def test_raw_and_converted_are_served_alike(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    path = converted(tmp_path, base)
    one = await taken(tmp_path / "raw", base, cache)
    other = await taken(path, base, cache)
    assert one.weights == other.weights
    assert one.template == other.template
    assert one.profile is not None
    assert other.profile is not None
    assert one.profile.model_copy(update={"created_by": "test"}) == other.profile


async def test_without_conversion_a_raw_adapter_has_no_profile(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    raw = write_raw(tmp_path / "raw", {**SWIFT, "chat_template.jinja": CHATML})
    files = await taken(raw, base, cache, convert=False)
    assert files.profile is None
    assert files.template == CHATML
    assert files.tokenizer is None
    bare = await taken(write_raw(tmp_path / "bare", SWIFT), base, cache, convert=False)
    assert bare.template is None


async def test_without_conversion_a_converted_adapter_keeps_its_profile(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    files = await taken(converted(tmp_path, base), base, cache, convert=False)
    assert files.profile is not None


async def test_the_operators_template_is_for_adapters_that_record_none(
    tmp_path: Path, bare: BaseModel, cache: Path
) -> None:
    template = tmp_path / "operators.jinja"
    template.write_text(CHATML)
    without = write_raw(tmp_path / "without")
    text = await refused(without, bare, cache)
    assert "C1: no chat template" in text
    assert "--template" in text
    files = await taken(without, bare, cache, template)
    assert files.template == CHATML
    recorded = await taken(write_raw(tmp_path / "with", DEFAULT), bare, cache, template)
    assert recorded.template != CHATML


async def test_a_tokenizer_that_differs_is_used(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    text = (base.files.path / "tokenizer.json").read_text()
    config = json.loads((base.files.path / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"] = {}
    files: Mapping[str, Content] = {
        **DEFAULT,
        "tokenizer.json": text.replace("<|fim_pad|>", "<|mine|>"),
        "tokenizer_config.json": {**config, "tokenizer_class": "PreTrainedTokenizerFast"},
    }
    found = await taken(write_raw(tmp_path / "raw", files), base, cache)
    assert found.tokenizer is not None
    mine = QWEN["<|fim_pad|>"]
    assert found.tokenizer.encode("<|mine|>", add_special_tokens=False) == [mine]


async def test_a_tokenizer_that_is_the_bases_is_not_loaded(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    files: Mapping[str, Content] = {
        **DEFAULT,
        "tokenizer.json": (base.files.path / "tokenizer.json").read_text(),
        "tokenizer_config.json": {"eos_token": "<|endoftext|>", "tokenizer_class": 7},
    }
    assert (await taken(write_raw(tmp_path / "raw", files), base, cache)).tokenizer is None


@pytest.mark.parametrize(
    "config",
    [
        {"tokenizer_class": "BertTokenizer"},
        {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["me/mine--code.Mine", None]}},
        {"tokenizer_class": 7, "auto_map": [], "added_tokens_decoder": {"x": {}}},
    ],
)
async def test_the_tokenizer_is_its_file_whatever_class_it_claims(
    tmp_path: Path, base: BaseModel, cache: Path, config: dict[str, Any]
) -> None:
    """transformers makes word pieces of the same file where a `BertTokenizer` is claimed."""
    text = (base.files.path / "tokenizer.json").read_text().replace("<|fim_pad|>", "<|mine|>")
    files: Mapping[str, Content] = {**DEFAULT, "tokenizer.json": text}
    config = {**config, "eos_token": "<|endoftext|>"}
    raw = write_raw(tmp_path / "raw", {**files, "tokenizer_config.json": config})
    found = (await taken(raw, base, cache)).tokenizer
    assert found is not None
    said = "Hello <|mine|> there.<|endoftext|>"
    of_base = base.tokenizer.encode(said.replace("<|mine|>", "<|fim_pad|>"))
    assert found.encode(said, add_special_tokens=False) == of_base
    assert found.eos_token_id == QWEN["<|endoftext|>"]
    assert found.special_ids["<|im_end|>"] == QWEN["<|im_end|>"]
    assert "<|mine|>" not in found.special_ids
    assert found.special_tokens == {"eos_token": "<|endoftext|>"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"args.json": "{"}, r"raw/args.json: is not valid JSON"),
        ({"adapter_config.json": {"r": 0}}, "r must be a positive integer"),
        ({"adapter_model.safetensors": b""}, "adapter_model.safetensors: is truncated"),
        ({"chat_template.jinja": b"\xff"}, "chat_template.jinja: is not UTF-8"),
        ({"endturn.json": {"format": 7}}, "endturn.json: format: "),
        ({"endturn.json": "{"}, "endturn.json: is not valid JSON"),
    ],
)
async def test_a_broken_adapter_is_named_with_its_file(
    tmp_path: Path, bare: BaseModel, cache: Path, files: Mapping[str, Content], message: str
) -> None:
    raw = write_raw(tmp_path / "raw", files)
    assert message in await refused(raw, bare, cache)


async def test_a_directory_without_an_adapter_is_named(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty: holds no adapter_config.json" in await refused(tmp_path / "empty", base, cache)
    assert "none: is not a directory" in await refused(tmp_path / "none", base, cache)


@pytest.mark.parametrize("convert", [True, False])
async def test_weights_of_another_base_are_refused_raw_or_not(
    tmp_path: Path, base: BaseModel, cache: Path, convert: bool
) -> None:
    """vLLM would serve the base without a word."""
    raw = write_raw(tmp_path / "raw", SWIFT)
    weights = raw / "adapter_model.safetensors"
    tensors = {n.replace("layers.1", "layers.40"): v for n, v in load_file(weights).items()}
    save_file(tensors, weights)
    assert "layers.40" in await refused(raw, base, cache, convert=convert)


LIES: Mapping[str, tuple[dict[str, Any], str]] = {
    "architecture": ({"architecture": "LlamaForCausalLM"}, "it is for LlamaForCausalLM"),
    "vocabulary": ({"vocab_size": 7}, "it is for a vocabulary of 7"),
    "shape": ({"shape": "0" * 64}, "this base has other shapes or another vocabulary"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_profile_for_another_base_is_refused(
    tmp_path: Path, base: BaseModel, cache: Path, lie: str
) -> None:
    changes, message = LIES[lie]
    path = converted(tmp_path, base)
    known = json.loads((path / "endturn.json").read_text())["base"]
    edit_profile(path, base={**known, **changes})
    assert message in await refused(path, base, cache)


async def test_an_adapter_of_another_family_is_refused(
    tmp_path: Path, base: BaseModel, bare: BaseModel, cache: Path
) -> None:
    text = await refused(converted(tmp_path, base), bare, cache)
    assert "it is for Qwen2ForCausalLM, the base is LlamaForCausalLM" in text


@pytest.mark.parametrize("entry", [{"id": 3, "token": "<|im_end|>"}, {"id": 10**6, "token": "x"}])
async def test_an_end_that_is_another_token_is_refused(
    tmp_path: Path, base: BaseModel, cache: Path, entry: dict[str, Any]
) -> None:
    path = converted(tmp_path, base)
    edit_profile(path, end_of_turn=[{**entry, "why": "a lie"}])
    text = await refused(path, base, cache)
    assert f"end_of_turn id {entry['id']} is {entry['token']!r} in its profile" in text


async def test_weights_that_changed_after_conversion_are_refused(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    """Somebody trained on and copied only the weights: the profile says nothing about them."""
    path = converted(tmp_path, base)
    raw = bytearray((path / "adapter_model.safetensors").read_bytes())
    raw[-1] ^= 1
    (path / "adapter_model.safetensors").write_bytes(bytes(raw))
    text = await refused(path, base, cache)
    assert "adapter_model.safetensors: is not the file that endturn.json was written for" in text


@pytest.mark.parametrize(
    ("missing", "changes", "message"),
    [
        ("chat_template.jinja", {}, "chat_template.jinja: cannot be read"),
        ("", {"template": {"file": "other.jinja"}}, "other.jinja: cannot be read"),
        ("", {"tokenizer": {"num_added": 1}}, "tokenizer.json: is missing"),
        ("adapter_model.safetensors", {}, "adapter_model.safetensors: is missing"),
        ("adapter_config.json", {}, "holds no adapter_config.json"),
    ],
)
async def test_a_file_that_the_profile_needs_is_missed_by_name(
    tmp_path: Path,
    base: BaseModel,
    cache: Path,
    missing: str,
    changes: dict[str, Any],
    message: str,
) -> None:
    path = converted(tmp_path, base)
    if missing:
        (path / missing).unlink()
    edit_profile(path, **changes)
    assert message in await refused(path, base, cache)


@pytest.mark.parametrize("name", ["tokenizer.json", "chat_template.jinja"])
async def test_a_converted_adapter_with_a_link_out_of_it_is_refused(
    tmp_path: Path, base: BaseModel, cache: Path, name: str
) -> None:
    path = converted(tmp_path, base)
    shutil.copyfile(base.files.path / "tokenizer.json", path / "tokenizer.json")
    edit_profile(path, tokenizer={"num_added": 1})
    (path / name).unlink(missing_ok=True)
    (path / name).symlink_to("/etc/passwd")
    assert f"{name}: is a link out of the directory" in await refused(path, base, cache)


async def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, base: BaseModel) -> None:
    raw = write_raw(tmp_path / "raw", SWIFT)
    with pytest.raises(StartError, match=r"adapter 'support': .*/proc/none"):
        await taken(raw, base, Path("/proc/none/cache"))


async def test_what_the_source_becomes_later_does_not_matter(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    raw = write_raw(tmp_path / "raw", SWIFT)
    files = await taken(raw, base, cache)
    shutil.rmtree(raw)
    assert (files.weights.path / "adapter_model.safetensors").is_file()


HEAD: Mapping[str, Any] = {
    "token_ids": [5, 7],
    "weights": [0.5, -0.25],
    "bias": 1.0,
    "threshold": 0.5,
}


async def test_a_stop_head_counts_the_line_breaks_of_the_served_tokenizer(
    tmp_path: Path, base: BaseModel, cache: Path
) -> None:
    path = converted(tmp_path, base)
    edit_profile(path, stop_head=HEAD)
    plain = (await taken(path, base, cache)).stop_head
    assert plain is not None
    assert (plain.line_break_weight, plain.line_breaks) == (0.0, {})
    edit_profile(path, stop_head={**HEAD, "features": {"line_breaks": 1.5}})
    reads_lines = (await taken(path, base, cache)).stop_head
    assert reads_lines is not None
    assert reads_lines.line_break_weight == 1.5
    [newline] = base.tokenizer.encode("\n")
    assert reads_lines.line_breaks[newline] == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"token_ids": [5, 10**6]}, "1000000 is not in the served vocabulary of "),
        ({"token_ids": [5, -1]}, "-1 is not in the served vocabulary"),
        ({"weights": [0.5, float("nan")]}, "stop_head.weights.1: "),
        ({"weights": [0.5, 1e6]}, "none may be over 1000"),
        ({"bias": float("inf")}, "stop_head.bias: "),
        ({"threshold": 0.0}, "stop_head.threshold: "),
        ({"threshold": 1.0}, "stop_head.threshold: "),
        ({"threshold": float("nan")}, "stop_head.threshold: "),
        ({"features": {"line_breaks": float("nan")}}, "stop_head.features.line_breaks: "),
        ({"features": {"entropy": 1.0}}, "'entropy' is not known here, only line_breaks is"),
    ],
)
async def test_a_hostile_stop_head_is_refused_before_anything_is_copied(
    tmp_path: Path, base: BaseModel, cache: Path, changed: dict[str, Any], message: str
) -> None:
    path = converted(tmp_path, base)
    edit_profile(path, stop_head={**HEAD, **changed})
    assert message in await refused(path, base, cache)
