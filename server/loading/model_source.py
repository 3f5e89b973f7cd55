"""What `--model` and `--adapter` may say -> directories on this machine: a path, a hub id, the demo, or another source."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from adapters.base_to_chat import ProfileSettings

from ..demo import DEMO, DEMO_ADAPTER, DEMO_ADAPTERS, DEMO_SETTINGS, demo_base_model
from ..errors import StartError
from ..sources import SourceRules, fetch, shown_source
from ..sources.file_kinds import SMALL_FILES, WEIGHTS
from .cache_errors import cache_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSource:
    """One adapter to serve. `convert`: a raw one goes through base_to_chat first, with these `settings` in its profile."""

    name: str
    path: Path
    convert: bool = True
    settings: ProfileSettings = field(default_factory=ProfileSettings)


def resolve_base(
    model: str, cache_dir: Path, *, flag: str = "--model", weights: bool = True
) -> Path:
    """The directory of the base model, fetched or converted first where needed; `weights` says if they are.

    Raises:
        StartError: there is no such model, or it cannot be had.
    """
    if model == DEMO:
        return _demo_base(cache_dir)
    path = _directory(model)
    if path is not None:
        return path
    if model.startswith((".", "~", "/")):
        raise StartError(f"{flag} {model}: no such directory")
    patterns = [*SMALL_FILES, *(WEIGHTS if weights else ())]
    try:
        return Path(snapshot_download(model, allow_patterns=patterns))
    except HFValidationError as exc:
        raise StartError(f"{flag} {model}: neither a directory nor a hub id ({exc})") from exc
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as exc:
        raise StartError(
            f"{flag} {model}: no such directory, and the hub has not got it ({exc})"
        ) from exc


def resolve_adapters(
    entries: tuple[str, ...],
    *,
    model: str,
    convert: bool = True,
    rules: SourceRules | None = None,
) -> list[AdapterSource]:
    """The adapters of `--adapter NAME=SOURCE`; the demo's own come with its base. Blocking.

    Args:
        rules: limits of what is fetched; without them only directories are taken.

    Raises:
        StartError: a source cannot be had, or a name is given twice.
    """
    if not entries and model == DEMO:
        entries = tuple(f"{name}={DEMO}:{name}" for name in DEMO_ADAPTERS)
    sources: dict[str, AdapterSource] = {}
    for entry in entries:
        name, _, where = entry.partition("=")
        if name in sources:
            raise StartError(
                f"--adapter {name}={shown_source(where)}: the name {name!r} is given twice"
            )
        try:
            sources[name] = adapter_source(name, where, convert=convert, rules=rules)
        except StartError as exc:
            raise StartError(f"--adapter {name}={exc}") from exc
    return list(sources.values())


def adapter_source(
    name: str,
    where: str,
    *,
    convert: bool = True,
    rules: SourceRules | None = None,
    is_trusted: bool = True,
) -> AdapterSource:
    """One adapter to serve, fetched where it is not a directory; `demo:NAME` is one of the demo's. Blocking.

    Args:
        rules: limits of what is fetched; without them only directories are taken.
        is_trusted: the operator's own command line names it; else `rules` say whether it is allowed.

    Raises:
        StartError: it is refused or cannot be had; the message begins with the source.
    """
    if where.startswith(f"{DEMO}:"):
        source = _demo_source(where.removeprefix(f"{DEMO}:"))
        return replace(source, name=name, convert=source.convert and convert)
    path = resolve_adapter(where) if rules is None else fetch(where, rules, is_trusted=is_trusted)
    return AdapterSource(name=name, path=path, convert=convert)


def resolve_adapter(where: str) -> Path:
    """The directory of one adapter: a path, or `demo:NAME`.

    Raises:
        StartError: there is none.
    """
    if where.startswith(f"{DEMO}:"):
        return _demo_source(where.removeprefix(f"{DEMO}:")).path
    path = _directory(where)
    if path is None:
        raise StartError(f"{shown_source(where)}: no such directory")
    return path.resolve()


def _directory(where: str) -> Path | None:
    """os.path, unlike pathlib, raises nothing for a name that is too long or has an unknown user in it."""
    path = os.path.expanduser(where)  # noqa: PTH111
    return Path(path) if os.path.isdir(path) else None  # noqa: PTH112


def _demo_base(cache_dir: Path) -> Path:
    try:
        return demo_base_model(cache_dir)
    except OSError as exc:
        raise StartError(f"the demo's base: {cache_problem(exc, cache_dir)}") from exc


def _demo_source(demo_name: str) -> AdapterSource:
    if demo_name not in DEMO_ADAPTERS:
        raise StartError(f"{DEMO}:{demo_name}: the demo has {', '.join(DEMO_ADAPTERS)}")
    return AdapterSource(
        name=demo_name,
        path=DEMO_ADAPTER,
        convert=DEMO_ADAPTERS[demo_name],
        settings=DEMO_SETTINGS,
    )
