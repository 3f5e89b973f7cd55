"""Requests made of the OpenAPI document by schemathesis: none fails, hangs or is answered other than described.

`make schemathesis` sends 5,000.
"""

import pytest

from server.prompt import PromptRenderer
from tests.server.fuzz_tally import REASONS
from tests.server.fuzzing import fuzz

NUM_REQUESTS = 200


@pytest.mark.timeout(600)
async def test_generated_requests(renderer: PromptRenderer) -> None:
    tallies = await fuzz(renderer, NUM_REQUESTS, seed=0)
    problems = [problem for tally in tallies.values() for problem in tally.problems]
    assert problems == []
    assert sum(tally.sent for tally in tallies.values()) >= NUM_REQUESTS
    for label, tally in tallies.items():
        # Right and wrong ones both came; what has no body cannot be wrong.
        assert tally.valid, label
        assert tally.valid < tally.sent or tally.sent < NUM_REQUESTS / 10, label
    refused = sum(sum(tally.reasons.values()) for tally in tallies.values())
    valid = sum(tally.valid for tally in tallies.values())
    assert refused < valid / 2, "most of what is valid is answered"
    assert len({reason.name for reason in REASONS}) == len(REASONS)
