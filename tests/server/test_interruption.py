"""Ctrl-C and SIGTERM while the engine starts, in processes of their own: at once, and where somebody drops the exception."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PRELUDE = """
import multiprocessing, sys, time
from server import interruption

interruption.GRACE_S = 0.3

def work():
    time.sleep(600)

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=work)
    child.start()
    time.sleep(1)
"""
WAITS = """
    try:
        with interruption.interruptible():
            print(child.pid, flush=True)
            time.sleep(600)
    finally:
        child.kill()
        print("put away", flush=True)
"""
DROPS = """
    with interruption.interruptible():
        told = False
        while True:
            try:
                if not told:
                    told = True
                    print(child.pid, flush=True)
                time.sleep(600)
            except BaseException:
                continue
"""
LATER = """
    with interruption.interruptible():
        pass
    child.kill()
    print(child.pid, flush=True)
    time.sleep(600)
"""


def run(tmp_path: Path, body: str, number: int) -> tuple[int, str, int]:
    """The exit status, what was printed after the signal, and the child's process id."""
    script = tmp_path / "script.py"
    script.write_text(PRELUDE + body)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.send_signal(number)
        try:
            status = process.wait(30)
        finally:
            process.kill()
        return status, process.stdout.read(), child


def has_ended(pid: int) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, -2), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_what_waits_is_ended_and_puts_things_away(tmp_path: Path, number: int, status: int) -> None:
    assert run(tmp_path, WAITS, number)[:2] == (status, "put away\n")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_what_drops_the_exception_is_ended_with_its_processes(
    tmp_path: Path, number: int, status: int
) -> None:
    found, _, child = run(tmp_path, DROPS, number)
    assert found == status
    assert has_ended(child)


def test_afterwards_signals_are_what_they_were(tmp_path: Path) -> None:
    assert run(tmp_path, LATER, signal.SIGTERM)[0] == -signal.SIGTERM
