"""The short form of tests/bench/soak.py: requests, bad requests, streams that are left, adapters that come and go, all at once."""

import asyncio

import pytest

from tests.bench.soak import problems, soak
from tests.engine.conftest import Process

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

SECONDS = 20


def test_nothing_is_lost_and_nothing_left_over(process: Process) -> None:
    root = process.adapter_root / "soak"
    root.mkdir()
    outcomes, states, left = asyncio.run(
        soak(process.url, process.popen.pid, root, seconds=SECONDS, clients=8)
    )
    assert problems(outcomes, states, left) == []
    kinds = {what.partition(":")[0] for what in outcomes.counts}
    assert {"whole", "stream", "coming", "bad", "load"} <= kinds
    assert outcomes.counts["load: done"] >= 1
