"""Generate the runaway texts that loops.jsonl is chosen from: `python -m tests.guards.make_loops OUT [--max-tokens 640]`.

The demo's base and its adapter as trained, on vLLM, with nothing that ends an answer but the cap: greedy and at low
temperatures. OUT gets one JSON object a line: name, prompt, temperature, text, token_ids. A person then reads the tails; loops.jsonl
holds those that bring nothing new. Left out were answers that ended by themselves, and talk that goes on to other things.

Base and adapter share batches, and vLLM's CPU build computes the base's rows of such a batch with the adapter too: from the
second batch on the base's texts are the adapter's to prompts it was not made for.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.rendering import TemplateProcess
from server.demo import DEMO_ADAPTER, demo_base_model, demo_template
from server.settings import default_cache_dir
from tests.guards.prompts import BASE_PROMPTS, CHAT_PROMPTS

# Temperature and repetition penalty. The second pass asks some again with a little chance: near loops, not exact ones.
PASSES = ((0.0, 1.0), (0.4, 1.03))
MAX_SECOND = 5
BATCH = 32


def requests() -> list[dict[str, Any]]:
    """Every text to make: its name, prompt, temperature, repetition penalty, and whether the adapter answers."""
    made = []
    for second, (temperature, penalty) in enumerate(PASSES):
        for kind, prompts in {**BASE_PROMPTS, "pydoc": CHAT_PROMPTS}.items():
            for number, prompt in enumerate(prompts[: MAX_SECOND if second else None], 1):
                made.append(
                    {
                        "name": f"{kind}-{number}-t{temperature:g}",
                        "prompt": prompt,
                        "temperature": temperature,
                        "penalty": penalty,
                        "chat": kind == "pydoc",
                    }
                )
    return made


def generate(asked: list[dict[str, Any]], max_tokens: int) -> Iterator[dict[str, Any]]:
    """The rows with `text` and `token_ids`, a batch at a time."""
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    engine = LLM(
        model=str(demo_base_model(default_cache_dir())),
        max_model_len=1024,
        max_num_seqs=BATCH,
        enforce_eager=True,
        enable_lora=True,
        max_lora_rank=16,
        kv_cache_memory_bytes=1 << 30,
        seed=0,
    )
    adapter = LoRARequest("pydoc", 1, str(DEMO_ADAPTER))
    for start in range(0, len(asked), BATCH):
        rows = asked[start : start + BATCH]
        outputs = engine.generate(
            _prompts(rows),
            [
                SamplingParams(
                    temperature=row["temperature"],
                    repetition_penalty=row["penalty"],
                    max_tokens=max_tokens,
                    ignore_eos=row["chat"],
                    seed=start + index,
                )
                for index, row in enumerate(rows)
            ],
            lora_request=[adapter if row["chat"] else None for row in rows],
        )
        for row, output in zip(rows, outputs, strict=True):
            choice = output.outputs[0]
            yield {**row, "text": choice.text, "token_ids": list(choice.token_ids)}


def _prompts(rows: list[dict[str, Any]]) -> list[str]:
    """Chats by the template the adapter was trained with; the tokenizer puts <bos> first."""
    template, options = demo_template(), {"add_generation_prompt": True, "bos_token": ""}
    with TemplateProcess() as process:
        return [
            process.render(template, [{"role": "user", "content": row["prompt"]}], options)
            if row["chat"]
            else row["prompt"]
            for row in rows
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--max-tokens", type=int, default=640)
    args = parser.parse_args()
    with args.out.open("w", encoding="utf-8") as out:
        for row in generate(requests(), args.max_tokens):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
