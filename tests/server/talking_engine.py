"""An engine that has an answer to every request: choices, log-probabilities and limits as they are asked for, texts in turn."""

from collections.abc import AsyncGenerator, Iterator
from itertools import cycle, zip_longest

from server.engine import EngineDelta, EngineRequest, PromptFacts, StepLogprobs
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
        end = IM_END if index % 2 else EOS
        tokens = [*ids(text), end][: request.sampling.max_tokens]
        ends_itself = tokens[-1] == end
        deltas = []
        for place, token_id in enumerate(tokens):
            is_last = place == len(tokens) - 1
            deltas.append(
                EngineDelta(
                    index=index,
                    token_ids=(token_id,),
                    logprobs=_step(token_id, request.sampling.num_logprobs),
                    finish_reason=("stop" if ends_itself else "length") if is_last else None,
                    prompt=_facts(request) if place == 0 else None,
                )
            )
        return deltas


def _step(token_id: int, number: int | None) -> tuple[StepLogprobs, ...]:
    if number is None:
        return ()
    others = [other for other in range(32, 32 + number) if other != token_id]
    top = {token_id: -0.1} | {other: -1.0 - place for place, other in enumerate(others)}
    return (StepLogprobs(dict(list(top.items())[:number]), -0.1, 1),)


def _facts(request: EngineRequest) -> PromptFacts:
    number = request.sampling.num_prompt_logprobs
    if number is None:
        return PromptFacts(num_cached_tokens=0)
    steps = [step for token_id in request.prompt_token_ids for step in _step(token_id, number)]
    return PromptFacts(num_cached_tokens=0, logprobs=(None, *steps[1:]))
