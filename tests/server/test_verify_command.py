"""`endturn verify` from its arguments to what it leaves behind, over a scripted engine."""

import json
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.base_files import BaseFiles
from adapters.base_to_chat import plan_conversion, write_converted
from adapters.chat_profile import ChatProfile, read_profile
from adapters.errors import DataError
from adapters.inspection import inspect_adapter, read_base
from adapters.verification_record import VerificationRecord
from server.catalog import ADAPTER_NAME
from server.cli.app import app
from server.commands.verified_models import find_adapters
from server.commands.verify_command import VerifyQuestion, verify_command
from server.commands.verify_outputs import write_report
from server.engine import Engine, EngineAdapter, EngineDelta, EngineRequest
from server.errors import EngineDeadError, StartError
from tests.adapters.raw_adapters import write_raw
from tests.checkpoints.bases import build_base, special_ids
from tests.fakes import ScriptedEngine, write_base
from tests.server.test_verification import head

END = special_ids("qwen2_5")["<|im_end|>"]
WORDS = (10, 11, 12, 13)


class EndlessEngine(ScriptedEngine):
    """Says WORDS and an end-of-turn token that plain vLLM does not stop at, again and again."""

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        if self.died.is_set():
            raise EngineDeadError("scripted death")
        self.requests.append(request)
        sampling = request.sampling
        for number in range(1, sampling.max_tokens + 1):
            token_id = END if number % 5 == 0 else WORDS[number % 5 - 1]
            finish = "length" if number == sampling.max_tokens else None
            finish = "stop" if token_id in sampling.stop_token_ids else finish
            yield EngineDelta(index=0, token_ids=(token_id,), finish_reason=finish)  # type: ignore[arg-type]  # a Literal
            if finish == "stop":
                return


class Start:
    """Starts an engine, and remembers with what."""

    def __init__(self, engine: EndlessEngine | None = None) -> None:
        self.engine = engine or EndlessEngine()
        self.base: BaseFiles | None = None
        self.weights: list[EngineAdapter] = []

    def __call__(self, base: BaseFiles, weights: Sequence[EngineAdapter]) -> Engine:
        self.base, self.weights = base, list(weights)
        return self.engine


def never(base: BaseFiles, weights: Sequence[EngineAdapter]) -> Engine:
    raise AssertionError("the engine was started")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base("qwen2_5", tmp_path_factory.mktemp("bases") / "qwen2_5", weights=False)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "support", {"args.json": {"template": "qwen2_5"}})


@pytest.fixture
def converted(tmp_path: Path, raw: Path, base: Path) -> Path:
    made = tmp_path / "made" / "support"
    made.parent.mkdir()
    write_converted(plan_conversion(inspect_adapter(raw, read_base(base)), "test"), made)
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "a."}]}
        for i in range(30)
    ]
    file = tmp_path / "data.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"no": "good"}\nnot json\n')
    return file


@pytest.fixture
def ask(tmp_path: Path, base: Path, data: Path) -> Callable[..., VerifyQuestion]:
    def made(*adapters: Path | str, **fields: Any) -> VerifyQuestion:
        values = {"base": str(base), "data": data, "cap": 20, "sample": 3, **fields}
        return VerifyQuestion(
            adapters=tuple(str(a) for a in adapters), cache_dir=tmp_path / "cache", **values
        )

    return made


def test_a_raw_adapter_is_verified_as_it_would_be_served(
    raw: Path, ask: Callable[..., VerifyQuestion], capfd: pytest.CaptureFixture[str]
) -> None:
    start = Start()
    before = sorted(path.name for path in raw.iterdir())
    assert verify_command(ask(raw, as_json=True), start) == 0
    out, err = capfd.readouterr()
    [found] = json.loads(out)
    assert (found["name"], found["num_questions"], found["cap"]) == ("support", 30, 20)
    assert found["on"]["kinds"] == {"stop_token": 30}
    assert found["on"]["runaway"]["count"] == 0
    assert found["replay"] == {"num_replayed": 3, "num_prefixes": 3, "num_alike": 3}
    assert "2 bad lines left out, the first is line 31" in err
    assert start.engine.closed
    assert start.engine.loaded == start.weights
    assert sorted(path.name for path in raw.iterdir()) == before


def test_settings_and_a_summary_are_written_when_asked(
    converted: Path, ask: Callable[..., VerifyQuestion], tmp_path: Path
) -> None:
    before = read_profile(converted)
    report = tmp_path / "report.html"
    assert verify_command(ask(converted), Start()) == 0
    assert read_profile(converted) == before, "only when asked"
    assert verify_command(ask(converted, write=True, report=report), Start()) == 0
    after = read_profile(converted)
    assert after is not None
    assert before is not None
    assert after.sampling.temperature == 0
    assert after.max_tokens.default == 64
    assert VerificationRecord.model_validate(after.verification).answers == 30
    assert after.end_of_turn == before.end_of_turn
    assert "<h2>support</h2>" in report.read_text(encoding="utf-8")
    assert verify_command(ask(converted, write=True), Start()) == 0, "what was written is served"


def test_several_adapters_are_verified_side_by_side(
    raw: Path,
    converted: Path,
    ask: Callable[..., VerifyQuestion],
    capfd: pytest.CaptureFixture[str],
) -> None:
    start = Start()
    assert verify_command(ask(raw, f"second={converted}"), start) == 0
    out = capfd.readouterr().out
    assert "second: 30 held-out questions" in out
    assert "support: 30 held-out questions" in out
    assert len(start.engine.loaded) == len({adapter.key for adapter in start.weights})


def test_without_a_cap_the_profiles_limit_holds(
    converted: Path, ask: Callable[..., VerifyQuestion], capfd: pytest.CaptureFixture[str]
) -> None:
    profile = read_profile(converted)
    assert isinstance(profile, ChatProfile)
    start = Start(EndlessEngine(max_model_len=4000))
    assert verify_command(ask(converted, cap=None, max_answers=2, as_json=True), start) == 0
    assert json.loads(capfd.readouterr().out)[0]["cap"] == profile.max_tokens.default


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"write": True}, "is a raw adapter.*endturn convert"),
        ({"report": Path("/none/at/all.html")}, "--report /none/at/all.html"),
        ({"report": Path()}, "is a directory"),
        ({"base": "/none"}, "--base /none: no such directory"),
    ],
)
def test_what_cannot_be_is_told_before_the_engine_starts(
    raw: Path, ask: Callable[..., VerifyQuestion], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(StartError, match=message):
        verify_command(ask(raw, **fields), never)


def test_data_without_a_conversation_is_refused(
    raw: Path, ask: Callable[..., VerifyQuestion], tmp_path: Path
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(DataError, match="it is empty"):
        verify_command(ask(raw, data=empty), never)


def test_nothing_is_written_when_the_engine_dies(
    converted: Path, ask: Callable[..., VerifyQuestion], tmp_path: Path
) -> None:
    before = sorted(converted.iterdir()), read_profile(converted)
    engine = EndlessEngine()
    engine.died.set()
    report = tmp_path / "out" / "report.html"
    report.parent.mkdir()
    with pytest.raises(EngineDeadError, match="'support' was verified, nothing was written"):
        verify_command(ask(converted, write=True, report=report), Start(engine))
    assert engine.closed
    assert (sorted(converted.iterdir()), read_profile(converted)) == before
    assert list(report.parent.iterdir()) == []


class Interrupted(EndlessEngine):
    """Ctrl-C comes while it answers."""

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        if len(self.requests) == 40:
            raise KeyboardInterrupt
        async for delta in super().generate(request):
            yield delta


def test_nothing_is_written_after_an_interruption(
    converted: Path, ask: Callable[..., VerifyQuestion], tmp_path: Path
) -> None:
    before = sorted(converted.iterdir()), read_profile(converted)
    engine = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        verify_command(ask(converted, write=True, report=tmp_path / "r.html"), Start(engine))
    assert engine.closed
    assert (sorted(converted.iterdir()), read_profile(converted)) == before
    assert not (tmp_path / "r.html").exists()


def test_a_replay_that_fails_is_told_and_nothing_is_recommended(
    converted: Path,
    ask: Callable[..., VerifyQuestion],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = read_profile(converted)
    monkeypatch.setattr("server.verification.replay.Replay.is_prefix", False)
    assert verify_command(ask(converted, write=True), Start()) == 1
    assert read_profile(converted) == before
    assert "no exact prefix" in capfd.readouterr().err


def test_a_profile_that_changed_meanwhile_is_left_alone(
    converted: Path, ask: Callable[..., VerifyQuestion]
) -> None:
    class Meddling(EndlessEngine):
        async def close(self) -> None:
            file = converted / "endturn.json"
            file.write_text(json.dumps({**json.loads(file.read_text()), "created_by": "other"}))

    with pytest.raises(StartError, match="changed meanwhile"):
        verify_command(ask(converted, write=True), Start(Meddling()))


def test_a_report_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.mkdir()
    with pytest.raises(StartError, match="cannot be written"):
        write_report(target, head(), [])
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_names_come_from_the_arguments(tmp_path: Path) -> None:
    odd = write_raw(tmp_path / "my adapter (2)")
    equals = write_raw(tmp_path / "a=b")
    reserved = write_raw(tmp_path / "base")
    found = find_adapters([str(odd), str(equals), f"x={odd}", "demo:pydoc", str(reserved)], "m")
    names = [adapter.source.name for adapter in found]
    assert names == ["my-adapter-2", "a-b", "x", "pydoc", "adapter-base"]
    assert all(ADAPTER_NAME.fullmatch(name) for name in names)
    with pytest.raises(StartError, match="two adapters are called 'x'; tell them apart with NAME="):
        find_adapters([f"x={odd}", f"x={equals}"], "m")
    with pytest.raises(StartError, match="no such directory"):
        find_adapters([str(tmp_path / "none")], "m")


def standalone(path: Path) -> Path:
    """A merged model with its profile."""
    model = write_base(path)
    (model / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    ends = [{"id": 257, "token": "<eos>", "why": "test"}]
    profile = {
        "format": 1,
        "created_by": "test",
        "base": {"name": "b"},
        "end_of_turn": ends,
        "weights": {"path": "merge"},
    }
    (model / "endturn.json").write_text(json.dumps(profile))
    return model


def test_a_standalone_model_is_verified_alone(
    raw: Path,
    ask: Callable[..., VerifyQuestion],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    merged = standalone(tmp_path / "merged")
    start = Start()
    assert verify_command(ask(merged, as_json=True), start) == 0
    assert json.loads(capfd.readouterr().out)[0]["name"] == "merged"
    assert start.base is not None
    assert start.base.path == merged
    assert start.weights == []
    with pytest.raises(StartError, match="verified alone"):
        verify_command(ask(merged, raw), never)


def test_the_command_line_splits_off_the_engines_flags(
    monkeypatch: pytest.MonkeyPatch, raw: Path, data: Path
) -> None:
    asked: list[VerifyQuestion] = []
    monkeypatch.setattr("server.cli.engine.engine_starter", lambda flags, quiet: never)

    def remember(question: VerifyQuestion, start: object) -> int:
        asked.append(question)
        return 0

    monkeypatch.setattr("server.commands.verify_command.verify_command", remember)
    words = ["verify", str(raw), "x", "--base", "b", "--data", str(data), "--cap", "64"]
    result = CliRunner().invoke(app, [*words, "--", "--max-model-len", "1024"])
    assert result.exit_code == 0, result.output
    assert asked[0].adapters == (str(raw), "x")
    assert asked[0].engine_flags == ("--max-model-len", "1024")
    assert (asked[0].cap, asked[0].report, asked[0].write) == (64, None, False)


def test_without_adapters_or_an_engine_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, data: Path, raw: Path, ask: Callable[..., VerifyQuestion]
) -> None:
    with pytest.raises(StartError, match="ADAPTER is missing"):
        verify_command(ask(), never)
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.delitem(sys.modules, "server.vllm_engine", raising=False)
    result = CliRunner().invoke(app, ["verify", str(raw), "--base", "b", "--data", str(data)])
    assert result.exit_code == 2
    assert "endturn[cpu]" in result.output
