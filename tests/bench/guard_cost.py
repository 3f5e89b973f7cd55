"""What the guards cost: CPU a token of one stream, each guard by itself. `python -m tests.bench.guard_cost`.

Text is as an answer is: words of prose, one token a word. The engine's own check for cycles runs in the engine's process.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from vllm.sampling_params import RepetitionDetectionParams
from vllm.v1.core.sched.utils import check_sequence_repetition

from adapters.chat_profile import ExactCycles
from adapters.stop_features import NUM_LISTED
from adapters.stop_head import StopHead, StopHeadRecord
from server.demo import STOP_HEAD
from server.engine import StepLogprobs
from server.stopping import HeadWatch, LoopGuard, LoopSettings, StopMatcher, StopText
from server.watchdog import Watchdog

WORDS = (
    "the",
    "a",
    "of",
    "to",
    "and",
    "in",
    "is",
    "it",
    "you",
    "that",
    "he",
    "was",
    "for",
    "on",
    "are",
)
MARKERS = ("\n\n### Human:", "\n### Human:", "\n\n### Assistant:", "\n### Assistant:")


def words(number: int) -> list[str]:
    drawn = random.Random(1)
    return [f" {drawn.choice(WORDS)}" if i % 40 else "\n\nSo" for i in range(number)]


def microseconds(work: Callable[[list[str]], Any], tokens: list[str]) -> float:
    best = min(_timed(work, tokens) for _ in range(5))
    return best / len(tokens) * 1e6


def _timed(work: Callable[[list[str]], Any], tokens: list[str]) -> float:
    started = time.process_time()
    work(tokens)
    return time.process_time() - started


def matched(stops: tuple[StopText, ...]) -> Callable[[list[str]], None]:
    def work(tokens: list[str]) -> None:
        matcher = StopMatcher(stops)
        for token in tokens:
            matcher.feed(token)

    return work


def looped(tokens: list[str]) -> None:
    guard = LoopGuard(LoopSettings())
    for token in tokens:
        guard.feed(token)


def watched(tokens: list[str]) -> None:
    async def run() -> None:
        async def abort() -> None: ...

        watch = Watchdog(deadline_s=600, stall_timeout_s=120).watch(time.monotonic(), abort)
        for _ in tokens:
            watch.note_token()
        watch.close()

    asyncio.run(run())


def demo_head() -> StopHead:
    record = StopHeadRecord.model_validate_json(STOP_HEAD.read_bytes())
    return StopHead(
        token_ids=record.token_ids,
        weights=record.weights,
        bias=record.bias,
        threshold=record.threshold,
    )


def steps(head: StopHead, number: int) -> list[StepLogprobs]:
    """Lists as the engine gives them, a tenth of each tokens that the head reads."""
    drawn = random.Random(2)
    made = []
    for _ in range(number):
        ids = drawn.sample(head.token_ids, 2) + drawn.sample(range(262_144), NUM_LISTED - 2)
        made.append(StepLogprobs(top={i: -20 * drawn.random() for i in ids}, sampled=-1.0))
    return made


def judged(head: StopHead, lists: list[StepLogprobs]) -> Callable[[list[str]], None]:
    def work(tokens: list[str]) -> None:
        watch = HeadWatch(head)
        for step in lists:
            watch.feed(7, step)

    return work


def cycles(tokens: list[str]) -> None:
    values = ExactCycles().model_dump(exclude={"enabled"})
    params = RepetitionDetectionParams(**values)
    numbers = {text: i for i, text in enumerate(dict.fromkeys(tokens))}
    seen: list[int] = []
    for token in tokens:
        seen.append(numbers[token])
        check_sequence_repetition(seen, params)


def main() -> None:
    tokens = words(4000)
    markers = tuple(StopText(text, "role_marker", outside_code=True) for text in MARKERS)
    openings = tuple(StopText(text.lstrip(), "role_marker", at_start=True) for text in MARKERS[::2])
    client = StopText("\ud800\n", "stop_string")
    head = demo_head()
    guards = (
        ("role markers, and a stop with a special token", matched((*markers, *openings, client))),
        ("near loops", looped),
        ("deadline and stall", watched),
        ("stop head", judged(head, steps(head, len(tokens)))),
    )
    costs = {name: microseconds(work, tokens) for name, work in guards}
    costs["all of these"] = sum(costs.values())
    costs["role markers alone"] = microseconds(matched((*markers, *openings)), tokens)
    costs["the engine's check for cycles (its process)"] = microseconds(cycles, tokens)
    for name, cost in costs.items():
        print(f"{name}: {cost:.2f} us a token")


if __name__ == "__main__":
    main()
