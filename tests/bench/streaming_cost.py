"""What streaming costs the API process: CPU seconds per 1,000 streamed tokens, endturn beside `vllm serve` in one run.

`python -m tests.bench.streaming_cost [--streams 64] [--tokens 128] [--runs 3]`: SmolLM2-135M-Instruct, chat, streamed, the
same requests and engine flags; each server is started once and asked `runs` times, after one round that is not counted.
The floor is AsyncLLM alone in a process: the same requests, nobody detokenises, nothing is sent.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil
from transformers import AutoTokenizer
from vllm import SamplingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM

from tests.bench.runaway import VLLM_COMMAND, wait_until_up
from tests.engine.smollm2 import smollm2_model
from tests.ports import free_port

# float32: CPUs without instructions for bfloat16 are several times slower in it.
FLAGS = ["--max-model-len", "1024", "--max-num-seqs", "64", "--dtype", "float32"]
FLAGS += ["--kv-cache-memory-bytes", "2147483648"]
TOPICS = ("the sea", "a lost dog", "winter", "an old clock", "two brothers", "the moon", "a garden")
NAME = "smollm2"


@dataclass(frozen=True, slots=True)
class Round:
    """One round of streams: tokens streamed, CPU seconds of the API process, seconds on the clock."""

    num_tokens: int
    cpu_s: float
    wall_s: float

    @property
    def cpu_s_a_thousand(self) -> float:
        return self.cpu_s / self.num_tokens * 1000


def bodies(streams: int, tokens: int) -> list[dict[str, Any]]:
    return [
        {
            "model": NAME,
            "messages": [
                {"role": "user", "content": f"Write a long story about {TOPICS[i % len(TOPICS)]}."}
            ],
            "max_tokens": tokens,
            "temperature": 0.8,  # no seed: vLLM's CPU build dies of seeded prompts in chunks
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        for i in range(streams)
    ]


async def stream_all(url: str, asked: list[dict[str, Any]]) -> int:
    """All at once; the tokens they were sent, by their own usage."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:

        async def one(body: dict[str, Any]) -> int:
            num_tokens = 0
            async with client.stream("POST", "/v1/chat/completions", json=body) as reply:
                reply.raise_for_status()
                async for line in reply.aiter_lines():
                    if '"usage":{' in line:
                        num_tokens = json.loads(line[6:])["usage"]["completion_tokens"]
            return num_tokens

        return sum(await asyncio.gather(*map(one, asked)))


def rounds(url: str, pid: int, asked: list[dict[str, Any]], number: int) -> Iterator[Round]:
    process = psutil.Process(pid)
    for count in range(number + 1):
        before, started = process.cpu_times(), time.monotonic()
        num_tokens = asyncio.run(stream_all(url, asked))
        after, wall_s = process.cpu_times(), time.monotonic() - started
        cpu_s = after.user + after.system - before.user - before.system
        if count:
            yield Round(num_tokens, cpu_s, wall_s)


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """The process id of a server, until the block ends."""
    environment = {**os.environ, "VLLM_TARGET_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_until_up(f"http://127.0.0.1:{port}", server)
            yield server.pid
        except RuntimeError:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-3000:])
            raise
        finally:
            server.terminate()
            server.wait(60)


async def engine_alone(model: Path, asked: list[dict[str, Any]], number: int) -> list[Round]:
    """AsyncLLM by itself in this process."""
    args = AsyncEngineArgs(
        model=str(model),
        max_model_len=1024,
        max_num_seqs=64,
        dtype="float32",
        kv_cache_memory_bytes=2 << 30,
    )
    engine = AsyncLLM.from_engine_args(args)
    tokenizer = AutoTokenizer.from_pretrained(model)

    async def one(body: dict[str, Any], name: str) -> int:
        ids = tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, return_dict=False
        )
        params = SamplingParams(
            temperature=body["temperature"],
            max_tokens=body["max_tokens"],
            detokenize=False,
            stop_token_ids=[tokenizer.eos_token_id],
            output_kind=RequestOutputKind.DELTA,
        )
        num_tokens = 0
        async for output in engine.generate({"prompt_token_ids": ids}, params, name):
            num_tokens += len(output.outputs[0].token_ids)
        return num_tokens

    made = []
    for count in range(number + 1):
        cpu_s, started = time.process_time(), time.monotonic()
        names = [f"{count}-{i}" for i in range(len(asked))]
        num_tokens = sum(await asyncio.gather(*map(one, asked, names)))
        if count:
            made.append(Round(num_tokens, time.process_time() - cpu_s, time.monotonic() - started))
    engine.shutdown()
    return made


def measure(model: Path, asked: list[dict[str, Any]], number: int) -> dict[str, list[Round]]:
    made = {"AsyncLLM alone (the floor)": asyncio.run(engine_alone(model, asked, number))}
    with tempfile.TemporaryDirectory() as work:
        script = Path(work) / "vllm_serve.py"
        script.write_text(VLLM_COMMAND)
        served = {
            "`vllm serve`": [str(script), "serve", str(model)],
            "`endturn serve`": ["-m", "server", "serve", "--model", str(model)],
        }
        for name, words in served.items():
            port = free_port()
            command = [sys.executable, *words, "--port", str(port), "--served-model-name", NAME]
            with running([*command, *FLAGS], port) as pid:
                made[name] = list(rounds(f"http://127.0.0.1:{port}", pid, asked, number))
    return made


def table(made: dict[str, list[Round]]) -> str:
    lines = ["| | API process, CPU s a 1,000 tokens | tokens a second |", "|---|---|---|"]
    for name, found in made.items():
        costs = [r.cpu_s_a_thousand for r in found]
        speeds = [r.num_tokens / r.wall_s for r in found]
        spread = f"{min(costs):.3f} to {max(costs):.3f}"
        cost, speed = statistics.median(costs), statistics.median(speeds)
        lines.append(f"| {name} | {cost:.3f} ({spread}) | {speed:.0f} |")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, no GPU, {datetime.now(UTC):%Y-%m-%d}"
    return "\n".join([*lines, "", f"({machine}; vLLM 0.32.0 CPU build; medians and range)"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    print(table(measure(smollm2_model(), bodies(args.streams, args.tokens), args.runs)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
