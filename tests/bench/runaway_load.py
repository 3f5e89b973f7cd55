"""A runaway adapter under load: what the clients counted against what /metrics says, to the token.

`python -m tests.bench.runaway_load [--minutes 5] [--clients 16] [--plot FILE]`: the demo is served; clients ask `pydoc-raw`
with its guards off (it runs away), `pydoc` with and without streaming, and one in nine leaves in the middle of a stream.
Exit status 1 where a count differs.
"""

import argparse
import asyncio
import itertools
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
import matplotlib.pyplot as plt
import psutil

from tests.bench.load_clients import CAP, Series, differences, drive, scrape, settled
from tests.bench.runaway import endturn, wait_until_up
from tests.ports import free_port

SAMPLE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The page, and the API process's memory, at one time of the run."""

    at_s: float
    page: dict[Series, float]
    rss_bytes: int


async def watch(url: str, pid: int, moments: list[Moment]) -> None:
    """Add a moment every few seconds, until cancelled."""
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        while True:
            page = scrape((await http.get("/metrics")).text)
            rss = psutil.Process(pid).memory_info().rss
            moments.append(Moment(time.monotonic() - started, page, rss))
            await asyncio.sleep(SAMPLE_EVERY_S)


async def run(
    url: str, pid: int, arguments: argparse.Namespace
) -> tuple[list[str], list[Moment], bool]:
    """Drive, watch, compare; what is printed, the moments, and whether all is well."""
    moments: list[Moment] = []
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        await drive(url, clients=2, until_s=time.monotonic() + 5)  # what is made lazily is made now
        before = scrape(await settled(http))
        watching = asyncio.create_task(watch(url, pid, moments))
        until_s = time.monotonic() + arguments.minutes * 60
        counted = await drive(url, clients=arguments.clients, until_s=until_s, seed=1)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        wrong = differences(counted, before, scrape(await settled(http)))
    tokens = sum(
        v for (name, _), v in counted.values.items() if name.endswith("generation_tokens_sum")
    )
    half = [m.rss_bytes / 2**20 for m in moments[len(moments) // 2 :]]
    lines = [
        f"{counted.num_answers} answers, {counted.num_left} left by their client, {len(counted.failures)} failures, {tokens} counted",
        f"memory of the API process: {moments[0].rss_bytes / 2**20:.0f} MiB at first, "
        f"{min(half):.0f} to {max(half):.0f} MiB in the second half",
        *counted.failures[:5],
        *(
            wrong
            or [f"clients and /metrics agree in all {len(counted.values)} series, to the token"]
        ),
    ]
    return lines, moments, not wrong and not counted.failures


def plot(moments: Sequence[Moment], path: Path) -> None:
    """The dashboard's first questions over time: who runs away, and what it costs."""
    times = [moment.at_s for moment in moments[1:]]

    def rates(name: str, *labels: str) -> list[float]:
        """A second, of every series of `name` whose labels begin so."""
        sums = [
            sum(
                v
                for (n, found), v in m.page.items()
                if n == name and found[: len(labels)] == labels
            )
            for m in moments
        ]
        steps = itertools.pairwise(zip(sums, (m.at_s for m in moments), strict=True))
        return [(b - a) / (end - start) for (a, start), (b, end) in steps]

    figure, (share, tokens, memory) = plt.subplots(3, 1, figsize=(8, 7), sharex=True)
    for adapter in ("pydoc-raw", "pydoc"):
        ended, cut = rates("endturn_stops_total", adapter), rates("endturn_runaway_total", adapter)
        share.plot(
            times, [c / e if e else 0.0 for c, e in zip(cut, ended, strict=True)], label=adapter
        )
        tokens.plot(times, rates("endturn_generation_tokens_sum", adapter), label=f"{adapter}: all")
        wasted = rates("endturn_runaway_generation_tokens_sum", adapter)
        tokens.plot(times, wasted, "--", label=f"{adapter}: in runaways")
    memory.plot(times, [m.rss_bytes / 2**20 for m in moments[1:]], label="API process")
    for axes, title in (
        (share, "share of answers that ran away"),
        (tokens, "tokens a second"),
        (memory, "MiB of memory"),
    ):
        axes.set_title(title, loc="left")
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.legend(loc="upper right", fontsize="small")
        axes.grid(alpha=0.3)
    memory.set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--plot", type=Path, help="write the rates as a picture")
    arguments = parser.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(endturn(port), stdout=log, stderr=log)
        try:
            wait_until_up(url, server)
            lines, moments, is_well = asyncio.run(run(url, server.pid, arguments))
        finally:
            server.terminate()
            server.wait(60)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {datetime.now(UTC):%Y-%m-%d}"
    print(f"{machine}; {arguments.clients} clients, {arguments.minutes:g} minutes, cap {CAP}")
    print("\n".join(lines))
    if arguments.plot is not None:
        plot(moments, arguments.plot)
    return 0 if is_well else 1


if __name__ == "__main__":
    raise SystemExit(main())
