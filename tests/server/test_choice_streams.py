"""Several choices as requests of their own: merged as they come, ended together, each seeded as vLLM seeds it."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from server.choice_streams import choice_id, merge_choices, single_choices
from server.engine import EngineDelta, EngineRequest, Sampling
from server.errors import EngineDeadError
from tests.fakes import delta


def request(n: int, seed: int | None = None) -> EngineRequest:
    return EngineRequest(
        request_id="r", prompt_token_ids=[1], sampling=Sampling(max_tokens=9, n=n, seed=seed)
    )


@pytest.mark.parametrize(("seed", "seeds"), [(None, [None, None]), (-5, [-5, -4])])
def test_a_choice_is_a_request_of_its_own(seed: int | None, seeds: list[int | None]) -> None:
    made = single_choices(request(2, seed))
    assert [one.request_id for one in made] == ["0_r", "1_r"] == [choice_id("r", i) for i in (0, 1)]
    assert [one.sampling.seed for one in made] == seeds
    assert {one.sampling.n for one in made} == {1}


class Fake:
    """Streams by request id; says which were left early."""

    def __init__(self, **streams: list[EngineDelta | Exception | float]) -> None:
        self.streams = {name.replace("at", "") + "_r": steps for name, steps in streams.items()}
        self.left: list[str] = []

    async def generate(self, one: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        try:
            for step in self.streams[one.request_id]:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        except (GeneratorExit, asyncio.CancelledError):
            self.left.append(one.request_id)
            raise


async def test_deltas_come_merged_with_their_choices_index() -> None:
    fake = Fake(at0=[delta("a"), 0.02, delta("b", "stop")], at1=[0.01, delta("c", "length")])
    found = [d async for d in merge_choices(single_choices(request(2)), fake.generate)]
    assert [(d.index, d.finish_reason) for d in found] == [(0, None), (1, "length"), (0, "stop")]


async def test_the_first_error_ends_all_choices() -> None:
    fake = Fake(at0=[delta("a"), 30.0], at1=[0.01, EngineDeadError("gone")])
    with pytest.raises(EngineDeadError):
        async for _ in merge_choices(single_choices(request(2)), fake.generate):
            pass
    assert fake.left == ["0_r"]


async def test_leaving_early_ends_every_choice_that_is_open() -> None:
    fake = Fake(at0=[delta("a"), 30.0], at1=[delta("b", "stop")], at2=[delta("c")] * 50)
    stream = merge_choices(single_choices(request(3)), fake.generate)
    for _ in range(3):
        await anext(stream)
    await stream.aclose()
    assert sorted(fake.left) == ["0_r", "2_r"]
    assert len(asyncio.all_tasks()) == 1


async def test_a_slow_reader_holds_the_engine_back() -> None:
    given: list[int] = []

    async def generate(_: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        for number in range(100):
            given.append(number)
            yield delta("a")

    stream = merge_choices(single_choices(request(2)), generate)
    await anext(stream)
    await asyncio.sleep(0.01)
    assert len(given) < 10
    await stream.aclose()
