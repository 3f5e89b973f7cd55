"""A real Prometheus that scrapes one server every second and evaluates the committed rules; ended by its process id."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import yaml

from tests.deploy.promql import RULES
from tests.ports import free_port

_START_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus, and a client for it."""

    client: httpx.AsyncClient

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The result of an instant query.

        Raises:
            ValueError: Prometheus refuses it.
        """
        reply = (await self.client.post("/api/v1/query", data={"query": expr})).json()
        if reply["status"] != "success":
            raise ValueError(f"{expr}: {reply['error']}")
        found: list[dict[str, Any]] = reply["data"]["result"]
        return found

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health."""
        groups = (await self.client.get("/api/v1/rules")).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def until_found(self, expr: str, timeout_s: float) -> bool:
        """Wait until the query has a result."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if await self.query(expr):
                return True
            await asyncio.sleep(0.5)
        return False


@asynccontextmanager
async def prometheus(target: str, work: Path) -> AsyncIterator[Prometheus]:
    """Scrape `target` (HOST:PORT) as the job endturn; files go to `work`."""
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["interval"] = "1s"
    (work / "rules.yaml").write_text(yaml.safe_dump(rules, sort_keys=False))
    jobs = [{"job_name": "endturn", "static_configs": [{"targets": [target]}]}]
    intervals = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": intervals, "rule_files": ["rules.yaml"], "scrape_configs": jobs}
    (work / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = free_port()
    options = [f"--config.file={work / 'prometheus.yaml'}", f"--storage.tsdb.path={work / 'tsdb'}"]
    options += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (work / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus", *options, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
                await _ready(client, process, work / "log")
                yield Prometheus(client)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _ready(client: httpx.AsyncClient, process: asyncio.subprocess.Process, log: Path) -> None:
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until and process.returncode is None:
        try:
            if (await client.get("/-/ready")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.2)
    said = await asyncio.to_thread(log.read_text)
    raise RuntimeError(f"Prometheus did not start: {said[-2000:]}")
