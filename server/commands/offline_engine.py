"""An engine for a command, without HTTP: started with room for its adapters, and stopped whatever happens."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.base_files import BaseFiles

from ..engine import Engine, StartEngine
from ..hosting import AdapterSlots
from ..interruption import interruptible
from ..prompt import PromptRenderer
from ..served_model import ServedModel

TEMPLATE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class OfflineEngine:
    """The parts a command asks with. A lease of `slots` keeps an adapter's weights in the engine."""

    engine: Engine
    renderer: PromptRenderer
    slots: AdapterSlots


@asynccontextmanager
async def offline_engine(
    base: BaseFiles, models: Sequence[ServedModel], start_engine: StartEngine
) -> AsyncIterator[OfflineEngine]:
    """The engine on `base` and what renders prompts for it; equal weights of two models are loaded once.

    Raises:
        StartError: the engine cannot start.
    """
    weights = {m.adapter.key: m.adapter for m in models if m.adapter is not None}
    renderer = PromptRenderer(timeout_s=TEMPLATE_TIMEOUT_S)
    try:
        with interruptible():
            engine = start_engine(base, list(weights.values()))
        try:
            await renderer.wait_until_warm()
            yield OfflineEngine(engine, renderer, AdapterSlots(engine))
        finally:
            await engine.close()
    finally:
        renderer.close()
