"""Several choices of one request as engine requests of their own, merged into one stream: so each can be aborted alone.

vLLM fans `n` out in the same way: the same prompt, found in the prefix cache, and `seed + index`. Several prompts of one
request are merged here too.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

import anyio

from .engine import EngineDelta, EngineRequest

Item = TypeVar("Item")
GenerateOne = Callable[[EngineRequest], AsyncGenerator[EngineDelta, None]]


def choice_id(request_id: str, index: int) -> str:
    """The engine's id for one choice of a request."""
    return f"{index}_{request_id}"


def single_choices(request: EngineRequest) -> list[EngineRequest]:
    """`request` as one request a choice."""
    sampling = request.sampling
    return [
        replace(
            request,
            request_id=choice_id(request.request_id, index),
            sampling=replace(
                sampling, n=1, seed=None if sampling.seed is None else sampling.seed + index
            ),
        )
        for index in range(sampling.n)
    ]


async def merge_choices(
    requests: Sequence[EngineRequest], generate: GenerateOne
) -> AsyncGenerator[EngineDelta, None]:
    """The deltas of all `requests` as they come, each with its place in the list as index; see `merge_streams`."""
    async with aclosing(merge_streams([generate(request) for request in requests])) as merged:
        async for index, delta in merged:
            yield replace(delta, index=index)


async def merge_streams(
    streams: Sequence[AsyncGenerator[Item, None]],
) -> AsyncGenerator[tuple[int, Item], None]:
    """What all `streams` give as it comes, each with the place of its stream in the list.

    The first error ends it. Leaving early ends every stream.
    """
    # No longer than this: where the reader is slow, the engine merges what waits.
    ready: asyncio.Queue[tuple[int, Item] | Exception | None] = asyncio.Queue(maxsize=len(streams))

    async def pump(place: int, stream: AsyncGenerator[Item, None]) -> None:
        try:
            async with aclosing(stream) as items:
                async for item in items:
                    await ready.put((place, item))
            await ready.put(None)
        except Exception as exc:  # noqa: BLE001  (raised again below, in the reader's task)
            await ready.put(exc)

    pumps = [asyncio.create_task(pump(*numbered)) for numbered in enumerate(streams)]
    num_open = len(pumps)
    try:
        while num_open:
            item = await ready.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                num_open -= 1
            else:
                yield item
    finally:
        for task in pumps:
            task.cancel()
        # A cancelled scope cancels every await in it; the choices have to reach their ends all the same.
        with anyio.CancelScope(shield=True):
            await asyncio.gather(*pumps, return_exceptions=True)
