"""The short form of tests/bench/runaway_load.py: what clients counted is what /metrics says, to the token."""

import asyncio
import time

import httpx2 as httpx
import pytest

from tests.bench.load_clients import differences, drive, scrape, settled
from tests.engine.conftest import Process

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

SECONDS = 12


def test_clients_and_metrics_count_the_same(process: Process) -> None:
    async def count() -> tuple[list[str], list[str], int]:
        async with httpx.AsyncClient(base_url=process.url, timeout=60) as http:
            before = scrape(await settled(http))
            until_s = time.monotonic() + SECONDS
            counted = await drive(process.url, clients=6, until_s=until_s, cap=24)
            after = scrape(await settled(http))
        kinds = {labels[1] for name, labels in counted.values if name == "endturn_stops_total"}
        assert {"max_tokens", "calibrated"} <= kinds
        return differences(counted, before, after), counted.failures, counted.num_answers

    wrong, failures, num_answers = asyncio.run(count())
    assert failures == []
    assert num_answers >= 6
    assert wrong == []
