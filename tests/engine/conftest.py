"""Real servers for the session, each `endturn serve` as a process of its own, on vLLM: the demo, and SmolLM2-Instruct where it is asked for.

They run one after the other, and before the tests that start engines of their own.
"""

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

from .smollm2 import SERVE_FLAGS, smollm2_model

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 280
# What clients of SmolLM2's server send.
API_KEY = "sk-test"
# Of the demo's server; the CPU build needs one more (server/vllm_room.py).
NUM_SLOTS = 3


@dataclass
class Process:
    """A server process and where it answers; the demo's takes adapters from the two directories."""

    popen: "subprocess.Popen[bytes]"
    url: str
    log: Path
    adapters_dir: Path = Path("/nowhere")
    adapter_root: Path = Path("/nowhere")


_SMOLLM2 = pytest.StashKey[Process]()


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


def end(process: Process) -> None:
    """Ask the server to end, and wait until it has."""
    if process.popen.poll() is None:
        process.popen.terminate()
        try:
            process.popen.wait(60)
        except subprocess.TimeoutExpired:
            process.popen.kill()


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The demo with NUM_SLOTS slots for adapters, which come and go."""
    home = tmp_path_factory.mktemp("server")
    watched, root = home / "watched", home / "root"
    for folder in (watched, root):
        folder.mkdir()
    flags = ["--adapters-dir", str(watched), "--adapter-root", str(root), "--allow-adapter-updates"]
    made = start(home / "log", *flags, "--max-loras", str(NUM_SLOTS + 1))
    made.adapters_dir, made.adapter_root = watched, root
    yield made
    end(made)


@pytest.fixture(scope="session")
def smollm2(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Process]:
    """SmolLM2-135M-Instruct with a template that shows tools, behind hermes' parser and API_KEY."""
    log = tmp_path_factory.mktemp("smollm2") / "log"
    flags = [*SERVE_FLAGS, "--api-key", API_KEY]
    made = start(log, *flags, model=str(smollm2_model()))
    request.config.stash[_SMOLLM2] = made
    yield made
    end(made)


@pytest.fixture
def client(process: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=process.url, timeout=120) as made:
        yield made


def turn(item: pytest.Item) -> int:
    """The session's server, then what ends it, then SmolLM2's server and its end, then tests with an engine of their own."""
    names = getattr(item, "fixturenames", ())
    if Path(__file__).parent not in item.path.parents:
        return 0
    ends = item.get_closest_marker("ends_server") is not None
    if "process" in names:
        return 2 if ends else 1
    if "smollm2" in names:
        return 4 if ends else 3
    return 5


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=turn)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if turn(item) == 5 and (made := item.config.stash.get(_SMOLLM2, None)):
        end(made)
