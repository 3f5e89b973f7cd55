"""`endturn verify` on the real engine and the demo's adapter: before and after, and Ctrl-C in between."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.engine.conftest import ROOT, START_TIMEOUT_S

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

HELDOUT = ROOT / "tests/demo/heldout.jsonl"
COMMAND = [sys.executable, "-m", "coverage", "run", "-m", "server", "verify", "demo:pydoc"]
ASKED = [
    "--base",
    "demo",
    "--data",
    str(HELDOUT),
    "--answers",
    "12",
    "--sample",
    "3",
    "--cap",
    "64",
]
ENGINE = ["--", "--max-model-len", "1024", "--enforce-eager"]


def test_before_and_after_on_the_demo(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = subprocess.run(
        [*COMMAND, *ASKED, "--json", "--report", str(page), *ENGINE],
        cwd=ROOT,
        check=False,
        capture_output=True,
        timeout=START_TIMEOUT_S + 100,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    [found] = json.loads(done.stdout)  # the engine's own prints are elsewhere
    off, on = found["off"], found["on"]
    assert found["num_questions"] == off["num_answers"] == on["num_answers"] == 12
    assert found["num_failed"] == 0
    assert sum(off["kinds"].values()) == sum(on["kinds"].values()) == 12
    assert off["runaway"]["count"] >= 9
    assert on["runaway"]["count"] <= 1
    assert on["lengths"]["longest"] <= off["lengths"]["longest"] <= found["cap"] == 64
    assert found["saved_tokens"] == pytest.approx(1 - on["num_generated"] / off["num_generated"])
    assert on["word_f1"] > off["word_f1"]
    assert found["replay"] == {"num_replayed": 3, "num_prefixes": 3, "num_alike": 3}
    assert found["live_prefix"]["count"] >= 9
    assert [run["num_answers"] for run in found["sample"]] == [3] * 5
    text = page.read_text(encoding="utf-8")
    assert "<h2>pydoc</h2>" in text
    assert "polyline" in text, "the demo has a stop head"


def in_group(group: int) -> list[str]:
    """The processes of a job that still run."""
    found = []
    for process in psutil.process_iter(["pid", "status", "name"]):
        try:
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group:
                found.append(process.info["name"])
        except ProcessLookupError:
            continue
    return found


def test_an_interruption_leaves_nothing_behind(tmp_path: Path) -> None:
    page, log = tmp_path / "report.html", tmp_path / "log"
    with log.open("wb") as out:
        running = subprocess.Popen(
            [*COMMAND, *ASKED, "--answers", "200", "--report", str(page), *ENGINE],
            cwd=ROOT,
            stdout=out,
            stderr=out,
            env={**os.environ, "VLLM_LOGGING_LEVEL": "INFO"},
            start_new_session=True,
        )
        until = time.monotonic() + START_TIMEOUT_S
        while b"init engine" not in log.read_bytes() and time.monotonic() < until:
            assert running.poll() is None, log.read_text()[-3000:]
            time.sleep(0.2)
        time.sleep(5)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to every process of the job
        assert running.wait(60) != 0, log.read_text()[-3000:]
    until = time.monotonic() + 30
    while (left := in_group(running.pid)) and time.monotonic() < until:
        time.sleep(0.2)
    assert left == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]
