"""The base stays the base while adapters generate in the same batch.

vLLM's CPU build gives tokens without an adapter the weights in its last LoRA slot; the server keeps that slot empty.
"""

import asyncio
from typing import Any

import httpx2 as httpx
import pytest

from tests.engine.conftest import Process

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

PROMPT = "### Human: What does os.path.join do?\n\n### Assistant:"
NUM_BESIDE = 6
# Log-probabilities in bfloat16 change this much with the batch; an adapter's differ by whole nats.
TOLERANCE = 0.5


async def first_token(http: httpx.AsyncClient, model: str) -> dict[str, float]:
    body = {"model": model, "prompt": PROMPT, "max_tokens": 1, "temperature": 0, "logprobs": 5}
    reply = (await http.post("/v1/completions", json=body)).raise_for_status().json()
    top: dict[str, float] = reply["choices"][0]["logprobs"]["top_logprobs"][0]
    return top


def distance(one: dict[str, float], other: dict[str, float]) -> float:
    shared = one.keys() & other.keys()
    return max((abs(one[token] - other[token]) for token in shared), default=float("inf"))


def test_base_beside_adapters(process: Process) -> None:
    async def ask() -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
        async with httpx.AsyncClient(base_url=process.url, timeout=120) as http:
            alone, adapted = await first_token(http, "demo"), await first_token(http, "pydoc")
            body: dict[str, Any] = {
                "model": "pydoc-raw",
                "prompt": PROMPT,
                "max_tokens": 48,
                "temperature": 0,
                "endturn": {"guards": False},
            }
            running = [
                asyncio.create_task(http.post("/v1/completions", json=body))
                for _ in range(NUM_BESIDE)
            ]
            await asyncio.sleep(1)
            beside = await first_token(http, "demo")
            assert not any(task.done() for task in running), "nothing ran beside it"
            await asyncio.gather(*running)
        return alone, adapted, beside

    alone, adapted, beside = asyncio.run(ask())
    assert distance(alone, adapted) > 2 * TOLERANCE, "the adapter is to be told from the base"
    assert distance(alone, beside) < TOLERANCE
