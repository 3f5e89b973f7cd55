"""What `endturn verify` is asked about, as the product would serve it: ADAPTER arguments -> served models on one base."""

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.base_files import BaseFiles
from adapters.chat_profile import ChatProfile, read_profile
from adapters.inspection import read_base

from ..catalog import RESERVED_NAMES, adapter_model, base_model
from ..demo import DEMO, demo_template
from ..errors import StartError
from ..loading.base_overlays import base_for
from ..loading.model_source import AdapterSource, resolve_adapter, resolve_adapters, resolve_base
from ..prompt import load_tokenizer
from ..served_model import ServedModel

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
MERGED = "merge"
MAX_NAME_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAdapter:
    """One ADAPTER: where it is, and its profile as it lies there, None where it is raw."""

    source: AdapterSource
    profile: ChatProfile | None

    @property
    def is_merged(self) -> bool:
        """Whether it is a standalone model."""
        return self.profile is not None and self.profile.weights.path == MERGED

    def refuse_unwritable(self) -> None:
        """Settings can be written into its profile, or this says why not.

        Raises:
            StartError: it is raw, or its directory is read-only.
        """
        path = self.source.path
        if self.profile is None:
            raise StartError(
                f"--write: {path} is a raw adapter and has no profile to write to; convert it first: endturn convert"
            )
        if not os.access(path, os.W_OK):
            raise StartError(f"--write: {path} cannot be written to")


def find_adapters(arguments: Sequence[str], base: str) -> tuple[VerifiedAdapter, ...]:
    """The adapters of the command line: a directory, NAME=DIRECTORY, or demo:NAME.

    Raises:
        StartError: there is none there, two have one name, or a standalone model is not alone.
        ProfileError: a profile is broken.
    """
    entries: dict[str, str] = {}
    for argument in arguments:
        name, where = _name_and_place(argument)
        resolve_adapter(where)
        if name in entries:
            raise StartError(
                f"{argument}: two adapters are called {name!r}; tell them apart with NAME={where}"
            )
        entries[name] = where
    sources = resolve_adapters(
        tuple(f"{name}={where}" for name, where in entries.items()), model=base
    )
    found = tuple(VerifiedAdapter(source=s, profile=read_profile(s.path)) for s in sources)
    if len(found) > 1 and any(adapter.is_merged for adapter in found):
        raise StartError("a standalone model is verified alone: it is no adapter on the base")
    return found


async def served_models(
    adapters: Sequence[VerifiedAdapter], base: str, cache_dir: Path
) -> tuple[BaseFiles, list[ServedModel]]:
    """The base the engine is to load, and the models, in the adapters' order.

    Raises:
        StartError: the base is not there, or an adapter cannot be served on it; the message names it.
        AdapterError: a file of the base is broken.
    """
    if adapters[0].is_merged:
        merged = await asyncio.to_thread(read_base, adapters[0].source.path)
        return merged.files, [_base(merged.files, adapters[0].source.name, base)]
    path = await asyncio.to_thread(resolve_base, base, cache_dir, flag="--base")
    model = await asyncio.to_thread(read_base, path)
    served_base = await asyncio.to_thread(_base, model.files, base, base)
    served = [
        await adapter_model(adapter.source, served_base, model, cache_dir, None)
        for adapter in adapters
    ]
    rows = [(found.name, found.rows) for found in served]
    files = await asyncio.to_thread(base_for, model.files, rows, cache_dir, allow_overlay=False)
    return files, served


def _base(files: BaseFiles, name: str, base: str) -> ServedModel:
    template = demo_template() if base == DEMO and name == DEMO else None
    return base_model(
        files, load_tokenizer(files.path), name=name, root=str(files.path), template=template
    )


def _name_and_place(argument: str) -> tuple[str, str]:
    name, equals, where = argument.partition("=")
    if equals and name and where and not Path(argument).is_dir():
        return name, where
    if argument.startswith(f"{DEMO}:"):
        return argument.removeprefix(f"{DEMO}:"), argument
    directory = Path(argument).expanduser().resolve().name
    name = _NO_NAME.sub("-", directory).strip("-._")[:MAX_NAME_CHARS] or "adapter"
    return (f"adapter-{name}" if name in RESERVED_NAMES else name), argument
