"""An adapter let run on: prompts put to a real engine as the product puts them, with nothing of ours that ends an answer.

Each answer goes on to an end-of-turn id, to a role marker (what follows one is of no use) or to the cap, with the
log-probabilities that a stop head reads at every token. Knows neither fitting nor the command line.
"""

import asyncio
import uuid
from collections.abc import Callable, Container, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adapters.answer_tokens import SkippedAnswer
from adapters.prompts import OpenConversation
from adapters.runaway_ends import Generation, marker_at
from adapters.stop_features import NUM_LISTED

from ..detokenizer import Detokenizer
from ..engine import Engine, EngineRequest, StartEngine, StepLogprobs
from ..errors import MissingLogprobs, RequestError, Unavailable
from ..served_model import ServedModel
from ..verification import Asker, Question
from ..verification.question import Prompt
from ..verification.run import GUARDS_ON
from .offline_engine import offline_engine
from .verified_models import find_adapters, served_models

NUM_AT_ONCE = 16
# No id of any vocabulary: fills a list that the engine gave fewer tokens for.
NO_ID = -1
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runaways:
    """What was said, in the prompts' order, and the prompts that could not be asked."""

    base: Path
    generations: tuple[Generation, ...]
    skipped: tuple[SkippedAnswer, ...]


async def run_away(
    adapter: Path,
    base: str,
    prompts: Sequence[OpenConversation],
    start_engine: StartEngine,
    *,
    cap: int,
    seed: int,
    cache_dir: Path,
    told: Told,
) -> Runaways:
    """Start an engine, ask it everything, and stop it.

    Args:
        cap: tokens of an answer at most.
        told: how many prompts were asked, and of how many.

    Raises:
        StartError: the adapter cannot be served on this base.
        EngineDeadError: the engine died.
        AdapterError: a file is broken.
    """
    base_files, [model] = await served_models(find_adapters([str(adapter)], base), base, cache_dir)
    async with (
        offline_engine(base_files, [model], start_engine) as offline,
        offline.slots.lease(model.adapter),
    ):
        asker = Asker(offline.engine, offline.renderer, model, cap=cap, seed=seed)
        prepared = await asker.prepare(
            [
                Question(index=index, line=asked.line, messages=asked.messages, reference="")
                for index, asked in enumerate(prompts)
            ]
        )
        generations, failed = await _ask_all(offline.engine, asker, prepared.prompts, told)
    skipped = [SkippedAnswer(failure.line, failure.reason) for failure in prepared.refused]
    return Runaways(
        base=base_files.path,
        generations=tuple(generations),
        skipped=tuple(sorted([*skipped, *failed], key=lambda skip: skip.line)),
    )


async def _ask_all(
    engine: Engine, asker: Asker, prompts: Sequence[Prompt], told: Told
) -> tuple[list[Generation], list[SkippedAnswer]]:
    """NUM_AT_ONCE at a time; the first error that is not one prompt's ends them all."""
    said: dict[int, Generation] = {}
    failed: list[SkippedAnswer] = []
    left = iter(prompts)

    async def work() -> None:
        for prompt in left:
            try:
                said[prompt.index] = await _ask(engine, asker, prompt)
            except RequestError as exc:
                failed.append(SkippedAnswer(prompt.question.line, exc.message))
            told(len(said) + len(failed), len(prompts))

    workers = [asyncio.create_task(work()) for _ in range(min(NUM_AT_ONCE, len(prompts)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [said[index] for index in sorted(said)], failed


async def _ask(engine: Engine, asker: Asker, prompt: Prompt) -> Generation:
    plan = asker.plan(prompt, GUARDS_ON)
    request = EngineRequest(
        request_id=uuid.uuid4().hex,
        prompt_token_ids=list(prompt.token_ids),
        sampling=replace(plan.sampling, num_logprobs=NUM_LISTED, repetition_detection=None),
        adapter=asker.model.adapter,
    )
    recording = _Recording(asker.model)
    async with aclosing(engine.generate(request)) as deltas:
        async for delta in deltas:
            if delta.finish_reason in ("abort", "error"):
                raise Unavailable("the engine gave up this answer", code="aborted")
            if recording.feed(delta.token_ids, delta.logprobs):
                break
    return recording.generation(prompt, plan.stop_ids)


class _Recording:
    """One answer in the making."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._detokenizer = Detokenizer(model.tokenizer.tokenizer, skip_special_tokens=False)
        self._text = ""
        self._token_ids: list[int] = []
        self._pieces: list[str] = []
        self._steps: list[StepLogprobs] = []

    def feed(self, token_ids: Sequence[int], steps: Sequence[StepLogprobs]) -> bool:
        """Whether nothing more is wanted: a role marker is complete."""
        if len(steps) < len(token_ids):
            raise MissingLogprobs("the engine sent a token without its log-probabilities")
        for token_id, step in zip(token_ids, steps, strict=True):
            piece = self._detokenizer.feed(token_id)
            self._token_ids.append(token_id)
            self._pieces.append(piece)
            self._steps.append(step)
            self._text += piece
            if self._has_marker(len(piece)):
                return True
        return False

    def _has_marker(self, num_new: int) -> bool:
        """Whether the last `num_new` characters complete a role marker."""
        markers = self._model.role_markers
        tails = (self._text[-num_new - len(marker) :] for marker in markers)
        if not num_new or not any(m in tail for m, tail in zip(markers, tails, strict=True)):
            return False
        profile = self._model.profile
        in_code_too = profile is None or profile.guard.role_markers_in_code
        return marker_at(self._text, markers, in_code_too=in_code_too) is not None

    def generation(self, prompt: Prompt, stop_ids: Container[int]) -> Generation:
        model = self._model
        listed = [_listed(step) for step in self._steps]
        shape = (len(listed), NUM_LISTED)
        return Generation(
            line=prompt.question.line,
            prompt=model.tokenizer.decode(list(prompt.token_ids), skip_special_tokens=False),
            question=prompt.question.messages[-1].content,
            prompt_ids=prompt.token_ids,
            token_ids=tuple(self._token_ids),
            pieces=tuple(self._pieces),
            ids=np.array([[i for i, _ in row] for row in listed], np.int32).reshape(shape),
            logprobs=np.array([[p for _, p in row] for row in listed], np.float32).reshape(shape),
            has_ended=bool(self._token_ids) and self._token_ids[-1] in stop_ids,
        )


def _listed(step: StepLogprobs) -> list[tuple[int, float]]:
    """NUM_LISTED ids with their log-probabilities, best first; ties can make the engine's list one longer or shorter."""
    best = sorted(step.top.items(), key=lambda entry: -entry[1])[:NUM_LISTED]
    return best + [(NO_ID, -np.inf)] * (NUM_LISTED - len(best))
