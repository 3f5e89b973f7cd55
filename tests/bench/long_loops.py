"""How long a loop lasts before a guard ends it: `python -m tests.bench.long_loops [--max-tokens 3072]`.

The blind set's loops were generated to the default limit of 1,024 tokens. Those in which no guard would have seen a loop by
then (near loops by our guard, exact cycles by vLLM's own check on the same tokens) are asked of a server again, with every
guard on and a higher limit.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
from collections import Counter
from typing import Any

import httpx2 as httpx
from vllm.sampling_params import RepetitionDetectionParams
from vllm.v1.core.sched.utils import check_sequence_repetition

from adapters.chat_profile import ExactCycles
from server.demo import demo_base_model
from server.prompt import load_tokenizer
from server.settings import default_cache_dir
from server.stopping import LoopGuard, LoopSettings
from tests.bench.runaway import wait_until_up
from tests.guards.cases import Case, blind_loops
from tests.ports import free_port

CONTEXT = 4096


def stopped_by(cases: list[Case]) -> dict[str, str]:
    """What ends each of these texts: near, cycle or nothing."""
    tokenizer = load_tokenizer(demo_base_model(default_cache_dir()))
    params = RepetitionDetectionParams(**ExactCycles().model_dump(exclude={"enabled"}))
    made = {}
    for case in cases:
        ids = tokenizer.encode(case.text, add_special_tokens=False)
        if LoopGuard(LoopSettings()).feed(case.text) is not None:
            made[case.name] = "near"
        elif any(check_sequence_repetition(ids[:end], params) for end in range(1, len(ids) + 1)):
            made[case.name] = "cycle"
        else:
            made[case.name] = "nothing"
    return made


async def ask_all(url: str, cases: list[Case], max_tokens: int) -> list[tuple[str, int]]:
    """The stop kind and the tokens of each answer."""
    async with httpx.AsyncClient(base_url=url, timeout=3600) as client:

        async def ask(case: Case) -> tuple[str, int]:
            body: dict[str, Any] = {
                "model": "demo",
                "prompt": case.prompt,
                "temperature": case.temperature,
                "max_tokens": max_tokens,
            }
            reply = await client.post("/v1/completions", json=body)
            made = reply.raise_for_status().json()
            kind = made["choices"][0]["stop_detail"]["kind"]
            return kind, made["usage"]["completion_tokens"]

        return list(await asyncio.gather(*map(ask, cases)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--max-tokens", type=int, default=3072)
    args = parser.parse_args()
    cases = blind_loops()
    found = stopped_by(cases)
    print(f"{len(cases)} loops; ended within their 1,024 tokens by: {Counter(found.values())}")
    left = [case for case in cases if found[case.name] == "nothing"]
    port = free_port()
    command = [sys.executable, "-m", "server", "serve", "--model", "demo", "--port", str(port)]
    command += ["--max-model-len", str(CONTEXT), "--max-num-seqs", "32", "--dtype", "float32"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_up(url, server)
        answers = asyncio.run(ask_all(url, left, args.max_tokens))
    finally:
        server.terminate()
        server.wait(60)
    for case, (kind, tokens) in zip(left, answers, strict=True):
        print(f"{case.name}: {kind} after {tokens} tokens")
    stopped = [tokens for kind, tokens in answers if kind == "repetition"]
    print(
        f"the {len(left)} others, asked again with {args.max_tokens}: {len(stopped)} ended", end=""
    )
    print(f", after {statistics.median(stopped):.0f} tokens in the median" if stopped else "")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
