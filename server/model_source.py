"""What `--model` and `--adapter` may say -> directories on this machine: a path, a hub id, or the demo."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from .demo import DEMO, demo_adapter, demo_adapter_names, demo_base_model
from .errors import StartError

# Pickles are never loaded, so they need not be fetched either.
_FETCHED = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSource:
    """One adapter to serve: its weights, and the directory its profile and template lie in."""

    name: str
    path: Path
    profile_path: Path


def resolve_base(model: str, cache_dir: Path) -> Path:
    """The directory of the base model, fetched or converted first where needed.

    Raises:
        StartError: there is no such model, or it cannot be had.
    """
    if model == DEMO:
        return demo_base_model(cache_dir)
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or model.startswith((".", "~")):
        raise StartError(f"--model {model}: no such directory")
    try:
        return Path(snapshot_download(model, allow_patterns=_FETCHED))
    except HFValidationError as exc:
        raise StartError(f"--model {model}: neither a directory nor a hub id ({exc})") from exc
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as exc:
        raise StartError(
            f"--model {model}: no such directory, and the hub has not got it ({exc})"
        ) from exc


def resolve_adapters(entries: tuple[str, ...], *, model: str) -> list[AdapterSource]:
    """The adapters of `--adapter NAME=DIRECTORY`; `demo:NAME` is one of the demo's, which also come with its base.

    Raises:
        StartError: no such directory, or a name given twice.
    """
    if not entries and model == DEMO:
        entries = tuple(f"{name}={DEMO}:{name}" for name in demo_adapter_names())
    sources: dict[str, AdapterSource] = {}
    for entry in entries:
        name, _, where = entry.partition("=")
        if name in sources:
            raise StartError(f"--adapter {entry}: the name {name!r} is given twice")
        sources[name] = _resolve_adapter(name, where)
    return list(sources.values())


def _resolve_adapter(name: str, where: str) -> AdapterSource:
    if where.startswith(f"{DEMO}:"):
        demo_name = where.removeprefix(f"{DEMO}:")
        if demo_name not in demo_adapter_names():
            raise StartError(
                f"--adapter {name}={where}: the demo has {', '.join(demo_adapter_names())}"
            )
        path, profile_path = demo_adapter(demo_name)
        return AdapterSource(name=name, path=path, profile_path=profile_path)
    path = Path(where).expanduser()
    if not path.is_dir():
        raise StartError(f"--adapter {name}={where}: no such directory")
    return AdapterSource(name=name, path=path.resolve(), profile_path=path.resolve())
