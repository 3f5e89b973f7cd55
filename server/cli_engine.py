"""How a command gets an engine: vLLM is imported when one is asked for, and what it lacks is said in one line."""

import os
from collections.abc import Callable, Sequence

from adapters.base_files import BaseFiles

from .engine import Engine, EngineAdapter
from .errors import StartError


def engine_starter(
    flags: Sequence[str], *, quiet: bool = False
) -> Callable[[BaseFiles, Sequence[EngineAdapter]], Engine]:
    """What starts vLLM with these flags of its own.

    Args:
        quiet: keep vLLM's log to errors, unless its own variable says otherwise.

    Raises:
        StartError: vLLM is not installed, or a flag is not one of its.
    """
    if quiet:
        # vLLM reads its level from the environment, in its other processes too.
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        from .vllm_engine import VLLMEngine, parse_engine_flags
    except ModuleNotFoundError as exc:
        raise StartError(
            f"{exc}; install the engine: pip install 'endturn[cpu]' or 'endturn[cuda]'"
        ) from exc
    engine_flags = parse_engine_flags(flags)
    return lambda base, adapters: VLLMEngine.start(base.path, adapters, engine_flags)
