"""What the stop head costs: CPU of the API process, CPU of the engine, and time, for each token.

`python -m tests.bench.head_price [--streams 16] [--tokens 128] [--runs 5]`: the demo's adapter, the same prompts and
token counts with three plans in turn (A B C A B C): no log-probabilities; the 20 that the head reads, nobody reading
them; the head judging every step, at a threshold it cannot pass. Nothing else may run on the machine.
"""

import argparse
import asyncio
import gc
import os
import platform
import statistics
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from adapters.conversations import read_conversations
from adapters.stop_features import NUM_LISTED
from server.cli.engine import engine_starter
from server.commands.verified_models import find_adapters, served_models
from server.engine import Engine, EngineRequest
from server.generation import generate
from server.observing.request_record import RequestRecord
from server.prompt import PromptRenderer
from server.sampling import GenerationPlan
from server.served_model import ServedModel
from server.settings import default_cache_dir
from server.verification.asking import Asker
from server.verification.question import Prompt, questions
from server.verification.run import GUARDS_OFF

HELDOUT = Path(__file__).parents[1] / "demo" / "heldout.jsonl"
NONE, LISTED, HEAD = "no log-probabilities", "20 log-probabilities", "the stop head"
ENGINE_FLAGS = ("--max-model-len", "1024")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds for a thousand tokens."""

    api_cpu: float
    engine_cpu: float
    wall: float


def plans(plan: GenerationPlan, model: ServedModel, num_tokens: int) -> dict[str, GenerationPlan]:
    """The same request three times: nothing ends it but its token count."""
    if model.stop_head is None:
        raise SystemExit(f"{model.name} has no stop head")
    sampling = replace(plan.sampling, max_tokens=num_tokens, stop_token_ids=())
    bare = replace(plan, sampling=sampling, stop_ids={}, stop_texts=(), stop_head=None)
    listed = replace(bare, sampling=replace(sampling, num_logprobs=NUM_LISTED))
    head = replace(listed, stop_head=replace(model.stop_head, threshold=1.0))
    return {NONE: bare, LISTED: listed, HEAD: head}


async def ask_all(
    engine: Engine, model: ServedModel, prompts: list[tuple[Prompt, GenerationPlan]]
) -> int:
    """Generate for all of them at once, as the server does; the tokens that came."""

    async def ask(number: int, prompt: Prompt, plan: GenerationPlan) -> int:
        request = EngineRequest(
            request_id=f"price-{number}-{time.monotonic_ns()}",
            prompt_token_ids=list(prompt.token_ids),
            sampling=plan.sampling,
            adapter=model.adapter,
        )
        count = 0
        deltas = generate(engine, request, plan, model.tokenizer, RequestRecord())
        async with aclosing(deltas):
            async for delta in deltas:
                count = delta.num_tokens
        return count

    counts = await asyncio.gather(*(ask(i, *asked) for i, asked in enumerate(prompts)))
    return sum(counts)


def engine_seconds() -> float:
    """CPU seconds of the processes the engine runs in."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    return total


async def measure(
    engine: Engine, model: ServedModel, prompts: list[tuple[Prompt, GenerationPlan]]
) -> Cost:
    own, theirs, wall = time.process_time(), engine_seconds(), time.monotonic()
    num_tokens = await ask_all(engine, model, prompts)
    thousands = num_tokens / 1000
    return Cost(
        api_cpu=(time.process_time() - own) / thousands,
        engine_cpu=(engine_seconds() - theirs) / thousands,
        wall=(time.monotonic() - wall) / thousands,
    )


async def measure_all(arguments: argparse.Namespace) -> dict[str, list[Cost]]:
    data = read_conversations(HELDOUT, max_answers=arguments.streams, seed=0)
    adapters = find_adapters([arguments.adapter], arguments.base)
    base, [model] = await served_models(adapters, arguments.base, default_cache_dir())
    if model.adapter is None:
        raise SystemExit(f"{arguments.adapter} is not an adapter")
    renderer = PromptRenderer(timeout_s=5.0)
    engine = engine_starter(ENGINE_FLAGS, quiet=True)(base, [model.adapter])
    try:
        await engine.add_adapter(model.adapter)
        asker = Asker(engine, renderer, model, cap=arguments.tokens)
        prompts = (await asker.prepare(questions(data.conversations))).prompts
        by_variant: dict[str, list[tuple[Prompt, GenerationPlan]]] = {
            NONE: [],
            LISTED: [],
            HEAD: [],
        }
        for prompt in prompts:
            made = plans(asker.plan(prompt, GUARDS_OFF), model, arguments.tokens)
            for name, plan in made.items():
                by_variant[name].append((prompt, plan))
        gc.collect()
        gc.freeze()  # as the server does
        found: dict[str, list[Cost]] = {name: [] for name in by_variant}
        await ask_all(engine, model, by_variant[NONE])  # the first run pays for what is made lazily
        for _ in range(arguments.runs):
            for name, ready in by_variant.items():
                found[name].append(await measure(engine, model, ready))
        return found
    finally:
        await engine.close()
        renderer.close()


def table(found: Mapping[str, list[Cost]]) -> list[str]:
    """Medians, with the lowest and the highest run."""

    def cell(costs: list[Cost], field: str) -> str:
        values = sorted(getattr(cost, field) for cost in costs)
        return f"{statistics.median(values):.3f} ({values[0]:.3f} to {values[-1]:.3f})"

    lines = [
        "| a thousand tokens | API process, CPU s | engine, CPU s | time, s |",
        "|---|---|---|---|",
    ]
    for name, costs in found.items():
        cells = (cell(costs, field) for field in ("api_cpu", "engine_cpu", "wall"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    pairs = zip(found[NONE], found[HEAD], strict=True)
    ratios = sorted(plain.wall / head.wall for plain, head in pairs)
    lines.append(
        f"\ntokens a second with the head, against without, run by run: "
        f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
    )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--base", default="demo")
    parser.add_argument("--adapter", default="demo:pydoc")
    arguments = parser.parse_args()
    found = asyncio.run(measure_all(arguments))
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, {arguments.streams} streams, {time.strftime('%Y-%m-%d')}"
    )
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
