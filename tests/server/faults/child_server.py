"""A server in a process of its own, on the scripted engine: `python -m tests.server.faults.child_server SETTINGS`.

What the kernel allows it can then be changed from outside, and it can be killed.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
from prometheus_client import CollectorRegistry

from server.errors import StartError
from server.observing.logs import configure_logging
from server.serving import serve
from server.settings import Settings
from tests.fakes import ScriptedEngine
from tests.ports import free_port

START_S = 180


@dataclass(frozen=True)
class Child:
    """A running server; `log` is what it writes to standard error."""

    process: "subprocess.Popen[bytes]"
    client: httpx.Client
    log: Path

    def chat(self, model: str) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        return self.client.post("/v1/chat/completions", json=body)

    def load(self, name: str, source: str | Path, **more: Any) -> httpx.Response:
        body = {"lora_name": name, "lora_path": str(source), **more}
        return self.client.post("/v1/load_lora_adapter", json=body)

    def state(self, name: str) -> tuple[str, str]:
        """State and reason of one adapter."""
        listed = self.client.get("/v1/adapters").json()["data"]
        [found] = [entry for entry in listed if entry["id"] == name]
        return found["state"], found["reason"]


@contextmanager
def child_server(directory: Path, **settings: Any) -> Iterator[Child]:
    """A server that is ready; it has to leave in order."""
    port, log = free_port(), directory / f"log-{time.monotonic_ns()}"
    given = json.dumps({"port": port, **settings}, default=str)
    with log.open("wb") as errors:
        process = subprocess.Popen([sys.executable, "-m", __name__, given], stderr=errors)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            _wait_until_ready(process, client, log)
            yield Child(process, client, log)
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait(60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", client: httpx.Client, log: Path) -> None:
    ends_s = time.monotonic() + START_S
    while time.monotonic() < ends_s:
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


def main() -> int:
    """Serve with the settings of the command line."""
    configure_logging("info")
    settings = Settings(**json.loads(sys.argv[1]))
    try:
        return asyncio.run(serve(settings, lambda *_: ScriptedEngine(), CollectorRegistry()))
    except StartError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2


if __name__ == "__main__":
    # Without the interpreter's way out: torch's bindings write a page about it.
    status = main()
    sys.stderr.flush()
    os._exit(status)
