"""Which names are served, and what each of them is. Built at start; adapters are loaded before they are listed."""

import logging
import re
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from adapters.base_files import BaseFiles
from adapters.chat_profile import read_profile
from adapters.end_of_turn import base_end_of_turn_ids
from adapters.inspection import BaseModel
from adapters.rendering import TemplateProcess, TemplateRefusal
from adapters.template_turns import read_turns
from adapters.tokenizer_files import TokenizerFiles

from .errors import InvalidRequest, StartError, UnknownModel
from .loading.adapter_intake import take_in
from .loading.model_source import AdapterSource
from .served_model import ServedModel, TemplateTurns
from .tokenizer import ChatTokenizer

logger = logging.getLogger(__name__)

# A name becomes a metric label, a log word and part of an address.
ADAPTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# What the label `adapter` means by itself.
BASE_LABEL = "base"
RESERVED_NAMES = frozenset({BASE_LABEL, "other"})
MAX_TEMPLATE_BYTES = 1 << 20


class Catalog:
    """The served models by name; the base is first."""

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._models = {model.name: model for model in models}

    def resolve(self, name: str) -> ServedModel:
        """The model called `name`.

        Raises:
            UnknownModel: there is none; the message lists the names there are.
            InvalidRequest: it cannot be served; the message says why.
        """
        model = self._models.get(name)
        if model is not None and model.refusal is not None:
            raise InvalidRequest(
                f"the model {name!r} is not served: {model.refusal}", param="model"
            )
        if model is None:
            there_are = ", ".join(served.name for served in self)
            raise UnknownModel(
                f"the model {name!r:.200} does not exist; there are: {there_are}",
                param="model",
                code="model_not_found",
            )
        return model

    def publish(self, model: ServedModel) -> None:
        """Serve `model` by its name from now on; who asked before keeps what the name meant then."""
        self._models[model.name] = model

    def withdraw(self, name: str) -> None:
        """Serve `name` no longer."""
        self._models.pop(name, None)

    def only(self, names: Collection[str]) -> "Catalog":
        """These models and no others: what one API key sees."""
        return Catalog(model for name, model in self._models.items() if name in names)

    @property
    def base(self) -> ServedModel | None:
        """The base; None where it is not among the models that may be seen."""
        model = next(iter(self._models.values()), None)
        return model if model is not None and model.label == BASE_LABEL else None

    def __iter__(self) -> Iterator[ServedModel]:
        return (model for model in self._models.values() if model.refusal is None)


def base_model(
    base: BaseFiles, tokenizer: ChatTokenizer, *, name: str, root: str, template: str | None
) -> ServedModel:
    """The base as a served model; `template` replaces its own. A merged model brings its own profile.

    Raises:
        ModelFilesError: the base's configs are wrong.
        ProfileError: it has a profile, and that is broken.
    """
    profile = read_profile(base.path)
    return ServedModel(
        name=name,
        label=BASE_LABEL,
        root=root,
        created=int(time.time()),
        tokenizer=tokenizer,
        template=tokenizer.chat_template if template is None else template,
        base_stop_ids=base_end_of_turn_ids(base, tokenizer.eos_token_id),
        base_sampling=base.sampling_defaults(),
        profile=profile,
    )


def template_turns(model: ServedModel, tokenizer: TokenizerFiles) -> TemplateTurns:
    """How the template of `model` separates turns; nothing where a profile says it, or where it cannot be rendered."""
    if model.template is None or model.profile is not None:
        return TemplateTurns()
    try:
        with TemplateProcess() as process:
            turns = read_turns(model.template, tokenizer, process)
    except TemplateRefusal as exc:
        logger.warning(
            "model %s: how its template separates turns stays unknown: %s", model.name, exc
        )
        return TemplateTurns()
    ids = (tokenizer.ids.get(text) for text in (*turns.trained_end, *turns.turn_start))
    return TemplateTurns(
        end_ids=tuple(dict.fromkeys(token_id for token_id in ids if token_id is not None)),
        markers=turns.role_markers,
    )


async def adapter_model(
    source: AdapterSource,
    served_base: ServedModel,
    base: BaseModel,
    cache_dir: Path,
    chat_template: Path | None,
) -> ServedModel:
    """One adapter as a served model, converted where it is raw, its weights in the cache. Not loaded yet.

    Raises:
        StartError: the name, the weights, the profile or the template is wrong; the message names the adapter.
    """
    if (
        source.name in RESERVED_NAMES
        or source.name == served_base.name
        or not ADAPTER_NAME.fullmatch(source.name)
    ):
        raise StartError(
            f"adapter {source.name!r}: this name cannot be used; it must match {ADAPTER_NAME.pattern}, "
            f"not be the base's, and not be one of {', '.join(sorted(RESERVED_NAMES))}"
        )
    files = await take_in(source, base, cache_dir, chat_template)
    tokenizer = files.tokenizer or served_base.tokenizer
    if files.profile is not None:
        tokenizer = tokenizer.with_special_tokens(files.profile.template.special_tokens)
    return ServedModel(
        name=source.name,
        label=source.name,
        root=str(source.path),
        created=served_base.created,
        parent=served_base.name,
        tokenizer=tokenizer,
        template=served_base.template if files.template is None else files.template,
        base_stop_ids=served_base.base_stop_ids,
        base_sampling=served_base.base_sampling,
        adapter=files.weights,
        profile=files.profile,
        rows=files.rows,
        stop_head=files.stop_head,
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
