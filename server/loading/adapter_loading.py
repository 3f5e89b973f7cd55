"""Adapters into the engine, before anyone can ask for one; the metrics know them from then on."""

from collections.abc import Sequence

from ..engine import Engine, EngineAdapter
from ..observing.metrics import Metrics
from ..served_model import ServedModel


async def load_adapters(engine: Engine, models: Sequence[ServedModel], metrics: Metrics) -> None:
    """Load each adapter's weights, equal ones once, and tell the metrics of every model.

    Raises:
        StartError: the engine cannot take the weights.
    """
    names: dict[EngineAdapter, list[str]] = {}
    for model in models:
        metrics.expect(model.label)
        metrics.adapters.learn(model)
        if model.adapter is not None:
            names.setdefault(model.adapter, []).append(model.label)
    for adapter, labels in names.items():
        with metrics.adapters.loading(labels):
            await engine.add_adapter(adapter)
