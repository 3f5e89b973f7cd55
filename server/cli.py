"""The `endturn` command. Heavy imports wait until a command runs, so that `--help` is instant."""

import asyncio
import sys
from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from . import __version__
from .errors import StartError
from .settings import ENV_PREFIX, Settings, read_settings

app = typer.Typer(
    name="endturn",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# vLLM's name for our --adapter, so that a `vllm serve` command line carries over.
LORA_MODULES = "--lora-modules"
NOT_YET = {
    "--tool-call-parser": "tools are not served yet",
    "--reasoning-parser": "reasoning content is not served yet",
}


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


AdapterArgument = Annotated[
    str, typer.Argument(metavar="ADAPTER", help="Adapter or training run directory, or demo:NAME.")
]
BaseOption = Annotated[str, typer.Option(help="Its base model: a directory, a hub id, or 'demo'.")]
TemplateOption = Annotated[
    str | None,
    typer.Option(help="The template it was trained with: NAME, TRAINER:NAME, or a Jinja file."),
]
MergeOption = Annotated[bool, typer.Option(help="Write a standalone model instead of an adapter.")]
MaxRankOption = Annotated[
    int | None,
    typer.Option(help="Approximate a dense change of the embeddings by LoRA of this rank.", min=1),
]
InitialOption = Annotated[
    Path | None,
    typer.Option(help="The adapter that training started from (PiSSA, OLoRA, CorDA, LoftQ)."),
]


@app.command()
def inspect(
    adapter: AdapterArgument,
    base: BaseOption,
    template: TemplateOption = None,
    merge: MergeOption = False,
    max_rank: MaxRankOption = None,
    initial_adapter: InitialOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which of the known causes of runaway generation an adapter has, and what convert does about each.

    Exit status: 0 nothing to do, 1 convert mends or limits what was found, 3 it cannot be converted, 2 an error.
    """
    from .adapter_commands import AdapterQuestion, inspect_command

    question = AdapterQuestion(
        adapter=adapter,
        base=base,
        template=template,
        merge=merge,
        max_rank=max_rank,
        initial_adapter=initial_adapter,
    )
    _exit(lambda: inspect_command(question, as_json=as_json))


@app.command()
def convert(
    adapter: AdapterArgument,
    base: BaseOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to write.")],
    template: TemplateOption = None,
    merge: MergeOption = False,
    max_rank: MaxRankOption = None,
    initial_adapter: InitialOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE for the profile: temperature, max_tokens, ..."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace a converted adapter in --output.")] = False,
) -> None:
    """Turn an adapter, as a trainer wrote it, into one that serves as chat (base_to_chat)."""
    from .adapter_commands import AdapterQuestion, convert_command

    question = AdapterQuestion(
        adapter=adapter,
        base=base,
        template=template,
        merge=merge,
        max_rank=max_rank,
        initial_adapter=initial_adapter,
    )
    _exit(lambda: convert_command(question, output=output, force=force, settings=settings or []))


def _exit(run: Callable[[], int]) -> None:
    from adapters.errors import AdapterError

    try:
        status = run()
    except (StartError, AdapterError) as exc:
        typer.echo(f"endturn: {exc}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(status)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@_with_settings
def serve(context: typer.Context, **given: Any) -> None:
    """Serve a base model and its adapters over an OpenAI-compatible API.

    Every flag of vLLM's engine works too (--max-model-len, --tensor-parallel-size, ...); so do --served-model-name,
    --lora-modules, --chat-template and --api-key as `vllm serve` spells them, and the model as first argument.
    """
    flags = {name: value for name, value in given.items() if value not in (None, [])}
    _exit(lambda: _serve(flags, list(context.args)))


def _serve(flags: dict[str, Any], extra: list[str]) -> int:
    if extra and not extra[0].startswith("-") and "model" not in flags:
        flags["model"] = extra.pop(0)
    extra = _take_aliases(flags, extra)
    settings = read_settings(flags)

    from .logs import configure_logging

    configure_logging(settings.log_level)
    try:
        from .vllm_engine import VLLMEngine, parse_engine_flags
    except ModuleNotFoundError as exc:
        raise StartError(
            f"{exc}; install the engine: pip install 'endturn[cpu]' or 'endturn[cuda]'"
        ) from exc
    from prometheus_client import REGISTRY

    from .serving import serve as serve_until_stopped

    engine_flags = parse_engine_flags([*settings.engine_args, *extra])
    start = lambda base, adapters: VLLMEngine.start(base.path, adapters, engine_flags)  # noqa: E731
    return asyncio.run(serve_until_stopped(settings, start, REGISTRY))


def _take_aliases(flags: dict[str, Any], extra: list[str]) -> list[str]:
    """Move vLLM's names for our settings out of the engine's flags; `--lora-modules` takes several values."""
    left: list[str] = []
    taking = False
    for word in extra:
        name, equals, value = word.partition("=")
        if name in NOT_YET:
            raise StartError(f"{name}: {NOT_YET[name]}")
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


def main() -> None:
    """Entry point of the console script."""
    app(sys.argv[1:], prog_name="endturn")
