"""`endturn calibrate`: what it writes and says; the fit itself is tested where it is made."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.answer_tokens import SkippedAnswer
from adapters.calibration import Calibration
from adapters.chat_profile import read_profile, write_profile
from adapters.conversations import ConversationData
from adapters.data_lines import BadLine
from adapters.stop_head import StopHeadRecord
from adapters.stop_head_fit import StopHeadOutcome
from server.cli.adapters import run_command
from server.cli.app import app
from server.commands import calibrate_command as command
from server.demo import STOP_HEAD
from tests.fakes import profile


@pytest.fixture
def converted(adapter_dir: Path) -> Path:
    write_profile(profile(), adapter_dir)
    return adapter_dir


def outcome(refusal: str | None) -> StopHeadOutcome:
    record = StopHeadRecord.model_validate_json(STOP_HEAD.read_bytes())
    return StopHeadOutcome(record=record, curve=(), refusal=refusal)


def found(data: Path, refusal: str | None) -> Calibration:
    read = ConversationData(
        path=data,
        conversations=(),
        num_read=9,
        bad_lines=(BadLine(3, "holds no messages"),),
        num_bad=2,
        sha256="0" * 64,
    )
    skipped = (SkippedAnswer(4, "5000 tokens, over 2048"),)
    return Calibration(outcome=outcome(refusal), data=read, skipped=skipped)


@pytest.mark.parametrize("refusal", [None, "AUC 0.7 is under 0.95"])
def test_the_head_or_its_refusal_is_written_and_told(
    converted: Path,
    base_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    refusal: str | None,
) -> None:
    asked: dict[str, Any] = {}

    def calibrate(
        adapter: Path, base: Path, data: Path, options: Any, progress: Any
    ) -> Calibration:
        asked.update(adapter=adapter, base=base, seed=options.fit.seed, most=options.max_answers)
        progress(1, 9)
        return found(data, refusal)

    monkeypatch.setattr(command, "calibrate", calibrate)
    words = ["calibrate", str(converted), "--base", str(base_dir), "--data", "d.jsonl"]
    result = CliRunner().invoke(app, [*words, "--answers", "50", "--seed", "3"])
    assert result.exit_code == 0, result.output
    assert asked == {"adapter": converted, "base": base_dir, "seed": 3, "most": 50}
    written = read_profile(converted)
    assert written is not None
    assert written.stop_head_refusal == refusal
    assert (written.stop_head is None) == (refusal is not None)
    if refusal is None:
        assert written.stop_head == json.loads(STOP_HEAD.read_bytes())
    for told in (
        "line 3: holds no messages",
        "line 4: 5000 tokens",
        "AUC 0.99",
        refusal or "written",
    ):
        assert told in result.stderr.replace("\n", " ")


def test_a_merged_adapter_is_its_own_model(
    converted: Path, base_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(profile(weights={"path": "merge"}), converted)
    asked: list[Path] = []

    def calibrate(adapter: Path, base: Path, data: Path, *_: Any) -> Calibration:
        asked.append(base)
        return found(data, None)

    monkeypatch.setattr(command, "calibrate", calibrate)
    status = command.calibrate_command(
        converted, str(base_dir), Path("d.jsonl"), max_answers=50, seed=0
    )
    assert status == 0
    assert asked == [converted]


def test_a_raw_adapter_is_one_line_and_status_2(
    adapter_dir: Path, base_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BaseException) as raised:  # noqa: PT011  (typer's Exit)
        run_command(
            lambda: command.calibrate_command(
                adapter_dir, str(base_dir), Path("d.jsonl"), max_answers=50, seed=0
            )
        )
    assert getattr(raised.value, "exit_code", None) == 2
    assert "convert it first" in capsys.readouterr().err
