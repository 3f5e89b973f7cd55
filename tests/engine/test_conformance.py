"""What the conformance table says of endturn is what it does, row by row, on the session's real engines."""

import pytest

from tests.conformance.feature import Feature, Gate
from tests.conformance.features import FEATURES
from tests.conformance.servers import client_of, verdict_of
from tests.conformance.table import read_results, recorded

from .conftest import Process

pytestmark = pytest.mark.engine


def _of(gate: Gate) -> pytest.MarkDecorator:
    features = [feature for feature in FEATURES if feature.gate == gate]
    return pytest.mark.parametrize("feature", features, ids=lambda feature: feature.key)


def _check(process: Process, feature: Feature) -> None:
    with client_of(process.url) as client:
        assert verdict_of(client, feature) == recorded(read_results(), "endturn", feature)


@_of("demo")
def test_with_the_demo(process: Process, feature: Feature) -> None:
    _check(process, feature)


@_of("smollm2")
def test_with_smollm2(smollm2: Process, feature: Feature) -> None:
    _check(smollm2, feature)
