"""The models of a server, read and checked: the base and its adapters at the start, one more adapter later."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.base_files import BaseFiles
from adapters.errors import AdapterError
from adapters.inspection import BaseModel, read_base
from adapters.weights.base_overlay import read_overlay

from .catalog import adapter_model, base_model, read_template, template_turns
from .demo import DEMO, demo_template
from .errors import StartError
from .loading.base_overlays import base_for
from .loading.model_source import adapter_source, resolve_adapters, resolve_base
from .parsing.port import ParserNames, ParserSource
from .prompt import load_tokenizer
from .served_model import ServedModel
from .settings import Settings
from .sources import source_rules

BASE_IS_OVERLAID = "its embeddings were rewritten for the adapters; ask for one of them, or start with --allow-overlay"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartModels:
    """What a server starts with: `models` has the base first; `engine_base` is what the engine loads."""

    base: BaseModel
    engine_base: BaseFiles
    models: list[ServedModel]


class ModelReader:
    """Reads models as these settings say. Without `parsers` no tool calls are read."""

    def __init__(self, settings: Settings, parsers: ParserSource | None) -> None:
        self._settings = settings
        self._parsers = parsers
        rules = source_rules(settings)
        watched = () if settings.adapters_dir is None else (settings.adapters_dir,)
        self._rules = replace(rules, roots=(*rules.roots, *watched))

    async def read_all(self) -> StartModels:
        """The base and the adapters of the command line.

        Raises:
            StartError: one of them cannot be served; the message names it.
        """
        settings = self._settings
        sources = await asyncio.to_thread(
            resolve_adapters,
            settings.adapter,
            model=settings.model,
            convert=settings.convert_adapters,
            rules=self._rules,
        )
        path = await asyncio.to_thread(resolve_base, settings.model, settings.cache_dir)
        try:
            base = await asyncio.to_thread(read_base, path)
            served_base = await asyncio.to_thread(self._base, base.files)
            turns = await asyncio.to_thread(template_turns, served_base, base.tokenizer)
            served_base = replace(served_base, template_turns=turns)
        except AdapterError as exc:
            raise StartError(f"--model {settings.model}: {exc}") from exc
        adapters = [
            await adapter_model(
                source, served_base, base, settings.cache_dir, settings.chat_template
            )
            for source in sources
        ]
        engine_base = await asyncio.to_thread(
            base_for,
            base.files,
            [(model.name, model.rows) for model in adapters],
            settings.cache_dir,
            allow_overlay=settings.allow_overlay,
        )
        if engine_base is not base.files and not settings.allow_overlay:
            served_base = replace(served_base, refusal=BASE_IS_OVERLAID)
        models = await asyncio.to_thread(self._with_parsers, [served_base, *adapters])
        return StartModels(base=base, engine_base=engine_base, models=models)

    async def read_adapter(self, name: str, source: str, start: StartModels) -> ServedModel:
        """One more adapter for the base that is being served.

        Raises:
            StartError: it cannot be served on this base; the message says why.
        """
        settings = self._settings
        found = await asyncio.to_thread(
            adapter_source,
            name,
            source,
            convert=settings.convert_adapters,
            rules=self._rules,
            is_trusted=False,
        )
        model = await adapter_model(
            found, start.models[0], start.base, settings.cache_dir, settings.chat_template
        )
        await asyncio.to_thread(self._check_rows, model, start.engine_base)
        [model] = await asyncio.to_thread(self._with_parsers, [model])
        return replace(model, created=int(time.time()))

    def _check_rows(self, model: ServedModel, engine_base: BaseFiles) -> None:
        """The embeddings of a base that is being served cannot change."""
        if model.rows is not None and read_overlay(engine_base.path) is None:
            raise StartError(
                f"adapter {model.name!r}: it trained rows of the embeddings, which are written into the base at the start; "
                "give it with --adapter"
            )
        base_for(
            engine_base,
            [(model.name, model.rows)],
            self._settings.cache_dir,
            allow_overlay=self._settings.allow_overlay,
        )

    def _base(self, base_files: BaseFiles) -> ServedModel:
        settings, template = self._settings, None
        if settings.chat_template is not None:
            template = read_template(settings.chat_template)
        elif settings.model == DEMO:
            template = demo_template()
        return base_model(
            base_files,
            load_tokenizer(base_files.path),
            name=settings.served_model_name or settings.model,
            root=settings.model,
            template=template,
        )

    def _with_parsers(self, models: Sequence[ServedModel]) -> list[ServedModel]:
        if self._parsers is None:
            return list(models)
        settings = self._settings
        given = ParserNames(
            tool_calls=settings.tool_call_parser, reasoning=settings.reasoning_parser
        )
        made = []
        for model in models:
            try:
                parsers = self._parsers.parsers(model.tokenizer, model.parser_names(given))
            except StartError as exc:
                raise StartError(f"model {model.name}: {exc}") from exc
            made.append(replace(model, parsers=parsers))
        return made
