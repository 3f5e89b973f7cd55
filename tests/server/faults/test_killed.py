"""Killed while the cache is written: the next to come starts anew, and what was left does not stay."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.sources.work_directory import work_directory
from tests.checkpoints.bases import build_base
from tests.fakes import write_base

AN_HOUR_S, TWO_DAYS_S = 3600, 48 * 3600

# The kernel ends the process, as SIGKILL would, in the write that makes a file longer than this.
DIE = """
import resource, signal, sys
if len(sys.argv) > 4:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
"""
STORE = """
import sys
from pathlib import Path
from server.loading.adapter_cache import check_stored, store_adapter
check_stored(store_adapter(Path(sys.argv[1]), Path(sys.argv[3])))
"""
TAKE_IN = """
import asyncio, sys
from pathlib import Path
from adapters.inspection import read_base
from server.loading.adapter_cache import check_stored
from server.loading.adapter_intake import take_in
from server.loading.model_source import AdapterSource
source, base, cache = map(Path, sys.argv[1:4])
template = base / "template"
template.write_text("{{ messages[0].content }}")
made = take_in(AdapterSource(name="a", path=source), read_base(base), cache, template)
check_stored(asyncio.run(made).weights)
"""
OVERLAY = """
import sys
from pathlib import Path
import numpy as np
from adapters.base_files import read_base_files
from adapters.weights.base_overlay import read_overlay
from adapters.weights.base_rows import BaseRows, RowValues
from server.loading.base_overlays import base_for
base = read_base_files(Path(sys.argv[2]))
rows = BaseRows({"lm_head": RowValues((3,), np.ones((1, 64), dtype=np.float32))})
made = base_for(base, [("a", rows)], Path(sys.argv[3]), allow_overlay=False)
assert read_overlay(made.path).rows.digest == rows.digest
"""
SCRIPTS = {"copy": STORE, "convert": TAKE_IN, "overlay": OVERLAY}
# What is there when the process ends, and is not whole.
HALF_MADE = {
    "copy": "adapters/.copy-*/adapter/adapter_model.safetensors",
    "convert": ".convert-*/.adapter-*/adapter/*",
    "overlay": "overlays/.overlay-*/.overlay-*/overlay/*",
}


def work_directories(cache: Path) -> list[Path]:
    return [path for path in cache.rglob(".*-*") if path.is_dir()]


def whole(cache: Path) -> list[Path]:
    """What has the name of something whole."""
    return [path for path in cache.glob("*/*") if path.is_dir() and path.name[0] != "."]


@pytest.mark.parametrize("kind", SCRIPTS)
def test_killed_half_way(tmp_path: Path, adapter_dir: Path, kind: str) -> None:
    cache, base = tmp_path / "cache", tmp_path / "base"
    if kind == "overlay":
        build_base("qwen2_5", base)
    else:
        write_base(base)
    command = [sys.executable, "-c", DIE + SCRIPTS[kind], str(adapter_dir), str(base), str(cache)]
    for _ in range(2):
        killed = subprocess.run([*command, "100"], timeout=120, check=False)
        assert killed.returncode == -signal.SIGXFSZ
        assert list(cache.glob(HALF_MADE[kind]))
        assert whole(cache) == []
        left = work_directories(cache)
        for path in left:
            then = time.time() - AN_HOUR_S
            os.utime(path, (then, then))
        assert len([p for p in left if p.parent.name[0] != "."]) == 1, "it piles up"
    assert subprocess.run(command, timeout=120, check=False).returncode == 0
    assert len(whole(cache)) == 1
    assert work_directories(cache) == []


def test_work_of_a_living_process_stays_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    with work_directory(tmp_path, ".copy-") as first:
        (first / "file").write_text("x")
        monkeypatch.setattr(time, "time", lambda: now() + TWO_DAYS_S)
        with work_directory(tmp_path, ".copy-") as second:
            assert second != first
        assert (first / "file").read_text() == "x"
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_work_directory_stays(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / ".other-x").mkdir()
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    with work_directory(tmp_path, ".copy-"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"whole", ".other-x"}
