"""What happens to an adapter directory on its way in: a raw one is converted, every one is checked and copied.

What comes out is in memory or in the cache: the directory may change or go away afterwards.
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from adapters.base_identity import architecture, base_shape, text_config
from adapters.base_to_chat import plan_conversion, write_converted
from adapters.chat_profile import PROFILE_FILE, ChatProfile, read_profile
from adapters.checkpoint import TEMPLATE_FILE, WEIGHTS_FILE, locate_checkpoint, read_checkpoint
from adapters.errors import AdapterError, CheckpointError, printable
from adapters.inspection import BaseModel, InspectionOptions, inspect_adapter
from adapters.json_file import read_text, refuse_link_outside
from adapters.stop_head import StopHead, read_stop_head
from adapters.tokenizer_files import MAX_TEMPLATE_BYTES, TOKENIZER_FILE, read_tokenizer
from adapters.weights.base_fit import check_fits
from adapters.weights.base_rows import BaseRows, read_base_rows
from adapters.weights.base_weights import read_base_weights
from adapters.weights.weight_plan import base_digest

from .. import __version__
from ..engine import EngineAdapter
from ..errors import StartError
from ..sources.work_directory import work_directory
from ..tokenizer import ChatTokenizer
from .adapter_cache import store_adapter
from .cache_errors import cache_problem
from .model_source import AdapterSource

logger = logging.getLogger(__name__)

NEEDS_THE_BASES_ROWS = frozenset({"embedding_lora", "overlay"})
CREATED_BY = f"endturn {__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFiles:
    """One adapter ready to serve. `tokenizer` is None where the base's is right for it, `rows` where it changed none."""

    weights: EngineAdapter
    profile: ChatProfile | None
    template: str | None
    tokenizer: ChatTokenizer | None
    rows: BaseRows | None
    stop_head: StopHead | None


async def take_in(
    source: AdapterSource, base: BaseModel, cache_dir: Path, chat_template: Path | None
) -> AdapterFiles:
    """Convert the adapter where it is raw, check it against the base, and copy its weights into the cache.

    Args:
        chat_template: the template for adapters that record none, where the operator gave one.

    Raises:
        StartError: it cannot be served; the message names it and says what to do.
    """
    try:
        return await asyncio.to_thread(_take_in, source, base, cache_dir, chat_template)
    except (AdapterError, StartError, OSError) as exc:
        raise StartError(f"adapter {source.name!r}: {cache_problem(exc, cache_dir)}") from exc


def _take_in(
    source: AdapterSource, base: BaseModel, cache_dir: Path, chat_template: Path | None
) -> AdapterFiles:
    path = locate_checkpoint(source.path)
    profile = read_profile(path)
    if profile is not None or not source.convert:
        return _stored(path, profile, base, cache_dir)
    with work_directory(cache_dir, ".convert-") as work:
        converted = work / "adapter"
        _convert(source, path, base, chat_template, converted)
        return _stored(converted, read_profile(converted), base, cache_dir)


def _convert(
    source: AdapterSource, path: Path, base: BaseModel, chat_template: Path | None, target: Path
) -> None:
    inspection = inspect_adapter(path, base)
    if inspection.template is None and chat_template is not None:
        options = InspectionOptions(template=str(chat_template))
        inspection = inspect_adapter(path, base, options)
    for finding in inspection.findings:
        logger.info(
            "adapter %s: %s %s: %s; %s",
            source.name,
            finding.code,
            finding.severity,
            printable(finding.evidence),
            printable(finding.action),
        )
    write_converted(plan_conversion(inspection, CREATED_BY, source.settings), target)


def _stored(
    path: Path, profile: ChatProfile | None, base: BaseModel, cache_dir: Path
) -> AdapterFiles:
    template = path / (profile.template.file if profile else TEMPLATE_FILE)
    text = None
    if profile is not None or template.is_file():
        text = read_text(template, CheckpointError, max_bytes=MAX_TEMPLATE_BYTES)
    misfits = check_fits(read_checkpoint(path), base.files)
    if misfits:
        # vLLM leaves out what it has no module for, and serves the base as if nothing were wrong.
        raise CheckpointError(path, "; ".join(f.evidence for f in misfits))
    own = profile is not None and profile.tokenizer is not None
    tokenizer = _own_tokenizer(path) if own else None
    if profile is not None:
        check_profile(path, profile, base, tokenizer)
        _check_base_weights(path, profile, base)
        _check_weights(path, profile)
    stop_head = _stop_head(path, profile, base, tokenizer)
    return AdapterFiles(
        weights=store_adapter(path, cache_dir),
        profile=profile,
        template=text,
        tokenizer=tokenizer,
        rows=read_base_rows(path),
        stop_head=stop_head,
    )


def _stop_head(
    path: Path, profile: ChatProfile | None, base: BaseModel, own: ChatTokenizer | None
) -> StopHead | None:
    if profile is None or profile.stop_head is None:
        return None
    vocab_size = text_config(base.files.config).get("vocab_size") or len(base.tokenizer.ids)
    record = read_stop_head(profile.stop_head, path / PROFILE_FILE, vocab_size=vocab_size)
    return record.head(base.tokenizer.tokenizer if own is None else own.tokenizer)


def _own_tokenizer(path: Path) -> ChatTokenizer:
    """tokenizer.json as it is: the class that an adapter's tokenizer_config.json names could make another one of it."""
    files = read_tokenizer(path, CheckpointError)
    if files is None:
        raise CheckpointError(path / TOKENIZER_FILE, "is missing; its profile says it is needed")
    named = {
        "bos_token": files.bos_token,
        "eos_token": files.eos_token,
        "pad_token": files.pad_token,
    }
    return ChatTokenizer(
        tokenizer=files.tokenizer,
        eos_token_id=files.eos_token_id,
        special_tokens={name: text for name, text in named.items() if text is not None},
        special_ids={text: i for text, i in files.ids.items() if i in files.special_ids},
        vocab_size=files.tokenizer.get_vocab_size(),
        chat_template=files.chat_template,
    )


def _check_weights(path: Path, profile: ChatProfile) -> None:
    wanted = profile.weights.files.get(WEIGHTS_FILE)
    if wanted is None:
        return
    refuse_link_outside(path / WEIGHTS_FILE, CheckpointError)
    with (path / WEIGHTS_FILE).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
            raise CheckpointError(
                path / WEIGHTS_FILE,
                f"is not the file that {PROFILE_FILE} was written for; convert the adapter again",
            )


def _check_base_weights(path: Path, profile: ChatProfile, base: BaseModel) -> None:
    """Other weights under the same shapes: wrong where rows were computed from the base's, else worth a warning."""
    there = base_digest(base.files, read_base_weights(base.files))
    if there is None or profile.base.weights in (None, there):
        return
    if profile.weights.path in NEEDS_THE_BASES_ROWS:
        raise CheckpointError(
            path,
            f"its rows were computed from {profile.base.name}, and this base has other weights; convert it for this base",
        )
    logger.warning("%s: converted for %s, and this base has other weights", path, profile.base.name)


def check_profile(
    path: Path, profile: ChatProfile, base: BaseModel, tokenizer: ChatTokenizer | None
) -> None:
    """Refuse a profile that was written for another base.

    Raises:
        CheckpointError: the architecture, vocabulary or shapes are others, or an end-of-turn id is another token.
    """
    wanted, config = profile.base, base.files.config
    if wanted.architecture not in (None, architecture(config)):
        raise CheckpointError(
            path, f"it is for {wanted.architecture}, the base is {architecture(config)}"
        )
    vocab_size = text_config(config).get("vocab_size")
    if wanted.vocab_size not in (None, vocab_size):
        raise CheckpointError(
            path, f"it is for a vocabulary of {wanted.vocab_size}, the base has {vocab_size}"
        )
    for entry in profile.end_of_turn:
        id_to_token = base.tokenizer.token if tokenizer is None else tokenizer.tokenizer.id_to_token
        token = id_to_token(entry.id) or ""
        if token != entry.token:
            raise CheckpointError(
                path,
                f"end_of_turn id {entry.id} is {entry.token!r} in its profile and {token!r} in the tokenizer",
            )
    if wanted.shape not in (None, base_shape(base.files, base.tokenizer)):
        raise CheckpointError(
            path,
            f"it was converted for {wanted.name}, and this base has other shapes or another vocabulary; "
            "convert it for this base",
        )
