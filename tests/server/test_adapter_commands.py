"""`endturn inspect` and `endturn convert` as a user sees them: tables, JSON, exit statuses, and one line an error."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from typer.testing import CliRunner, Result

from adapters.chat_profile import read_profile
from server.cli import app as cli
from server.commands.adapter_commands import parse_settings
from server.errors import StartError
from server.loading import model_source
from tests.adapters.raw_adapters import CHATML, Content, write, write_raw
from tests.checkpoints.bases import build_base, special_ids

SWIFT: Mapping[str, Content] = {"args.json": {"template": "qwen2_5", "swift_version": "4.6.0"}}
CARD = "---\ntags:\n- trl\n---\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen2.5, without weights."""
    return build_base("qwen2_5", tmp_path_factory.mktemp("bases") / "qwen2_5", weights=False)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base without a template: nothing to guess, and nothing to render."""
    return build_base("smollm2", tmp_path_factory.mktemp("bases") / "smollm2", weights=False)


def run(*words: object, columns: int = 250) -> Result:
    result = CliRunner().invoke(cli.app, [str(w) for w in words], env={"COLUMNS": str(columns)})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def error(result: Result) -> str:
    """The one line that a command ended with."""
    assert result.exit_code == 2
    assert result.stdout == ""
    [line] = [line for line in result.stderr.splitlines() if line]
    assert line.isprintable()
    assert line.startswith("endturn: ")
    return line


def test_a_table_says_who_what_where_and_why(tmp_path: Path, base: Path) -> None:
    result = run("inspect", write_raw(tmp_path, SWIFT), "--base", base)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == f"adapter   {tmp_path}"
    assert lines[1] == f"base      {base}"
    assert lines[2] == "trainer   ms-swift 4.6.0 (args.json: template = qwen2_5)"
    assert lines[3] == "template  qwen2_5, recorded (args.json: template = qwen2_5)"
    assert lines[4].startswith("ends at   <|im_end|> (418), <|endoftext|> (416), ")
    assert lines[4].endswith(" more")
    assert lines[5] == "weights   as_is, rank 2"
    assert [column.strip() for column in lines[6].split("  ") if column.strip()] == [
        "cause",
        "evidence",
        "plain vLLM",
        "endturn convert",
    ]
    assert any(line.startswith("A1 ") and "fixable" in line for line in lines)
    assert lines[-1] == "status    fixable"
    assert result.stderr == ""


def test_json_has_everything_for_a_script(tmp_path: Path, base: Path) -> None:
    result = run("inspect", write_raw(tmp_path, SWIFT), "--base", base, "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["status"] == "fixable"
    assert data["trainer"]["name"] == "ms-swift"
    assert data["template"]["confidence"] == "recorded"
    assert data["end_of_turn"][0] == {
        "id": special_ids("qwen2_5")["<|im_end|>"],
        "token": "<|im_end|>",
        "why": "turn end of template qwen2_5",
    }
    assert data["role_markers"] == []
    assert data["weights"] == {"path": "as_is", "rank": 2, "changes": []}
    assert {f["code"] for f in data["findings"]} >= {"A1", "B1", "C1", "C3", "E5"}
    assert set(data["findings"][0]) == {"code", "severity", "evidence", "plain_vllm", "action"}


def test_an_unknown_template_is_refused(tmp_path: Path, bare: Path) -> None:
    adapter = write_raw(tmp_path)
    result = run("inspect", adapter, "--base", bare)
    assert result.exit_code == 3
    assert "template  unknown" in result.stdout
    assert "ends at   nothing" in result.stdout
    as_json = run("inspect", adapter, "--base", bare, "--json")
    assert as_json.exit_code == 3
    assert json.loads(as_json.stdout)["template"] is None


def test_an_adapter_without_a_cause_is_clean(tmp_path: Path, base: Path) -> None:
    own = shutil.copytree(base, tmp_path / "base")
    ids = special_ids("qwen2_5")
    config = json.loads((own / "config.json").read_text())
    tokenizer = json.loads((own / "tokenizer_config.json").read_text())
    files: Mapping[str, Content] = {
        "config.json": {**config, "eos_token_id": ids["<|im_end|>"]},
        "generation_config.json": {"eos_token_id": ids["<|im_end|>"]},
        "tokenizer_config.json": {
            **tokenizer,
            "eos_token": "<|im_end|>",
            "chat_template": CHATML,
        },
    }
    write(own, files)
    adapter = write_raw(tmp_path / "raw", {"chat_template.jinja": CHATML, "README.md": CARD})
    result = run("inspect", adapter, "--base", own)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "status    clean"


def test_the_template_is_an_option(tmp_path: Path, bare: Path) -> None:
    adapter = write_raw(tmp_path)
    result = run(
        "inspect", adapter, "--base", bare, "--template", "LLaMA-Factory:default", "--json"
    )
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["template"]["name"] == "default"
    assert "\nHuman:" in data["role_markers"]


@pytest.mark.parametrize("columns", [20, 80])
def test_a_narrow_terminal_gets_all_of_it(tmp_path: Path, bare: Path, columns: int) -> None:
    adapter = write_raw(tmp_path, {"args.json": {"template": "default"}})
    result = run("inspect", adapter, "--base", bare, columns=columns)
    assert f"adapter   {tmp_path}" in result.stdout
    assert "status    " in result.stdout


def test_text_of_the_adapter_is_neither_markup_nor_control(tmp_path: Path, bare: Path) -> None:
    """Each of these broke the table, or would have: tags, a closing tag alone, an emoji's name, escape sequences."""
    said = "[red]x \\[/bold] :cat: \x1b]0;title\x07\x1b[2J\r\nforged"
    args = {
        "template": said,
        "swift_version": said,
        "stop_words": [said, "<|im_end|>"],
        "system": said,
    }
    adapter = write_raw(
        tmp_path, {"args.json": args}, base_model_name_or_path="unsloth/[/x]\x1b[1m"
    )
    shown = run("inspect", adapter, "--base", bare, "--template", "ms-swift:default")
    assert shown.exit_code == 1
    assert "\x1b" not in shown.stdout
    assert "\x07" not in shown.stdout
    assert "[red]x \\[/bold] :cat: \\x1b]0;title" in shown.stdout
    assert not any(line.startswith("forged") for line in shown.stdout.splitlines())
    as_json = run("inspect", adapter, "--base", bare, "--template", "ms-swift:default", "--json")
    assert json.loads(as_json.stdout)["trainer"]["version"] == said


def test_convert_writes_the_adapter_and_says_how_to_serve_it(tmp_path: Path, base: Path) -> None:
    adapter, out = write_raw(tmp_path / "raw", SWIFT), tmp_path / "out"
    result = run("convert", adapter, "--base", base, "-o", out)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "status    fixable" in result.stderr
    assert f"wrote {out}" in result.stderr
    assert f"endturn serve --model {base} --adapter NAME={out}" in result.stderr
    profile = read_profile(out)
    assert profile is not None
    assert profile.created_by.startswith("endturn ")


def test_settings_go_into_the_profile(tmp_path: Path, bare: Path) -> None:
    adapter = write_raw(tmp_path / "raw", {"args.json": {"template": "default"}})
    settings = ["temperature=0", "top_k=20", "max_tokens=64", "max_tokens_limit=512"]
    words = [word for setting in settings for word in ("--set", setting)]
    assert run("convert", adapter, "--base", bare, "-o", tmp_path / "out", *words).exit_code == 0
    profile = read_profile(tmp_path / "out")
    assert profile is not None
    assert (profile.sampling.temperature, profile.sampling.top_k) == (0, 20)
    assert (profile.max_tokens.default, profile.max_tokens.limit) == (64, 512)


def test_a_converted_adapter_is_clean_and_takes_other_settings(tmp_path: Path, bare: Path) -> None:
    adapter = write_raw(tmp_path / "raw", {"args.json": {"template": "default"}})
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("convert", adapter, "--base", bare, "-o", first).exit_code == 0
    assert run("inspect", first, "--base", bare).exit_code == 0
    words = ("convert", first, "--base", bare, "-o", second, "--set", "max_tokens=9")
    assert run(*words).exit_code == 0
    one, other = read_profile(first), read_profile(second)
    assert one is not None
    assert other is not None
    assert other.max_tokens.default == 9
    assert other.model_copy(update={"max_tokens": one.max_tokens}) == one


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("heat=1", "there is no 'heat'; there are: temperature, "),
        ("temperature", "'' is not a number"),
        ("temperature=hot", "'hot' is not a number"),
        ("temperature=nan", "--set temperature=nan: "),
        ("temperature=inf", "--set temperature=inf: "),
        ("temperature=-1", "--set temperature=-1.0: "),
        ("top_k=1.5", "'1.5' is not a number"),
        ("max_tokens=0", "--set max_tokens=0: "),
        ("max_tokens_limit=-1", "--set max_tokens_limit=-1: "),
        ("max_tokens=1e3", "'1e3' is not a number"),
        ("=", "there is no ''"),
        ("", "there is no ''"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, message: str) -> None:
    with pytest.raises(StartError) as told:
        parse_settings([setting])
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_a_wrong_setting_writes_nothing(tmp_path: Path, bare: Path) -> None:
    adapter = write_raw(tmp_path / "raw", {"args.json": {"template": "default"}})
    result = run("convert", adapter, "--base", bare, "-o", tmp_path / "out", "--set", "x=1")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("endturn: --set x=1: there is no 'x'")
    assert not (tmp_path / "out").exists()


def test_an_existing_target_needs_force(tmp_path: Path, bare: Path) -> None:
    adapter, out = (
        write_raw(tmp_path / "raw", {"args.json": {"template": "default"}}),
        tmp_path / "out",
    )
    words = ("convert", adapter, "--base", bare, "-o", out)
    assert run(*words).exit_code == 0
    again = run(*words)
    assert again.exit_code == 2
    assert again.stderr.splitlines()[-1].startswith(f"endturn: {out}: exists; ")
    assert run(*words, "--force").exit_code == 0
    assert run(*words[:-1], adapter, "--force").exit_code == 2, "a raw adapter is not replaced"
    assert (adapter / "args.json").exists()


def test_what_cannot_be_converted_is_told_and_not_written(tmp_path: Path, bare: Path) -> None:
    result = run("convert", write_raw(tmp_path / "raw"), "--base", bare, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "cannot be converted: C1: " in result.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["/proc/none/out", "/proc/out", "/dev/null/out"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, bare: Path, where: str) -> None:
    adapter = write_raw(tmp_path, {"args.json": {"template": "default"}})
    result = run("convert", adapter, "--base", bare, "-o", where)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"endturn: {where}: cannot be written (")


NONE: Sequence[str] = ["none", "/none/at/all", "./none", "~nobody/none", "x" * 300, "x/" * 3000, ""]


@pytest.mark.parametrize("where", NONE)
def test_an_adapter_that_is_not_there_is_named(bare: Path, where: str) -> None:
    assert ": no such directory" in error(run("inspect", where, "--base", bare))


@pytest.mark.parametrize("where", ["/none", "./none", "~nobody/none", "x" * 300, "a/b/c/d", ""])
def test_a_base_that_is_not_there_is_named(tmp_path: Path, where: str) -> None:
    assert "--base " in error(run("inspect", write_raw(tmp_path), "--base", where))


@pytest.mark.parametrize(
    "raised",
    [
        LocalEntryNotFoundError("offline\nand so on"),
        OSError("no network"),
        ConnectionError("refused"),
    ],
)
def test_a_hub_that_has_not_got_the_base_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    def fails(*_: object, **__: object) -> str:
        raise raised

    monkeypatch.setattr(model_source, "snapshot_download", fails)
    line = error(run("inspect", write_raw(tmp_path), "--base", "me/none"))
    assert "--base me/none: no such directory, and the hub has not got it" in line
    assert issubclass(HfHubHTTPError, OSError), "an answer of the hub is told like the rest"


def test_of_a_base_on_the_hub_only_the_small_files_are_fetched(
    tmp_path: Path, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def fetch(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(bare)

    monkeypatch.setattr(model_source, "snapshot_download", fetch)
    adapter = write_raw(tmp_path, {"args.json": {"template": "default"}})
    assert run("inspect", adapter, "--base", "HuggingFaceTB/SmolLM2-135M").exit_code == 1
    assert asked["name"] == "HuggingFaceTB/SmolLM2-135M"
    assert "*.json" in asked["allow_patterns"]
    assert not any("safetensors" in pattern for pattern in asked["allow_patterns"])


def test_a_base_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    write(tmp_path / "base", {"config.json": {}})
    line = error(run("inspect", write_raw(tmp_path / "raw"), "--base", tmp_path / "base"))
    assert "has no tokenizer.json; --base must be a whole model directory" in line


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"adapter_config.json": "{"}, "adapter_config.json: is not valid JSON"),
        ({"adapter_config.json": {"r": 10**400}}, "r must be a positive integer"),
        ({"adapter_model.safetensors": b"PK"}, "adapter_model.safetensors: is truncated"),
        ({"args.json": '{"template": "\\ud800"}'}, "args.json: is not valid JSON"),
        ({"README.md": "---\na: {\n---"}, "README.md: holds YAML that cannot be read"),
        ({"tokenizer.json": "{}"}, "tokenizer.json: is no tokenizer that can be used"),
        ({"endturn.json": {"format": 1}}, "endturn.json: created_by: Field required"),
        ({"generation_config.json": {"eos_token_id": "x"}}, "eos_token_id must be token ids"),
    ],
)
def test_a_broken_file_is_one_line(
    tmp_path: Path, bare: Path, files: Mapping[str, Content], message: str
) -> None:
    path = write_raw(tmp_path, files)
    assert message in error(run("inspect", path, "--base", bare))
    result = run("convert", path, "--base", bare, "-o", tmp_path / "out")
    assert message in error(result)


def test_a_directory_that_may_not_be_read_is_one_line(tmp_path: Path, bare: Path) -> None:
    path = write_raw(tmp_path / "raw")
    for directory in [tmp_path, bare.parent, *list(tmp_path.parents)[:2]]:
        directory.chmod(0o755)
    path.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:  # who may read everything
        os.seteuid(65534)
    try:
        line = error(run("inspect", path, "--base", bare))
    finally:
        if is_root:
            os.seteuid(0)
    assert "ermission denied" in line


def test_the_demos_adapters_have_names(bare: Path) -> None:
    assert "the demo has pydoc, pydoc-raw" in error(run("inspect", "demo:none", "--base", bare))


def test_the_demos_adapter_is_refused_on_another_base(bare: Path) -> None:
    result = run("inspect", "demo:pydoc", "--base", bare, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["trainer"]["name"] == "ms-swift"


def test_help_tells_the_exit_statuses() -> None:
    text = " ".join(run("inspect", "--help").stdout.split())
    assert "Exit status: 0 nothing to do, 1 convert mends or limits" in text
