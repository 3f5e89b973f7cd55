"""Directories that lie, loop, link away or never end: one clear error each, in bounded time and memory."""

import json
import os
import resource
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.base_to_chat import plan_conversion, write_converted
from adapters.errors import AdapterError, CheckpointError, ModelFilesError, ProfileError, printable
from adapters.inspection import BaseModel, inspect_adapter, read_base
from adapters.json_file import read_bytes
from adapters.safetensors_file import MAX_HEADER_BYTES
from adapters.trainers import recognise_trainer
from tests.checkpoints.bases import build_base

from .raw_adapters import Content, byte_level, raw, weights, write, write_raw

pytestmark = pytest.mark.timeout(20)

MORE_MEMORY = 1 << 30
SWIFT: Mapping[str, Content] = {"args.json": {"template": "default"}}
CARD = "---\ntags:\n- trl\n---\n"
# Every file that is read from an adapter, with what makes it be read.
FILES: Mapping[str, Mapping[str, Content]] = {
    "adapter_config.json": SWIFT,
    "adapter_model.safetensors": SWIFT,
    "args.json": {},
    "sft_args.json": {},
    "llamaboard_config.yaml": {},
    "training_args.yaml": {},
    "torchtune_config.yaml": {},
    "README.md": {},
    "trainer_state.json": SWIFT,
    "generation_config.json": SWIFT,
    "tokenizer.json": SWIFT,
    "tokenizer_config.json": {**SWIFT, "tokenizer.json": byte_level().to_str()},
    "special_tokens_map.json": {**SWIFT, "tokenizer.json": byte_level().to_str()},
    "chat_template.jinja": SWIFT,
    "endturn.json": SWIFT,
}
TEXTS = [name for name in FILES if name not in ("adapter_model.safetensors", "trainer_state.json")]
JSON = [name for name in TEXTS if name.endswith(".json") and name != "tokenizer.json"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """A base without a template of its own: nothing has to be rendered, so nothing to be waited for."""
    path = tmp_path_factory.mktemp("bases") / "smollm2"
    return read_base(build_base("smollm2", path, weights=False))


@pytest.fixture(autouse=True)
def _bounded_memory() -> Iterator[None]:
    """Whatever asks for more than 1 GB fails, instead of making the machine slow."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MORE_MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def hostile(path: Path, name: str, content: Content) -> Path:
    """An adapter whose file `name` holds `content`."""
    write_raw(path, FILES[name])
    write(path, {name: content})
    return path


def told(path: Path, base: BaseModel) -> str | None:
    """The one line that inspecting and planning the conversion end with, None where both go through."""
    try:
        plan_conversion(inspect_adapter(path, base), "test")
    except AdapterError as exc:
        text = str(exc)
    else:
        return None
    assert text.isprintable()
    assert len(text) < 5000
    return text


def refused(path: Path, base: BaseModel) -> str:
    text = told(path, base)
    assert text is not None
    return text


@pytest.mark.parametrize("name", FILES)
def test_a_link_out_of_the_directory_is_refused(tmp_path: Path, base: BaseModel, name: str) -> None:
    path = hostile(tmp_path / "adapter", name, "")
    (path / name).unlink()
    (tmp_path / "secret").write_bytes(weights() if name.endswith("tensors") else b"{}")
    (path / name).symlink_to("../secret")
    assert f"adapter/{name}: is a link out of the directory" in refused(path, base)


def test_a_checkpoint_that_is_a_link_out_of_the_run_is_refused(
    tmp_path: Path, base: BaseModel
) -> None:
    other = write_raw(tmp_path / "other", SWIFT)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint-5").symlink_to(other)
    assert "checkpoint-5: is a link out of the directory" in refused(tmp_path / "run", base)


def test_a_checkpoint_that_is_a_link_within_the_run_is_followed(
    tmp_path: Path, base: BaseModel
) -> None:
    write_raw(tmp_path / "best", SWIFT)
    (tmp_path / "checkpoint-5").symlink_to("best")
    assert inspect_adapter(tmp_path, base).trainer.name == "ms-swift"


@pytest.mark.parametrize("inside", ["", "checkpoint-5"])
def test_the_links_of_the_hubs_cache_are_followed(
    tmp_path: Path, base: BaseModel, inside: str
) -> None:
    snapshot = tmp_path / "models--me--adapter" / "snapshots" / "0123abc" / inside
    blobs = tmp_path / "models--me--adapter" / "blobs"
    blobs.mkdir(parents=True)
    write_raw(snapshot, {**SWIFT, "README.md": CARD, "LICENSE": "mine"})
    for file in list(snapshot.iterdir()):
        file.rename(blobs / file.name)
        file.symlink_to(os.path.relpath(blobs / file.name, snapshot))
    inspection = inspect_adapter(tmp_path / "models--me--adapter" / "snapshots" / "0123abc", base)
    write_converted(plan_conversion(inspection, "test"), tmp_path / "out")
    assert not any(file.is_symlink() for file in (tmp_path / "out").iterdir())
    assert (tmp_path / "out" / "LICENSE").read_text() == "mine"


@pytest.mark.parametrize("target", ["../../secret", "../../blobs/../secret", "../../refs/main"])
def test_other_links_of_a_snapshot_are_refused(
    tmp_path: Path, base: BaseModel, target: str
) -> None:
    snapshot = write_raw(tmp_path / "snapshots" / "0123abc", {})
    write(tmp_path, {"secret": "{}", "refs/main": "{}", "blobs/x": ""})
    (snapshot / "args.json").symlink_to(target)
    assert "is a link out of the directory" in refused(snapshot, base)


def test_blobs_that_are_a_link_themselves_are_no_way_out(tmp_path: Path, base: BaseModel) -> None:
    snapshot = write_raw(tmp_path / "hub" / "snapshots" / "0123abc", {})
    write(tmp_path, {"private/args.json": SWIFT["args.json"]})
    (tmp_path / "hub" / "blobs").symlink_to(tmp_path / "private")
    (snapshot / "args.json").symlink_to("../../blobs/args.json")
    assert "is a link out of the directory" in refused(snapshot, base)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    # The path of a socket may not be long.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def circle(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [pipe, listening, circle, Path.mkdir])
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_refused_or_not_there(
    tmp_path: Path, base: BaseModel, name: str, make: Callable[[Path], None]
) -> None:
    """No error is asked for: another trainer is recognised where args.json is none. It must only come to an end."""
    path = hostile(tmp_path, name, "")
    (path / name).unlink()
    make(path / name)
    text = told(path, base)
    if name in ("adapter_config.json", "adapter_model.safetensors"):
        assert text is not None
        assert name in text


@pytest.mark.parametrize("make", [pipe, listening, Path.mkdir])
def test_reading_what_is_no_file_does_not_wait_for_it(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "x")
    with pytest.raises(AdapterError, match=r"x: (is not a regular file|cannot be read)"):
        read_bytes(tmp_path / "x", AdapterError, max_bytes=10)


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer_config.json"])
def test_a_device_in_the_base_is_not_read(tmp_path: Path, name: str) -> None:
    path = build_base("qwen2_5", tmp_path / "base", weights=False)
    (path / name).unlink()
    (path / name).symlink_to("/dev/zero")
    if name == "config.json":
        with pytest.raises(ModelFilesError, match=r"config\.json: is not a regular file"):
            read_base(path)
    else:
        assert read_base(path).files.config


ENCODINGS = {
    "UTF-16": "{}\n".encode("utf-16"),
    "Latin-1": b'{"a": "caf\xe9"}',
    "half a surrogate": b'{"a": "\xed\xa0\x80"}',
    "cut in a character": b'{"a": "\xc3',
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", TEXTS)
def test_text_that_is_no_utf8_is_refused(
    tmp_path: Path, base: BaseModel, name: str, encoding: str
) -> None:
    assert name in refused(hostile(tmp_path, name, ENCODINGS[encoding]), base)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\0" * 100, b"{", b"nul", b"\xef\xbb\xbf{}", b"[]", b'"x"', b"7"]
)
@pytest.mark.parametrize("name", JSON)
def test_what_is_no_json_object_is_refused(
    tmp_path: Path, base: BaseModel, name: str, content: bytes
) -> None:
    assert f"{name}: " in refused(hostile(tmp_path, name, content), base)


BOMBS = {
    "nested lists": b"[" * 200_000,
    "nested objects": b'{"a":' * 200_000,
    "an endless number": b'{"a": ' + b"9" * 1_000_000 + b"}",
    "half a character": b'{"a": {"b": ["\\ud800"]}}',
    "too large": b'{"a": "' + b"x" * (9 << 20) + b'"}',
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", JSON)
def test_a_json_bomb_is_refused(tmp_path: Path, base: BaseModel, name: str, bomb: str) -> None:
    assert f"{name}: " in refused(hostile(tmp_path, name, BOMBS[bomb]), base)


def test_a_file_of_many_small_values_takes_bounded_memory(tmp_path: Path, base: BaseModel) -> None:
    many = b'{"template": "default", "x": [' + b"{}," * 1_300_000 + b"{}]}"
    assert inspect_adapter(hostile(tmp_path, "args.json", many), base).trainer.name == "ms-swift"


def test_of_a_key_given_twice_the_last_counts_as_everywhere(
    tmp_path: Path, base: BaseModel
) -> None:
    twice = '{"template": "qwen", "template": "default", "x": NaN, "y": -Infinity, "z": "\\ud83d\\ude00"}'
    inspection = inspect_adapter(hostile(tmp_path, "args.json", twice), base)
    assert inspection.trainer.template == "default"


WRONG: list[Any] = [7, -1, 1.5, float("nan"), True, "x", "", None, [], {}, [[]], {"x": {}}, 10**400]
FIELDS: Mapping[str, tuple[str, ...]] = {
    "adapter_config.json": (
        "r",
        "lora_alpha",
        "peft_type",
        "rank_pattern",
        "alpha_pattern",
        "target_modules",
        "modules_to_save",
        "target_parameters",
        "trainable_token_indices",
        "layer_replication",
        "base_model_name_or_path",
        "bias",
        "use_dora",
        "use_rslora",
        "init_lora_weights",
        "fan_in_fan_out",
    ),
    "args.json": (
        "template",
        "template_type",
        "system",
        "swift_version",
        "response_prefix",
        "enable_thinking",
        "use_chat_template",
        "stop_words",
        "truncation_strategy",
        "max_length",
    ),
    "generation_config.json": ("eos_token_id",),
    "trainer_state.json": ("global_step",),
    "tokenizer_config.json": (
        "eos_token",
        "bos_token",
        "pad_token",
        "chat_template",
        "tokenizer_class",
    ),
    "special_tokens_map.json": ("eos_token", "bos_token", "pad_token"),
    "endturn.json": (
        "format",
        "base",
        "trainer",
        "template",
        "tokenizer",
        "end_of_turn",
        "role_markers",
        "sampling",
        "max_tokens",
        "guard",
        "stop_head",
        "weights",
        "findings",
        "verification",
    ),
}
PROFILE = {"format": 1, "created_by": "x", "base": {"name": "x"}, "end_of_turn": []}


@pytest.mark.parametrize(
    "field", [(n, f) for n, fields in FIELDS.items() for f in fields], ids=":".join
)
def test_a_field_of_a_wrong_type_is_refused_or_left_out(
    tmp_path: Path, base: BaseModel, field: tuple[str, str]
) -> None:
    """Never another error, whatever stands there; nor one that is longer than a line."""
    name, key = field
    path = hostile(tmp_path, name, {})
    good: Mapping[str, Any] = {
        "adapter_config.json": json.loads(
            (write_raw(tmp_path / "good") / "adapter_config.json").read_text()
        ),
        "args.json": {"template": "default"},
        "endturn.json": PROFILE,
    }.get(name, {})
    for value in WRONG:
        write(path, {name: {**good, key: value}})
        text = told(path, base)
        assert text is None or name in text or "cannot be converted" in text


@pytest.mark.parametrize(
    "key", ["eos_token_id", "vocab_size", "architectures", "text_config", "model_type"]
)
@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_a_field_of_the_base_of_a_wrong_type_is_refused_or_left_out(
    tmp_path: Path, name: str, key: str
) -> None:
    path = build_base("qwen2_5", tmp_path / "base", weights=False)
    adapter = write_raw(tmp_path / "adapter", SWIFT)
    good = json.loads((path / name).read_text())
    for value in WRONG:
        write(path, {name: {**good, key: value}})
        text = told(adapter, read_base(path))
        assert text is None or name in text or "cannot be converted" in text


def test_tokens_of_wrong_types_are_refused(tmp_path: Path, base: BaseModel) -> None:
    good = json.loads(byte_level(["<a>"]).to_str())
    entry = good["added_tokens"][0]
    wrong: list[Any] = [
        {**good, "added_tokens": {}},
        {**good, "added_tokens": [{**entry, "id": -1}]},
        {**good, "added_tokens": [{**entry, "id": 2**40}]},
        {**good, "added_tokens": [{**entry, "content": None}]},
        {**good, "added_tokens": ["<a>"]},
        {**good, "model": {**good["model"], "vocab": {"a": -1}}},
        {**good, "model": {**good["model"], "vocab": {"a": 2**40}}},
        {**good, "model": {**good["model"], "merges": [["a"]]}},
        {**good, "model": {**good["model"], "type": "Unknown"}},
        {**good, "model": None},
        {**good, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}}},
    ]
    for number, content in enumerate(wrong):
        text = refused(hostile(tmp_path / str(number), "tokenizer.json", content), base)
        assert "tokenizer.json: is no tokenizer that can be used" in text


def test_an_added_token_with_an_empty_or_a_colliding_id_is_no_crash(
    tmp_path: Path, base: BaseModel
) -> None:
    good = json.loads(byte_level(["<a>", "<b>"]).to_str())
    first, second = good["added_tokens"]
    for number, added in enumerate(
        ([{**first, "content": ""}], [first, {**second, "id": first["id"]}], [{**first, "id": 0}])
    ):
        path = hostile(tmp_path / str(number), "tokenizer.json", {**good, "added_tokens": added})
        text = told(path, base)
        assert text is None or "tokenizer.json" in text


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("tokenizer.json", 100 << 20),
        ("tokenizer_config.json", 100 << 20),
        ("chat_template.jinja", 2 << 20),
        ("README.md", 2 << 20),
        ("torchtune_config.yaml", 2 << 20),
        ("trainer_state.json", 100 << 20),
        ("adapter_config.json", 1 << 40),
    ],
)
def test_a_file_far_too_large_is_refused(
    tmp_path: Path, base: BaseModel, name: str, size: int
) -> None:
    path = hostile(tmp_path, name, "")
    os.truncate(path / name, size)
    assert f"{name}: is larger than" in refused(path, base)


def test_a_sentencepiece_model_far_too_large_is_refused(tmp_path: Path, base: BaseModel) -> None:
    path = write_raw(tmp_path, {**SWIFT, "tokenizer.model": b""})
    os.truncate(path / "tokenizer.model", 100 << 20)
    assert "tokenizer.model: is larger than" in refused(path, base)


def test_a_link_beside_a_sentencepiece_model_is_refused(tmp_path: Path, base: BaseModel) -> None:
    path = write_raw(tmp_path / "adapter", {**SWIFT, "tokenizer.model": b"x"})
    (path / "vocab.json").symlink_to("/etc/passwd")
    assert "vocab.json: is a link out of the directory" in refused(path, base)


def header(entries: object, *, length: int | None = None, data: bytes = b"") -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16], **changes}


SAFETENSORS: Mapping[str, bytes] = {
    "nothing": b"",
    "seven bytes": b"\0" * 7,
    "cut in the header": weights()[:100],
    "cut in the data": weights()[:-1],
    "more than it says": weights() + b"\0",
    "a header of 2**63 bytes": header({}, length=2**63),
    "a header longer than the file": header({}, length=10_000),
    "a header longer than any": header(b"{" + b" " * MAX_HEADER_BYTES + b"}"),
    "no JSON": header(b"{nonsense}"),
    "a list": header([]),
    "UTF-16": header("{}".encode("utf-16")),
    "deep": header(b'{"a":' * 100_000),
    "10**9 tensors": header(b"{" + b'"":{},' * 4_000_000 + b'"a":{}}'),
    "10**9 dimensions": header({A: entry(shape=[1] * 1_000_000)}),
    "a shape of 10**18": header({A: entry(shape=[10**9, 10**9])}, data=b"\0" * 16),
    "a negative shape": header({A: entry(shape=[-2, -2])}, data=b"\0" * 16),
    "a shape of text": header({A: entry(shape="2x2")}, data=b"\0" * 16),
    "an unknown type": header({A: entry(dtype="PICKLE")}, data=b"\0" * 16),
    "a type of a list": header({A: entry(dtype=["F32"])}, data=b"\0" * 16),
    "offsets out of the file": header({A: entry(data_offsets=[0, 10**12])}, data=b"\0" * 16),
    "offsets backwards": header({A: entry(data_offsets=[16, 0])}, data=b"\0" * 16),
    "no offsets": header({A: {"dtype": "F32", "shape": [2, 2]}}, data=b"\0" * 16),
    "tensors that overlap": header({A: entry(), A + "2": entry()}, data=b"\0" * 16),
    "a hole": header({A: entry(data_offsets=[8, 24])}, data=b"\0" * 24),
    "a name twice": header(b'{"a":{},"a":{}}'),
    "metadata of numbers": header({"__metadata__": {"a": 1}}),
    "no LoRA": header({"weight": entry()}, data=b"\0" * 16),
    "a zip of pickles": b"PK\x03\x04" + b"\0" * 100,
}


@pytest.mark.parametrize("lie", SAFETENSORS)
def test_weights_that_lie_are_refused(tmp_path: Path, base: BaseModel, lie: str) -> None:
    path = hostile(tmp_path, "adapter_model.safetensors", SAFETENSORS[lie])
    assert "adapter_model.safetensors: " in refused(path, base)


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.pt"])
def test_pickles_are_never_opened(tmp_path: Path, base: BaseModel, name: str) -> None:
    path = write_raw(tmp_path, {**SWIFT})
    (path / "adapter_model.safetensors").rename(path / name)
    assert f"{name}: pickled weights can run code and are never opened" in refused(path, base)


YAML = {
    "references": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "top.template: *i",
    "merges": "a: &a {x: 1}\n"
    + "".join(
        f"{b}: &{b} {{<<: [{','.join(['*' + a] * 9)}]}}\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "top.template: 7",
    "itself": "top.template: &a [*a]",
    "depth": "top.template: " + "[" * 20_000,
    "length": "a: 1\n" * 20_000,
    "tags": "top.template: !!python/object/apply:os.system [id]",
    "no integer": 'top.template: !!int ""',
    "no truth": "top.template: !!bool perhaps",
    "no day": "top.template: 2024-13-45",
    "half a character": 'top.template: "\\ud800"',
    "a zero": "top.template: \0",
    "keys": "? [a, b]\n: 1\ntop.template: 7",
}


@pytest.mark.parametrize("bomb", YAML)
def test_a_yaml_bomb_is_refused(tmp_path: Path, bomb: str) -> None:
    checkpoint = raw(tmp_path, {"llamaboard_config.yaml": YAML[bomb]})
    with pytest.raises(CheckpointError, match=r"llamaboard_config\.yaml: ") as told:
        recognise_trainer(checkpoint)
    assert str(told.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "<summary>See axolotl config</summary>" * 25_000,
        "<summary>See axolotl config</summary>```yaml\n" * 20_000,
        "---\n" * 250_000,
        "---\n" + "\n" * 1_000_000,
        "axolotl version: `" * 50_000,
        "<summary>See axolotl config</summary>```yaml\n" + "\n" * 60_000 + "```",
        "<summary>See axolotl config</summary>```yaml\n" + "- " * 30_000 + "```",
    ],
    ids=["summaries", "blocks", "rules", "lines", "versions", "empty", "dashes"],
)
def test_a_model_card_made_to_be_slow_is_read_in_a_moment(tmp_path: Path, text: str) -> None:
    checkpoint = raw(tmp_path, {"README.md": text})
    with suppress(CheckpointError):
        recognise_trainer(checkpoint)


@pytest.mark.parametrize("text", ["tokenizer:\n" + " " * 60_000, "tokenizer:\n" + " a\n" * 20_000])
def test_a_torchtune_config_made_to_be_slow_is_read_in_a_moment(tmp_path: Path, text: str) -> None:
    assert recognise_trainer(raw(tmp_path, {"torchtune_config.yaml": text})).name == "torchtune"


@pytest.mark.parametrize("file", ["../x", "/etc/passwd", "a/b", "..", ".", "", "a\0b", "x" * 300])
def test_a_profile_names_files_of_its_own_directory_only(
    tmp_path: Path, base: BaseModel, file: str
) -> None:
    path = hostile(tmp_path, "endturn.json", {**PROFILE, "template": {"file": file}})
    with pytest.raises(ProfileError, match=r"endturn\.json: template\.file: "):
        inspect_adapter(path, base)


@pytest.mark.parametrize(
    "changes",
    [
        {"end_of_turn": [{"id": 2**31, "token": "x", "why": ""}]},
        {"end_of_turn": [{"id": 10**30, "token": "x", "why": ""}]},
        {"tokenizer": {"renamed": [{"id": 2**40, "base": "a", "adapter": "b"}]}},
        {"role_markers": [" "]},
        {"max_tokens": {"default": -1}},
        {"sampling": {"temperature": float("nan")}},
        {"weights": {"files": {"a": 1}}},
        {"base": {"name": "x", "vocab_size": -1}},
    ],
)
def test_a_profile_of_impossible_values_names_the_field(
    tmp_path: Path, base: BaseModel, changes: dict[str, Any]
) -> None:
    path = hostile(tmp_path, "endturn.json", {**PROFILE, **changes})
    with pytest.raises(ProfileError, match=rf"endturn\.json: .*{next(iter(changes))}|valid JSON"):
        inspect_adapter(path, base)


def test_a_memory_bomb_in_the_adapters_template_is_refused(tmp_path: Path, base: BaseModel) -> None:
    path = write_raw(tmp_path, {"chat_template.jinja": "{{ 'x' * 10**10 }}"})
    text = refused(path, base)
    assert "the chat template cannot be rendered" in text
    assert "--template" in text


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Root may read everything, so it is put off for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("name", ["adapter", "adapter/adapter_config.json", "adapter/args.json"])
def test_what_may_not_be_read_is_an_error_of_the_file_system_or_ours(
    tmp_path: Path, base: BaseModel, name: str, request: pytest.FixtureRequest
) -> None:
    path = write_raw(tmp_path / "adapter", SWIFT)
    for directory in [tmp_path, *list(tmp_path.parents)[:2]]:
        directory.chmod(0o755)
    (tmp_path / name).chmod(0)
    request.getfixturevalue("as_nobody")
    with pytest.raises((AdapterError, PermissionError), match=r"(?i)permission denied"):
        inspect_adapter(path, base)


def test_messages_are_one_line_without_control_characters() -> None:
    text = "a\n b\x1b[31m\x07\u202e\ud800 \u2028c"
    assert printable(text) == r"a b\x1b[31m\x07\u202e\ud800 c"
    error = AdapterError(Path("x" * 9000), "y\n" * 9000)
    assert str(error).isprintable()
    assert "y y" in str(error)
    assert len(str(error)) < 5000


@pytest.mark.parametrize("pattern", [".*.*.*x", "(.*.*.*)x", "[a.]*[a.]*[a.]*x"])
@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
def test_a_long_name_meets_no_pattern(
    tmp_path: Path, base: BaseModel, field: str, pattern: str
) -> None:
    """Three wildcards take time by the fourth power of the name: hours for a name of ten thousand characters."""
    name = "base_model.model." + "a." * 5000 + "q_proj"
    tensors = {
        f"{name}.lora_A.weight": entry(),
        f"{name}.lora_B.weight": entry(data_offsets=[16, 32]),
    }
    path = write_raw(
        tmp_path,
        {**SWIFT, "adapter_model.safetensors": header(tensors, data=b"\0" * 32)},
        **{field: {pattern: 4}},
    )
    assert "is longer than 128 characters" in refused(path, base)
