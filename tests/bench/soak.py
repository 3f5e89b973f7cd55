"""Whether anything is lost or left over: 16 clients with good and bad requests, streams that are left, and adapters that come and go.

`python -m tests.bench.soak [--minutes 15] [--clients 16]` serves the demo. Every request has to be answered or told why, and
afterwards files, requests and adapters are back where they were. Exit status 1 where they are not.
"""

import argparse
import asyncio
import os
import platform
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
import psutil

from tests.bench.runaway import endturn, wait_until_up
from tests.bench.soak_clients import COMING, Outcomes, drive
from tests.engine.adapter_variants import broken, variant
from tests.ports import free_port

SAMPLE_EVERY_S = 5.0
SETTLE_S = 60.0
# Of the API process, from the end of the first quarter to the end: what Python's allocator keeps is no leak.
MAX_GROWTH_MIB = 64.0
# Connections that clients keep open come and go.
MAX_MORE_FILES = 8
GAUGES = (
    "endturn_requests_in_flight",
    "endturn_requests_queued",
    "endturn_prompt_tokens_queued",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
)


@dataclass(frozen=True, slots=True)
class State:
    """The API process at one moment."""

    rss_mib: float
    num_files: int


def state(pid: int) -> State:
    """Memory and open files now."""
    process = psutil.Process(pid)
    return State(process.memory_info().rss / 2**20, process.num_fds())


async def left_over(url: str) -> list[str]:
    """What is not back at zero, once it has had SETTLE_S to get there; the adapters that came are unloaded first."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        for name in COMING:
            await http.post("/v1/unload_lora_adapter", json={"lora_name": name})
        until_s = time.monotonic() + SETTLE_S
        while True:
            page = (await http.get("/metrics")).text
            found = [
                line
                for line in page.splitlines()
                if line.startswith(GAUGES) and float(line.rsplit(" ", 1)[1])
            ]
            listed = (await http.get("/v1/adapters")).json()["data"]
            held = [a for a in listed if a["id"] in COMING and (a["in_engine"] or a["in_flight"])]
            found += [f"{adapter['id']} is {adapter['state']}" for adapter in held]
            if not found or time.monotonic() > until_s:
                return found
            await asyncio.sleep(0.5)


async def soak(
    url: str, pid: int, root: Path, *, seconds: float, clients: int
) -> tuple[Outcomes, list[State], list[str]]:
    """Outcomes, states over time, and what was left over. Adapters are made in `root`, from where they may be loaded."""
    sources = [variant(root / f"variant-{number}", 1.0 - number / 10) for number in range(3)]
    refused = broken(root / "refused")
    states: list[State] = []

    async def watch() -> None:
        while True:
            states.append(state(pid))
            await asyncio.sleep(SAMPLE_EVERY_S)

    watching = asyncio.create_task(watch())
    outcomes = await drive(
        url,
        clients=clients,
        until_s=time.monotonic() + seconds,
        sources=sources,
        refused=refused,
    )
    left = await left_over(url)
    await asyncio.sleep(2 * SAMPLE_EVERY_S)  # closed connections leave their files
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return outcomes, [*states, state(pid)], left


def problems(outcomes: Outcomes, states: list[State], left: list[str]) -> list[str]:
    """One line for everything that is not as it should be."""
    early, last = states[len(states) // 4], states[-1]
    found = [f"wrong: {text}" for text in outcomes.wrong[:10]] + [f"left over: {x}" for x in left]
    if last.rss_mib - early.rss_mib > MAX_GROWTH_MIB:
        found.append(f"memory grew from {early.rss_mib:.0f} to {last.rss_mib:.0f} MiB")
    if last.num_files - states[0].num_files > MAX_MORE_FILES:
        found.append(f"open files grew from {states[0].num_files} to {last.num_files}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--clients", type=int, default=16)
    arguments = parser.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as root:
        flags = ["--allow-adapter-updates", "--adapter-root", root, "--max-loras", "4"]
        server = subprocess.Popen([*endturn(port), *flags], stdout=log, stderr=log)
        try:
            wait_until_up(url, server)
            seconds, clients = arguments.minutes * 60, arguments.clients
            outcomes, states, left = asyncio.run(
                soak(url, server.pid, Path(root), seconds=seconds, clients=clients)
            )
        finally:
            server.terminate()
            status = server.wait(120)
    found = problems(outcomes, states, left)
    if status:
        found.append(f"the server ended with status {status}")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {datetime.now(UTC):%Y-%m-%d}"
    print(f"{machine}; {arguments.clients} clients, {arguments.minutes:g} minutes")
    for what, number in sorted(outcomes.counts.items()):
        print(f"{number:7,} {what}")
    print(
        f"memory of the API process: {', '.join(f'{s.rss_mib:.0f}' for s in states[:: max(1, len(states) // 8)])} MiB"
    )
    print(f"open files: {states[0].num_files} at first, {states[-1].num_files} at the end")
    print("\n".join(found) or "every request was answered or told why; nothing was left over")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
