"""Held-out questions put to one served model as the product puts them: rendered, planned, generated, 16 at once.

A question the template or the engine refuses is one failure and the rest goes on; a dead engine ends everything.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

import orjson

from ..engine import Engine, EngineDelta, EngineRequest
from ..errors import EngineDeadError, RequestError, Unavailable
from ..finish import Finish
from ..generation import generate
from ..observing.request_record import RequestRecord
from ..prompt import PromptRenderer
from ..sampling import GenerationPlan, plan_generation
from ..schema.chat import ChatCompletionRequest
from ..schema.request_body import parse_body
from ..served_model import ServedModel
from .question import Failure, Prepared, Prompt, Question
from .replay import unended
from .run import GUARDS_OFF, GUARDS_ON, Answer, Run, Variant

NUM_AT_ONCE = 16


Told = Callable[[], None]
T = TypeVar("T")


class Asker:
    """Asks one model. `cap` is the max_tokens of every request."""

    def __init__(
        self,
        engine: Engine,
        renderer: PromptRenderer,
        model: ServedModel,
        *,
        cap: int,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._renderer = renderer
        self.model = model
        self._cap = cap
        self._seed = seed
        self._clock = clock

    async def prepare(self, asked: Sequence[Question]) -> Prepared:
        """Render every question, and leave out those that cannot be asked."""
        prompts: list[Prompt] = []
        refused: list[Failure] = []

        async def prepare_one(question: Question) -> None:
            try:
                prompt = await self._render(question)
                self.plan(prompt, GUARDS_ON)
                prompts.append(prompt)
            except RequestError as exc:
                refused.append(Failure(question.line, exc.message))

        await _each(asked, prepare_one)
        return Prepared(
            prompts=tuple(sorted(prompts, key=lambda prompt: prompt.index)),
            refused=tuple(sorted(refused, key=lambda failure: failure.line)),
        )

    def plan(self, prompt: Prompt, variant: Variant) -> GenerationPlan:
        """What the product would do with this request.

        Raises:
            InvalidRequest: it would refuse it.
        """
        return plan_generation(
            self._request(prompt.question, variant),
            self.model,
            num_prompt_tokens=len(prompt.token_ids),
            max_model_len=self._engine.max_model_len,
        )

    async def warm_up(self, prompts: Sequence[Prompt]) -> None:
        """Ask for one token of every answer: no timed run then finds a prefix in the cache that an earlier one did not."""

        async def first_token(prompt: Prompt) -> None:
            plan = self.plan(prompt, GUARDS_ON)
            plan = replace(plan, sampling=replace(plan.sampling, max_tokens=1, min_tokens=0))
            try:
                await self._collect(prompt, plan)
            except RequestError:
                return  # it will fail again where it is counted

        await _each(prompts, first_token)

    async def ask(self, prompts: Sequence[Prompt], variant: Variant, told: Told) -> Run:
        """Ask everything in one way.

        Args:
            told: called after every answer.

        Raises:
            EngineDeadError: the engine died.
        """
        answers: dict[int, Answer] = {}
        failures: list[Failure] = []

        async def ask_one(prompt: Prompt) -> None:
            try:
                answers[prompt.index] = await self._answer(prompt, self.plan(prompt, variant))
            except RequestError as exc:
                failures.append(Failure(prompt.question.line, exc.message))
            told()

        started = self._clock()
        await _each(prompts, ask_one)
        return Run(
            variant=variant,
            answers=answers,
            failures=tuple(failures),
            seconds=self._clock() - started,
        )

    async def record(
        self, prompts: Sequence[Prompt], told: Told
    ) -> Mapping[int, tuple[EngineDelta, ...]]:
        """The engine's own streams without guards, with the log-probabilities that the stop head reads. None that failed.

        They end only where both the guards and plain vLLM would end them.

        Raises:
            EngineDeadError: the engine died.
        """
        recorded: dict[int, tuple[EngineDelta, ...]] = {}

        async def record_one(prompt: Prompt) -> None:
            try:
                plan = unended(self.plan(prompt, GUARDS_ON), self.plan(prompt, GUARDS_OFF))
                recorded[prompt.index] = await self._collect(prompt, plan)
            except RequestError:
                return
            finally:
                told()

        await _each(prompts, record_one)
        return recorded

    async def _render(self, question: Question) -> Prompt:
        request = self._request(question, GUARDS_ON)
        token_ids = await self._renderer.render_chat(
            self.model,
            request.messages,
            add_generation_prompt=request.add_generation_prompt,
            continue_final_message=request.continue_final_message,
            template_kwargs=request.chat_template_kwargs,
        )
        return Prompt(question=question, token_ids=tuple(token_ids))

    def _request(self, question: Question, variant: Variant) -> ChatCompletionRequest:
        """Greedy, unless the profile or the variant says otherwise; then every way to ask draws the same numbers."""
        greedy = {} if self.model.profile_sampling.temperature is not None else {"temperature": 0}
        body = {
            "model": self.model.name,
            "messages": [{"role": m.role, "content": m.content} for m in question.messages],
            "max_tokens": self._cap,
            "seed": self._seed + question.index,
            **greedy,
            **variant.fields,
        }
        return parse_body(orjson.dumps(body), ChatCompletionRequest)

    async def _answer(self, prompt: Prompt, plan: GenerationPlan) -> Answer:
        pieces: list[str] = []
        finish: Finish | None = None
        request = self._engine_request(prompt, plan)
        stream = generate(self._engine, request, plan, self.model.tokenizer, RequestRecord())
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                pieces.append(delta.text)
                finish = delta.finish
        if finish is None:
            raise EngineDeadError("the engine ended a stream without a finish")
        return Answer(text="".join(pieces), finish=finish)

    async def _collect(self, prompt: Prompt, plan: GenerationPlan) -> tuple[EngineDelta, ...]:
        async with aclosing(self._engine.generate(self._engine_request(prompt, plan))) as stream:
            deltas = tuple([delta async for delta in stream])
        if not deltas or deltas[-1].finish_reason is None:
            raise EngineDeadError("the engine ended a stream without a finish")
        if deltas[-1].finish_reason in ("abort", "error"):
            raise Unavailable("the engine gave up this answer", code="aborted")
        return deltas

    def _engine_request(self, prompt: Prompt, plan: GenerationPlan) -> EngineRequest:
        return EngineRequest(
            request_id=uuid.uuid4().hex,
            prompt_token_ids=list(prompt.token_ids),
            sampling=plan.sampling,
            adapter=self.model.adapter,
        )


async def _each(things: Sequence[T], do: Callable[[T], Awaitable[None]]) -> None:
    """`do` every one of them, NUM_AT_ONCE at a time; the first error ends them all."""
    left = iter(things)

    async def work() -> None:
        for thing in left:
            await do(thing)

    workers = [asyncio.create_task(work()) for _ in range(min(NUM_AT_ONCE, len(things)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
