"""`endturn calibrate --prompts`: from a file of questions and a scripted engine to a head in the profile, or one line of why not."""

import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from adapters.base_files import BaseFiles
from adapters.chat_profile import read_profile, write_profile
from adapters.errors import DataError
from adapters.stop_features import NUM_LISTED
from adapters.stop_head import StopHeadRecord
from server.cli import engine as cli_engine
from server.cli.app import app
from server.commands.calibrate_command import calibrate_prompts_command
from server.engine import Engine, EngineAdapter, EngineDelta, EngineRequest, StepLogprobs
from server.errors import EngineDeadError
from tests.fakes import TEMPLATE, ScriptedEngine, ids, profile, write_adapter

MARKER = "\n\n### Human:"
LINE_BREAK, WORD = 10, 32


class RunawayEngine(ScriptedEngine):
    """Answers in sentences, then asks itself a question; every fifth answer never shows that it is over."""

    def __init__(self, num_answers: int = 10_000) -> None:
        super().__init__()
        self._num_answers = num_answers
        self._rng = np.random.default_rng(0)

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        self.requests.append(request)
        number = len(self.requests)
        if number > self._num_answers:
            raise EngineDeadError("scripted death")
        answer = f"Answer {number} is this. " * (1 + number % 2)
        answer = answer.rstrip()
        text = answer + (MARKER if number % 5 else " And so on, but never to an")
        for at, token_id in enumerate(ids(text)):
            yield EngineDelta(
                index=0, token_ids=(token_id,), logprobs=(self._step(at == len(answer)),)
            )

    def _step(self, is_end: bool) -> StepLogprobs:
        likely, other = (LINE_BREAK, WORD) if is_end else (WORD, LINE_BREAK)
        noise = self._rng.normal(size=NUM_LISTED) * 0.1
        top = {likely: -0.2 + noise[0], other: -5.0 + noise[1]}
        top |= {100 + i: -9.0 + noise[i] for i in range(2, NUM_LISTED)}
        return StepLogprobs(top, -1.0)


def started(engine: Engine) -> Callable[[BaseFiles, Sequence[EngineAdapter]], Engine]:
    return lambda base, weights: engine


def never(base: BaseFiles, weights: Sequence[EngineAdapter]) -> Engine:
    raise AssertionError("the engine was started")


@pytest.fixture
def converted(adapter_dir: Path) -> Path:
    write_profile(profile(), adapter_dir)
    (adapter_dir / "chat_template.jinja").write_text(TEMPLATE)
    return adapter_dir


def write_prompts(path: Path, number: int) -> Path:
    file = path / "prompts.txt"
    file.write_text("".join(f"What is {i}?\n" for i in range(number)))
    return file


def fit(adapter: Path, base: Path, prompts: Path, engine: Engine, number: int = 400) -> int:
    cache = adapter.parent / "cache"
    start = started(engine)
    return calibrate_prompts_command(
        adapter, str(base), prompts, start, max_prompts=number, cap=80, cache_dir=cache
    )


def test_a_head_is_fitted_on_what_the_adapter_says(
    converted: Path, base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = RunawayEngine()
    assert fit(converted, base_dir, write_prompts(tmp_path, 90), engine, number=80) == 0
    assert len(engine.requests) == 80
    written = read_profile(converted)
    assert written is not None
    assert written.stop_head_refusal is None
    record = StopHeadRecord.model_validate(written.stop_head)
    assert record.fit is not None
    assert (record.fit.source, record.fit.answers, record.fit.left_out) == ("prompts", 64, 16)
    assert LINE_BREAK in record.token_ids
    told = re.sub(r"\s+", " ", capsys.readouterr().err)
    for words in (
        "90 prompts",
        "64 by role marker; 16 answers left out",
        "0 ends moved to where the head saw them, in 1 rounds",
        "ends where it was found to end",
        "written 16 tokens",
    ):
        assert words in told


def test_too_few_prompts_are_refused_before_the_engine_starts(
    converted: Path, base_dir: Path, tmp_path: Path
) -> None:
    file = write_prompts(tmp_path, 30)
    with pytest.raises(DataError, match="has 30 prompts to fit on, at least 50 are needed"):
        calibrate_prompts_command(converted, str(base_dir), file, never, max_prompts=400)
    file.write_text("")
    with pytest.raises(DataError, match="holds no prompt; it is empty"):
        calibrate_prompts_command(converted, str(base_dir), file, never, max_prompts=400)


def test_too_few_ends_are_refused_with_what_to_do(
    converted: Path, base_dir: Path, tmp_path: Path
) -> None:
    before = read_profile(converted)
    file = write_prompts(tmp_path, 55)
    with pytest.raises(DataError, match=r"44 of 55 answers show .* give more prompts"):
        fit(converted, base_dir, file, RunawayEngine())
    assert read_profile(converted) == before


def test_nothing_is_written_when_the_engine_dies(
    converted: Path, base_dir: Path, tmp_path: Path
) -> None:
    before = read_profile(converted)
    engine = RunawayEngine(num_answers=20)
    with pytest.raises(EngineDeadError):
        fit(converted, base_dir, write_prompts(tmp_path, 60), engine)
    assert engine.closed
    assert read_profile(converted) == before


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "--data FILE with answers is needed, or --prompts FILE"),
        (("--data", "a.jsonl", "--prompts", "b.txt"), "--data a.jsonl and --prompts b.txt: one of"),
        (("--data", "a.jsonl", "--", "--max-model-len", "9"), "--max-model-len: the engine is"),
        (("--prompts", "b.txt", "second"), "second: one adapter is taken"),
    ],
)
def test_contradicting_flags_are_one_line_and_status_2(
    converted: Path, base_dir: Path, flags: tuple[str, ...], message: str
) -> None:
    result = run("calibrate", converted, "--base", base_dir, *flags)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_convert_refuses_both_files_before_it_writes(
    adapter_dir: Path, base_dir: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    words = ["convert", adapter_dir, "--base", base_dir, "-o", target]
    result = run(*words, "--data", "a.jsonl", "--prompts", "b.txt")
    assert (result.exit_code, target.exists()) == (2, False)
    assert "one of them" in result.stderr


def test_both_commands_hand_the_engines_flags_on(
    converted: Path, base_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []

    def engine_starter(flags: Sequence[str], *, quiet: bool) -> Callable[..., Engine]:
        seen.append((tuple(flags), quiet))
        return started(RunawayEngine())

    monkeypatch.setattr(cli_engine, "engine_starter", engine_starter)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps({"instruction": f"What is {i}?"}) + "\n" for i in range(80)))
    asked = ["--base", base_dir, "--prompts", file, "--cap", "80"]
    result = run("calibrate", converted, *asked, "--", "--max-model-len", "64")
    assert result.exit_code == 0, result.output
    target = tmp_path / "out"
    raw = ["convert", write_adapter(tmp_path / "raw"), "--template", "alpaca", "-o", target]
    result = run(*raw, *asked, "--", "--dtype", "float32")
    assert result.exit_code == 0, result.output
    assert seen == [(("--max-model-len", "64"), True), (("--dtype", "float32"), True)]
    for path in (converted, target):
        written = read_profile(path)
        assert written is not None
        assert written.stop_head is not None
