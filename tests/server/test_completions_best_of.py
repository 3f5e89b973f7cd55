"""Text completions: of several candidates those with the highest log-probability by token are returned."""

from collections import defaultdict
from dataclasses import replace

from server.engine import EngineDelta, StepLogprobs
from server.prompt import PromptRenderer
from tests.fakes import EOS, delta, ids, profile, served
from tests.server.running import running
from tests.server.test_completions import cached, complete, events


def candidate(text: str, logprob: float, index: int) -> EngineDelta:
    """A whole answer whose tokens, the end among them, are all equally likely."""
    token_ids = (*ids(text), EOS)
    steps = tuple(StepLogprobs({}, logprob) for _ in token_ids)
    return EngineDelta(index=index, token_ids=token_ids, logprobs=steps, finish_reason="stop")


async def test_the_best_by_token_are_returned(renderer: PromptRenderer) -> None:
    """Not by sum: a long answer is no worse for its length."""
    async with running(renderer) as run:
        run.engine.enqueue(
            candidate("short", -2.0, 0),
            candidate("long and likely", -1.0, 1),
            candidate("z", -3.0, 2),
        )
        run.engine.enqueue(
            candidate("p", -1.0, 0), candidate("q", -2.0, 1), candidate("r", -0.5, 2)
        )
        reply = (await complete(run, prompt=["x", "y"], n=2, best_of=3)).json()
        assert [c["text"] for c in reply["choices"]] == ["long and likely", "short", "r", "p"]
        assert [c["index"] for c in reply["choices"]] == [0, 1, 2, 3]
        assert all(c["logprobs"] is None for c in reply["choices"]), "none were asked for"
        assert reply["usage"]["completion_tokens"] == 24 + 6, "all that were generated"
        sampling = run.engine.requests[0].sampling
        assert (sampling.n, sampling.num_logprobs) == (3, 0)
        assert run.metric("endturn_stops_total", adapter="chat", kind="eos") == 6


async def test_as_many_as_are_generated_stay_in_their_order(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for stream in (False, True):
            run.engine.enqueue(
                delta("a"), delta("b", index=1), cached(0), replace(cached(0), index=1)
            )
            reply = await complete(run, prompt="x", n=2, best_of=2, stream=stream)
            assert reply.status_code == 200
            assert run.engine.requests[-1].sampling.num_logprobs is None
        texts: dict[int, str] = defaultdict(str)
        for event in events(reply.text):
            texts[event["choices"][0]["index"]] += event["choices"][0]["text"]
        assert texts == {0: "aok", 1: "bok"}


async def test_greedy_candidates_are_one(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        reply = (await complete(run, prompt="x", best_of=5, temperature=0)).json()
        assert len(reply["choices"]) == 1
        assert run.engine.requests[0].sampling.n == 1
        assert reply["usage"]["completion_tokens"] == 3


async def test_a_greedy_profile_gives_way_to_several_candidates(renderer: PromptRenderer) -> None:
    greedy = served(profile=profile(sampling={"temperature": 0.0}))
    async with running(renderer, greedy) as run:
        run.engine.enqueue(candidate("a", -2.0, 0), candidate("b", -1.0, 1))
        reply = (await complete(run, prompt="x", best_of=2)).json()
        assert run.engine.requests[0].sampling.temperature == 1.0
        assert [c["text"] for c in reply["choices"]] == ["b"]
