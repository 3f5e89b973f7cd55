"""Which parameters of vLLM's `repetition_detection` are safe: `python -m tests.guards.repetition`, on the demo's tokenizer.

vLLM ends a request whose last tokens are one pattern `min_count` times, for any pattern of `min_pattern_size` to
`max_pattern_size` tokens. A pattern of 3 tokens is one of 60 too, so the sizes looked at need not begin at 1: that keeps
short patterns that were asked for (`ha ha ha`), and every size looked at costs the engine time at every token.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from server.demo import demo_base_model
from server.settings import default_cache_dir

from .cases import Case, legitimate, loops


@dataclass(frozen=True, slots=True)
class Repetition:
    """vLLM's RepetitionDetectionParams."""

    min_pattern_size: int
    max_pattern_size: int
    min_count: int

    def first_stop(self, token_ids: list[int]) -> int | None:
        """After how many tokens vLLM would stop; None if never."""
        ids, stops = np.array(token_ids), []
        for size in range(self.min_pattern_size, self.max_pattern_size + 1):
            if size * self.min_count > len(ids):
                break
            differs = np.flatnonzero(ids[size:] != ids[:-size])
            # A run of equal pairs from `start` on: the pattern was said often enough after so many tokens.
            starts = np.concatenate(([0], differs + 1))
            ends = np.concatenate((differs, [len(ids) - size]))
            needed = size * (self.min_count - 1)
            long_enough = starts[ends - starts >= needed]
            if len(long_enough):
                stops.append(int(long_enough[0]) + needed + size)
        return min(stops, default=None)


RECOMMENDED = Repetition(min_pattern_size=48, max_pattern_size=63, min_count=10)
TRIED = (
    Repetition(1, 16, 64),
    Repetition(1, 64, 10),
    Repetition(32, 63, 10),
    RECOMMENDED,
    Repetition(65, 128, 4),
    Repetition(65, 128, 6),
    Repetition(97, 160, 5),
    Repetition(129, 256, 4),
)


def stopped(cases: list[Case], tokenizer: Tokenizer, params: Repetition) -> list[tuple[str, int]]:
    """The cases vLLM would stop, and after how many tokens."""
    found = []
    for case in cases:
        ids = tokenizer.encode(case.text, add_special_tokens=False).ids
        if (after := params.first_stop(ids)) is not None:
            found.append((case.name, after))
    return found


def main() -> int:
    path: Path = demo_base_model(default_cache_dir()) / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    wanted, all_loops = legitimate(), loops()
    exact = [case for case in all_loops if case.exact]
    sys.stdout.write("| sizes | count | legitimate stopped | exact loops | all loops | names |\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    for params in TRIED:
        wrong = [name for name, _ in stopped(wanted, tokenizer, params)]
        sizes = f"{params.min_pattern_size}-{params.max_pattern_size}"
        sys.stdout.write(
            f"| {sizes} | {params.min_count} | {len(wrong)} of {len(wanted)} "
            f"| {len(stopped(exact, tokenizer, params))} of {len(exact)} "
            f"| {len(stopped(all_loops, tokenizer, params))} of {len(all_loops)} "
            f"| {json.dumps(wrong[:6])} |\n"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
