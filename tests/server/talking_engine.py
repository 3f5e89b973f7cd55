"""An engine that has an answer to every request: choices, log-probabilities and limits as they are asked for, texts in turn."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import cycle, islice, zip_longest

from server.engine import EngineDelta, EngineFinish, EngineRequest, PromptFacts, StepLogprobs
from tests.fakes import EOS, IM_END, ScriptedEngine, ids

# Plain, thought and calls in the markup of MarkupParsers, a role marker, a loop, nothing, and a character of four bytes.
TEXTS = (
    "ok",
    "~So be it.~Yes.",
    '@look({"q": 1})',
    "~Hm~Well @look({)@f()",
    "Hello\n\n### Human: and then?",
    "again and " * 40,
    "",
    "ü🙂",
)
NUM_TOGETHER = 16


class TalkingEngine(ScriptedEngine):
    """What was enqueued comes first."""

    def __init__(self, max_model_len: int = 1000) -> None:
        super().__init__(max_model_len)
        self._texts: Iterator[str] = cycle(TEXTS)

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        if not self._scripts:
            self.enqueue(*self._answers(request))
        async for delta in super().generate(request):
            yield delta

    def _answers(self, request: EngineRequest) -> list[EngineDelta]:
        choices = [
            self._answer(request, index, next(self._texts)) for index in range(request.sampling.n)
        ]
        steps = zip_longest(*choices)
        return [delta for step in steps for delta in step if delta is not None]

    def _answer(self, request: EngineRequest, index: int, text: str) -> list[EngineDelta]:
        sampling = request.sampling
        end = IM_END if index % 2 else EOS
        tokens = [*ids(text.ljust(sampling.min_tokens, ".")), end]
        if end not in sampling.stop_token_ids:
            tokens = list(islice(cycle(tokens), sampling.max_tokens))
        tokens = tokens[: sampling.max_tokens]
        finish: EngineFinish = "stop" if tokens[-1] in sampling.stop_token_ids else "length"
        starts = range(0, len(tokens), NUM_TOGETHER)
        return [
            EngineDelta(
                index=index,
                token_ids=tuple(tokens[start : start + NUM_TOGETHER]),
                logprobs=_steps(tokens[start : start + NUM_TOGETHER], sampling.num_logprobs),
                finish_reason=finish if start == starts[-1] else None,
                prompt=_facts(request) if start == 0 else None,
            )
            for start in starts
        ]


def _steps(token_ids: Sequence[int], number: int | None) -> tuple[StepLogprobs, ...]:
    return () if number is None else tuple(_step(token_id, number) for token_id in token_ids)


def _step(token_id: int, number: int) -> StepLogprobs:
    others = [other for other in range(32, 32 + number) if other != token_id]
    top = {token_id: -0.1} | {other: -1.0 - place for place, other in enumerate(others)}
    return StepLogprobs(dict(list(top.items())[:number]), -0.1, 1)


def _facts(request: EngineRequest) -> PromptFacts:
    steps = _steps(request.prompt_token_ids, request.sampling.num_prompt_logprobs)
    return PromptFacts(num_cached_tokens=0, logprobs=(None, *steps[1:]) if steps else ())
