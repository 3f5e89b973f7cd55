"""The `endturn` command. Heavy imports wait until a command runs, so that `--help` is instant."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from .. import __version__
from ..errors import StartError
from ..settings import ENV_PREFIX, Settings, read_settings
from .adapters import calibrate, convert, inspect, run_command, verify
from .engine import engine_starter, observed_as, parser_source, reasoning_flags
from .key import key
from .top import top

if TYPE_CHECKING:
    from ..observing.tracing import RequestTracer

app = typer.Typer(
    name="endturn",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# vLLM's name for our --adapter, so that a `vllm serve` command line carries over.
LORA_MODULES = "--lora-modules"
# vLLM wants it beside --tool-call-parser; here the parser is enough.
AUTO_TOOL_CHOICE = "--enable-auto-tool-choice"


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"endturn {__version__}")
        raise typer.Exit


@app.callback()
def endturn(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Serve base models with LoRA adapters as chat, with every answer ending where it should."""


def _option(name: str, field: FieldInfo) -> Parameter:
    """The command line option of one setting; its default stays where it is written, in Settings."""
    many = get_origin(field.annotation) is tuple
    default = (
        ""
        if field.is_required() or field.default_factory or many
        else f" [default: {field.default}]"
    )
    if field.annotation is bool:
        names, kind = [f"--{name.replace('_', '-')}/--no-{name.replace('_', '-')}"], _plain(field)
    else:
        names = [f"--{name.replace('_', '-')}"]
        kind = list[str] | None if many else _plain(field)
    text = f"{field.description}{default} [env: {ENV_PREFIX}{name.upper()}]"
    option = typer.Option(None, *names, help=text, show_default=False)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=option, annotation=kind)


def _plain(field: FieldInfo) -> Any:
    """Numbers and switches are parsed by typer, everything else stays text for Settings to judge."""
    kinds = {field.annotation, *get_args(field.annotation)}
    if bool in kinds:
        return bool | None
    if int in kinds:
        return int | None
    return float | None if float in kinds else str | None


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    options = [
        _option(name, field)
        for name, field in Settings.model_fields.items()
        if name != "engine_args"
    ]
    command.__signature__ = Signature([context, *options])  # type: ignore[attr-defined]  # read by typer
    command.__annotations__ = {p.name: p.annotation for p in [context, *options]}
    return command


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@_with_settings
def serve(context: typer.Context, **given: Any) -> None:
    """Serve a base model and its adapters over an OpenAI-compatible API.

    Every flag of vLLM's engine works too (--max-model-len, --tensor-parallel-size, ...); so do --served-model-name,
    --lora-modules, --chat-template, --tool-call-parser, --reasoning-parser and --api-key as `vllm serve` spells them, and the model as first argument.
    """
    flags = {name: value for name, value in given.items() if value not in (None, [])}
    run_command(lambda: _serve(flags, list(context.args)))


def _serve(flags: dict[str, Any], extra: list[str]) -> int:
    if extra and not extra[0].startswith("-") and "model" not in flags:
        flags["model"] = extra.pop(0)
    extra = _take_aliases(flags, extra)
    settings = read_settings(flags)
    if AUTO_TOOL_CHOICE in extra:
        extra.remove(AUTO_TOOL_CHOICE)
        if settings.tool_call_parser is None:
            raise StartError(f"{AUTO_TOOL_CHOICE} needs --tool-call-parser NAME")

    from ..observing.logs import configure_logging

    configure_logging(settings.log_level, settings.log_format)
    flags_for_vllm = [*settings.engine_args, *extra, *observed_as(settings)]
    start = engine_starter(
        [*flags_for_vllm, *reasoning_flags(settings)], more_adapters=settings.adapters_change
    )
    from prometheus_client import REGISTRY

    from ..serving import serve as serve_until_stopped

    with _tracers(settings) as tracers:
        return asyncio.run(
            serve_until_stopped(settings, start, REGISTRY, tracers, parser_source(settings))
        )


@contextmanager
def _tracers(settings: Settings) -> Iterator[list["RequestTracer"]]:
    """What sends traces, where they are asked for; OpenTelemetry is not imported otherwise."""
    if settings.otlp_traces_endpoint is None:
        yield []
        return
    from ..observing.tracing import RequestTracer

    tracer = RequestTracer(settings.otlp_traces_endpoint)
    try:
        yield [tracer]
    finally:
        tracer.close()


def _take_aliases(flags: dict[str, Any], extra: list[str]) -> list[str]:
    """Move vLLM's names for our settings out of the engine's flags; `--lora-modules` takes several values."""
    left: list[str] = []
    taking = False
    for word in extra:
        name, equals, value = word.partition("=")
        if name == LORA_MODULES:
            taking, value = True, value if equals else ""
        elif taking and not word.startswith("-"):
            value = word
        else:
            taking = False
            left.append(word)
            continue
        if value:
            flags["adapter"] = [*flags.get("adapter", []), value]
    return left


for command in (inspect, convert, calibrate, top, key):
    app.command()(command)
app.command(context_settings={"ignore_unknown_options": True})(verify)


def main() -> None:
    """Entry point of the console script."""
    app(sys.argv[1:], prog_name="endturn")
