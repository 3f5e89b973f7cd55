"""Two processes that take the same adapter into one cache at the same moment, many times over."""

import asyncio
import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from adapters.inspection import read_base
from server.loading.adapter_cache import check_stored, store_adapter
from server.loading.adapter_intake import take_in
from server.loading.model_source import AdapterSource
from tests.fakes import write_adapter, write_base

NUM_ROUNDS = 60


def copies(home: Path, barrier: Barrier) -> None:
    """Into a cache of its own each round, so that both are first."""
    for number in range(NUM_ROUNDS):
        barrier.wait(120)
        check_stored(store_adapter(home / "adapter", home / f"cache-{number}"))


def damaged_copies(home: Path, barrier: Barrier) -> None:
    """Both find a copy that is not whole, and both replace it."""
    for number in range(NUM_ROUNDS):
        check_stored(store_adapter(home / "adapter", home / f"cache-{number}"))
        if barrier.wait(120) == 0:
            [weights] = (home / f"cache-{number}").glob("adapters/*/adapter_model.safetensors")
            weights.write_bytes(b"")
        barrier.wait(120)
        made = store_adapter(home / "adapter", home / f"cache-{number}")
        barrier.wait(120)
        check_stored(made)


def conversions(home: Path, barrier: Barrier) -> None:
    base = read_base(home / "base")
    source = AdapterSource(name="a", path=home / "adapter")
    for number in range(NUM_ROUNDS // 6):
        barrier.wait(120)
        made = take_in(source, base, home / f"cache-{number}", home / "template")
        check_stored(asyncio.run(made).weights)


@pytest.mark.parametrize("work", [copies, damaged_copies, conversions])
def test_both_succeed_and_one_copy_is_there(
    tmp_path: Path, work: Callable[[Path, Barrier], None]
) -> None:
    write_base(tmp_path / "base")
    write_adapter(tmp_path / "adapter")
    (tmp_path / "template").write_text("{{ messages[0].content }}")
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=work, args=(tmp_path, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0]
    caches = list(tmp_path.glob("cache-*"))
    assert len(caches) >= NUM_ROUNDS // 6
    for cache in caches:
        [copy] = (cache / "adapters").iterdir()
        assert len(list(copy.iterdir())) == 2
        assert [path.name for path in cache.iterdir()] == ["adapters"]
