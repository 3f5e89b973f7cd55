"""`endturn verify`: adapters before and after, on the real engine, as a table, JSON, a page, and settings written down."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from adapters.base_files import BaseFiles
from adapters.conversations import ConversationData, read_conversations

from .. import __version__
from ..engine import Engine, EngineAdapter, StartEngine
from ..errors import EngineDeadError, StartError
from ..served_model import ServedModel
from ..settings import default_cache_dir
from ..verification import Asker, Options, ReportHead, Verification, questions, verify
from .offline_engine import OfflineEngine, offline_engine
from .verified_models import VerifiedAdapter, find_adapters, served_models
from .verify_outputs import print_outputs, write_profiles, write_report

CREATED_BY = f"endturn {__version__}"
# Where an adapter has no profile to say how long its answers may be.
CAP_WITHOUT_PROFILE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyQuestion:
    """What is asked for. `cap` None: the limit an adapter's profile gives a client that names none."""

    adapters: tuple[str, ...]
    base: str
    data: Path
    max_answers: int = 200
    sample: int = 40
    cap: int | None = None
    seed: int = 0
    report: Path | None = None
    as_json: bool = False
    write: bool = False
    engine_flags: tuple[str, ...] = ()
    cache_dir: Path | None = None


def verify_command(question: VerifyQuestion, start_engine: StartEngine) -> int:
    """Verify, print, and write what was asked for. 0; 1 where a replayed answer was no exact prefix: then nothing is written.

    Raises:
        StartError: something is not there, or cannot be served or written; found before the engine starts where it can be.
        EngineDeadError: the engine died; nothing is written.
        AdapterError: a file is broken.
    """
    if not question.adapters:
        raise StartError("ADAPTER is missing: name the adapters before the engine's flags")
    adapters = find_adapters(question.adapters, question.base)
    if question.write:
        for adapter in adapters:
            adapter.refuse_unwritable()
    _refuse_bad_report(question.report)
    data = read_conversations(question.data, max_answers=question.max_answers, seed=question.seed)
    log = Console(stderr=True, highlight=False, markup=False, emoji=False)
    _print_data(data, log)
    with _stdout_to_stderr():
        verifications = asyncio.run(_verify_all(question, adapters, data, start_engine, log))
    print_outputs(verifications, as_json=question.as_json)
    is_right = all(found.figures.replay.is_perfect for found in verifications)
    if not is_right:
        log.print(
            "a replayed answer is no exact prefix, or ends differently by how it is cut: please report this",
            soft_wrap=True,
        )
    head = _head(question, data)
    if question.report is not None:
        write_report(question.report, head, verifications)
        log.print(f"wrote {question.report}", soft_wrap=True)
    if question.write and is_right:
        for path in write_profiles(adapters, verifications, head):
            log.print(f"wrote the recommended settings to {path}", soft_wrap=True)
    return 0 if is_right else 1


async def _verify_all(
    question: VerifyQuestion,
    adapters: Sequence[VerifiedAdapter],
    data: ConversationData,
    start_engine: StartEngine,
    log: Console,
) -> list[Verification]:
    cache_dir = question.cache_dir or default_cache_dir()
    with log.status("reading the base and the adapters"):
        base_files, models = await served_models(adapters, question.base, cache_dir)

    def start(base: BaseFiles, adapters: Sequence[EngineAdapter]) -> Engine:
        with log.status("starting the engine"):
            return start_engine(base, adapters)

    verifications = []
    async with offline_engine(base_files, models, start) as offline:
        for model in models:
            async with offline.slots.lease(model.adapter):
                verifications.append(await _verify_one(question, model, data, offline, log))
    return verifications


async def _verify_one(
    question: VerifyQuestion,
    model: ServedModel,
    data: ConversationData,
    offline: OfflineEngine,
    log: Console,
) -> Verification:
    cap = question.cap
    if cap is None:
        cap = CAP_WITHOUT_PROFILE if model.profile is None else model.token_limits.default
    asker = Asker(offline.engine, offline.renderer, model, cap=cap, seed=question.seed)
    options = Options(sample=question.sample, seed=question.seed)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=log, transient=True) as progress:

        def stage(name: str, total: int) -> Callable[[], None]:
            task = progress.add_task(f"{model.name}: {name}", total=total)
            return lambda: progress.advance(task)

        try:
            return await verify(asker, questions(data.conversations), options, stage)
        except StartError as exc:
            raise StartError(f"adapter {model.name!r}: {exc}") from exc
        except EngineDeadError as exc:
            raise EngineDeadError(
                f"the engine died while {model.name!r} was verified, nothing was written: {exc}"
            ) from exc


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """The engine's processes print what they like on standard output, which is for the figures alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _refuse_bad_report(report: Path | None) -> None:
    if report is None:
        return
    if report.is_dir():
        raise StartError(f"--report {report}: is a directory; name a file")
    if not os.access(report.parent, os.W_OK):
        raise StartError(f"--report {report}: its directory is not there or cannot be written to")


def _print_data(data: ConversationData, log: Console) -> None:
    log.print(
        f"{data.path}: {data.num_read} conversations, {data.num_answers} answers of {len(data.conversations)} are used",
        soft_wrap=True,
    )
    if data.num_bad:
        first = data.bad_lines[0]
        log.print(
            f"{data.num_bad} bad lines left out, the first is line {first.line}: {first.reason}",
            soft_wrap=True,
        )


def _head(question: VerifyQuestion, data: ConversationData) -> ReportHead:
    return ReportHead(
        base=question.base,
        data=data.path.name,
        data_sha256=data.sha256,
        num_conversations=data.num_read,
        num_bad=data.num_bad,
        seed=question.seed,
        engine_flags=question.engine_flags,
        created_by=CREATED_BY,
        day=date.today().isoformat(),  # noqa: DTZ011  (the day where the user is)
    )
