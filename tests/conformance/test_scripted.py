"""The rows that need no model: what the table says of endturn is what it does over a scripted engine."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from server.prompt import PromptRenderer
from tests.fakes import served
from tests.server.running import Running, running

from .error_features import KEY
from .feature import Feature
from .features import FEATURES
from .servers import client_of, verdict_of
from .table import read_results, recorded

pytestmark = pytest.mark.asyncio(loop_scope="module")
SCRIPTED = [feature for feature in FEATURES if feature.needs == "scripted"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(renderer: PromptRenderer) -> AsyncIterator[Running]:
    models = (served("demo", profile=None), served("smollm2", profile=None), served("pydoc"))
    async with running(renderer, *models, api_key=(KEY,)) as made:
        yield made


@pytest.mark.parametrize("feature", SCRIPTED, ids=lambda feature: feature.key)
async def test_it_does_what_the_table_says(server: Running, feature: Feature) -> None:
    with client_of(str(server.client.base_url)) as client:
        verdict = await asyncio.to_thread(verdict_of, client, feature)
    assert verdict == recorded(read_results(), "endturn", feature)
