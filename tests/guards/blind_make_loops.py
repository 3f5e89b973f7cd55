"""Generate the texts of the blind set: `python -m tests.guards.blind_make_loops OUT [--max-tokens 1024]`.

The demo's base without an adapter, on vLLM: every prompt greedily, and once at one of two temperatures. Only the model's own EOS
ends a text before the limit, and texts that ended so are left out. OUT gets one JSON object a line: name, prompt, temperature, text.
float32, because many CPUs compute bfloat16 several times slower. `--skip N` goes on where a run was cut short.

What is kept is from a run that was ended after 128 of its 180 requests: all 90 greedy ones, 38 of the warmer pass; 3 ended by
themselves. Each of the 125 texts was read whole, with literal repeats and counters folded, by someone who had not seen the guard. A loop
says at its end the same, or the same but for a counter or a few swapped words, and brought nothing new for at least its last third:
122 texts, blind_loops.jsonl. `kind` is exact where that comes back character for character, near where a counter or words change.
`onset` is where the text begins to say again what it has said. Three could not be decided: blind_unsure.jsonl, which counts for
neither side. None still brought new things at the limit.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server.demo import demo_base_model
from server.settings import default_cache_dir
from tests.guards.blind_prompts import BLIND_PROMPTS

WARM = (0.4, 0.7)
BATCH = 32


def requests() -> list[dict[str, Any]]:
    """Every text to make: its name, prompt and temperature. Prompts take turns in the warmer pass."""
    numbered = [
        (f"{kind}-{number}", prompt)
        for kind, prompts in BLIND_PROMPTS.items()
        for number, prompt in enumerate(prompts, 1)
    ]
    greedy = [(name, prompt, 0.0) for name, prompt in numbered]
    warm = [(name, prompt, WARM[turn % 2]) for turn, (name, prompt) in enumerate(numbered)]
    return [
        {"name": f"{name}-t{temperature:g}", "prompt": prompt, "temperature": temperature}
        for name, prompt, temperature in greedy + warm
    ]


def generate(asked: list[dict[str, Any]], max_tokens: int) -> Iterator[dict[str, Any]]:
    """The rows that ran to the limit, with `text`, a batch at a time."""
    from vllm import LLM, SamplingParams

    engine = LLM(
        model=str(demo_base_model(default_cache_dir())),
        max_model_len=max_tokens + 256,
        max_num_seqs=BATCH,
        dtype="float32",
        enforce_eager=True,
        kv_cache_memory_bytes=1 << 30,
        seed=0,
    )
    for start in range(0, len(asked), BATCH):
        rows = asked[start : start + BATCH]
        outputs = engine.generate(
            [row["prompt"] for row in rows],
            [
                SamplingParams(
                    temperature=row["temperature"], max_tokens=max_tokens, seed=start + index
                )
                for index, row in enumerate(rows)
            ],
        )
        for row, output in zip(rows, outputs, strict=True):
            choice = output.outputs[0]
            if choice.finish_reason == "length":
                yield {**row, "text": choice.text}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--max-tokens", type=int, default=1024)
    parser.add_argument("--skip", type=int, default=0, help="requests made by a run cut short")
    args = parser.parse_args()
    with args.out.open("w", encoding="utf-8") as out:
        for row in generate(requests()[args.skip :], args.max_tokens):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
