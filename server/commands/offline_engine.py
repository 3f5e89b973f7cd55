"""An engine for a command, without HTTP: started with its adapters loaded and templates ready, and stopped whatever happens."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from adapters.base_files import BaseFiles

from ..engine import Engine, StartEngine
from ..prompt import PromptRenderer
from ..served_model import ServedModel

TEMPLATE_TIMEOUT_S = 5.0


@asynccontextmanager
async def offline_engine(
    base: BaseFiles, models: Sequence[ServedModel], start_engine: StartEngine
) -> AsyncIterator[tuple[Engine, PromptRenderer]]:
    """The engine on `base` and what renders prompts for it; equal weights of two models are loaded once.

    Raises:
        StartError: the engine cannot start, or refuses an adapter.
    """
    weights = {m.adapter.key: m.adapter for m in models if m.adapter is not None}
    renderer = PromptRenderer(timeout_s=TEMPLATE_TIMEOUT_S)
    try:
        engine = start_engine(base, list(weights.values()))
        try:
            for adapter in weights.values():
                await engine.add_adapter(adapter)
            await renderer.wait_until_warm()
            yield engine, renderer
        finally:
            await engine.close()
    finally:
        renderer.close()
