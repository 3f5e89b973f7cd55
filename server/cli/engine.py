"""How a command gets an engine: vLLM is imported when one is asked for, and what it lacks is said in one line."""

import os
from collections.abc import Sequence

from ..engine import StartEngine
from ..errors import StartError
from ..observing.logs import ENGINE_LOGGING_FILE
from ..parsing.port import ParserSource
from ..settings import Settings


def engine_starter(
    flags: Sequence[str], *, quiet: bool = False, more_adapters: bool = False
) -> StartEngine:
    """What starts vLLM with these flags of its own.

    Args:
        more_adapters: leave room for adapters that come while the engine runs.
        quiet: keep vLLM's log to errors, unless its own variable says otherwise.

    Raises:
        StartError: vLLM is not installed, or a flag is not one of its.
    """
    if quiet:
        # vLLM reads its level from the environment, in its other processes too.
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        from ..vllm_engine import VLLMEngine, parse_engine_flags
    except ModuleNotFoundError as exc:
        raise StartError(
            f"{exc}; install the engine: pip install 'endturn[cpu]' or 'endturn[cuda]'"
        ) from exc
    engine_flags = parse_engine_flags(flags)
    return lambda base, adapters: VLLMEngine.start(
        base.path, adapters, engine_flags, more_adapters=more_adapters
    )


def parser_source(settings: Settings) -> ParserSource:
    """What makes vLLM's parsers, after the engine's own modules were found."""
    from ..parsing.vllm_parsers import VLLMParserSource

    return VLLMParserSource(engine_reasoning=settings.reasoning_parser)


def reasoning_flags(settings: Settings) -> list[str]:
    """The engine has to know where reasoning ends: a constraint on the answer waits for it."""
    name = settings.reasoning_parser
    return [] if name is None else ["--reasoning-parser", name]


def observed_as(settings: Settings) -> list[str]:
    """Let vLLM log and trace as the server does: the flags for it. Its other processes read the environment."""
    if settings.log_format == "json":
        os.environ.setdefault("VLLM_LOGGING_CONFIG_PATH", str(ENGINE_LOGGING_FILE))
    if settings.otlp_traces_endpoint is None:
        return []
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    os.environ.setdefault("OTEL_SERVICE_NAME", "endturn")
    return ["--otlp-traces-endpoint", settings.otlp_traces_endpoint]
