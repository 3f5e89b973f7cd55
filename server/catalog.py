"""Which names are served, and what each of them is. Built at start; adapters are loaded before they are listed."""

import asyncio
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from adapters.base_files import BaseFiles
from adapters.chat_profile import ChatProfile, read_profile
from adapters.checkpoint import TEMPLATE_FILE
from adapters.end_of_turn import base_end_of_turn_ids
from adapters.errors import AdapterError

from .adapter_cache import store_adapter
from .engine import EngineAdapter
from .errors import StartError, UnknownModel
from .model_source import AdapterSource
from .served_model import ServedModel
from .tokenizer import ChatTokenizer

# A name becomes a metric label, a log word and part of an address.
ADAPTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# What the label `adapter` means by itself.
RESERVED_NAMES = frozenset({"base", "other"})
MAX_TEMPLATE_BYTES = 1 << 20


class Catalog:
    """The served models by name; the base is first."""

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._models = {model.name: model for model in models}

    def resolve(self, name: str) -> ServedModel:
        """The model called `name`.

        Raises:
            UnknownModel: there is none; the message lists the names there are.
        """
        model = self._models.get(name)
        if model is None:
            there_are = ", ".join(self._models)
            raise UnknownModel(
                f"the model {name!r:.200} does not exist; there are: {there_are}",
                param="model",
                code="model_not_found",
            )
        return model

    @property
    def base(self) -> ServedModel:
        return next(iter(self._models.values()))

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())


def base_model(
    base: BaseFiles, tokenizer: ChatTokenizer, *, name: str, root: str, template: Path | None
) -> ServedModel:
    """The base as a served model.

    Raises:
        StartError: the template file cannot be read.
        ModelFilesError: the base's configs are wrong.
    """
    text = read_template(template) if template is not None else tokenizer.chat_template
    return ServedModel(
        name=name,
        label="base",
        root=root,
        created=int(time.time()),
        tokenizer=tokenizer,
        template=text,
        base_stop_ids=base_end_of_turn_ids(base, tokenizer.eos_token_id),
        base_sampling=base.sampling_defaults(),
    )


async def adapter_model(
    source: AdapterSource, base: ServedModel, config: dict[str, object], cache_dir: Path
) -> ServedModel:
    """One adapter as a served model, its weights copied into the cache. Not loaded yet.

    Raises:
        StartError: the name, the weights, the profile or the template is wrong; the message names the adapter.
    """
    if (
        source.name in RESERVED_NAMES
        or source.name == base.name
        or not ADAPTER_NAME.fullmatch(source.name)
    ):
        raise StartError(
            f"adapter {source.name!r}: this name cannot be used; it must match {ADAPTER_NAME.pattern}, "
            f"not be the base's, and not be one of {', '.join(sorted(RESERVED_NAMES))}"
        )
    try:
        weights = await asyncio.to_thread(store_adapter, source.path, cache_dir)
        profile = read_profile(source.profile_path)
    except AdapterError as exc:
        raise StartError(f"adapter {source.name!r}: {exc}") from exc
    if profile is not None:
        check_profile(profile, base.tokenizer, config, source)
    return _served(source, base, weights, profile)


def check_profile(
    profile: ChatProfile, tokenizer: ChatTokenizer, config: dict[str, object], source: AdapterSource
) -> None:
    """Refuse a profile that was written for another base.

    Raises:
        StartError: an architecture, a vocabulary size or an end-of-turn id does not fit.
    """
    architectures = config.get("architectures") or []
    wanted = profile.base.architecture
    if wanted is not None and isinstance(architectures, list) and wanted not in architectures:
        raise StartError(
            f"adapter {source.name!r}: it is for {wanted}, the base is {architectures}"
        )
    if profile.base.vocab_size not in (None, config.get("vocab_size")):
        raise StartError(
            f"adapter {source.name!r}: it is for a vocabulary of {profile.base.vocab_size}, "
            f"the base has {config.get('vocab_size')}"
        )
    for entry in profile.end_of_turn:
        token = tokenizer.tokenizer.id_to_token(entry.id)
        if token != entry.token:
            raise StartError(
                f"adapter {source.name!r}: end_of_turn id {entry.id} is {entry.token!r} in its profile "
                f"and {token!r} in the base's tokenizer"
            )


def read_template(path: Path) -> str:
    """The chat template in `path`.

    Raises:
        StartError: it cannot be read, is no UTF-8 text, or is too large to be one.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_TEMPLATE_BYTES:
            raise StartError(f"{path}: a chat template has at most {MAX_TEMPLATE_BYTES:,} bytes")
        return raw.decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise StartError(f"{path}: the chat template cannot be read ({exc})") from exc


def _served(
    source: AdapterSource, base: ServedModel, weights: EngineAdapter, profile: ChatProfile | None
) -> ServedModel:
    template_path = source.profile_path / (profile.template.file if profile else TEMPLATE_FILE)
    if profile is not None or template_path.is_file():
        template: str | None = read_template(template_path)
    else:
        template = base.template
    return ServedModel(
        name=source.name,
        label=source.name,
        root=str(source.path),
        created=base.created,
        parent=base.name,
        tokenizer=base.tokenizer,
        template=template,
        base_stop_ids=base.base_stop_ids,
        base_sampling=base.base_sampling,
        adapter=weights,
        profile=profile,
    )
