"""One real server for the session: `endturn serve` as a process of its own, on vLLM and the demo's weights."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 280


@dataclass
class Process:
    """A server process and where it answers."""

    popen: "subprocess.Popen[bytes]"
    url: str
    log: Path


def start(log: Path, *flags: str, model: str = "demo") -> Process:
    """Start the server under coverage and wait until it is ready."""
    port = free_port()
    command = [sys.executable, "-m", "coverage", "run", "-m", "server", "serve", "--model", model]
    command += ["--port", str(port), "--max-model-len", "2048", "--enforce-eager", *flags]
    with log.open("wb") as out:
        popen = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=dict(os.environ))
    made = Process(popen, f"http://127.0.0.1:{port}", log)
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until and popen.poll() is None:
        try:
            if httpx.get(f"{made.url}/readyz").status_code == 200:
                return made
        except httpx.TransportError:
            time.sleep(0.5)
    popen.kill()
    pytest.fail(f"the server did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    made = start(tmp_path_factory.mktemp("server") / "log")
    yield made
    if made.popen.poll() is None:
        made.popen.terminate()
        try:
            made.popen.wait(60)
        except subprocess.TimeoutExpired:
            made.popen.kill()


@pytest.fixture
def client(process: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=process.url, timeout=120) as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the session's server first, then what ends it, then those with an engine of their own: one at a time."""

    def turn(item: pytest.Item) -> int:
        if Path(__file__).parent not in item.path.parents:
            return 0
        if "process" not in getattr(item, "fixturenames", ()):
            return 3
        return 2 if item.get_closest_marker("ends_server") else 1

    items.sort(key=turn)
