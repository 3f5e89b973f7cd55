"""`endturn calibrate`: fit a stop head for a converted adapter, and say what it is worth."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from adapters.calibration import (
    Calibration,
    CalibrationOptions,
    calibrate,
    calibrate_on_generations,
    converted_profile,
    write_stop_head,
)
from adapters.errors import DataError
from adapters.generations_fit import GenerationsFit
from adapters.inspection import read_base
from adapters.prompts import read_prompts
from adapters.runaway_ends import END_KINDS
from adapters.stop_head import Share, StopHeadFit
from adapters.stop_head_fit import MIN_ANSWERS, FitOptions
from adapters.weights.base_rows import read_base_rows

from ..engine import StartEngine
from ..loading.base_overlays import base_for
from ..loading.model_source import resolve_base
from ..settings import default_cache_dir
from .runaways import run_away

DEFAULT_CAP = 256
SIGNS = {
    "end_of_turn": "end-of-turn token",
    "role_marker": "role marker",
    "question": "question of its own",
    "loop": "loop",
}
COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeRemainingColumn(),
)


def calibrate_command(adapter: Path, base: str, data: Path, *, max_answers: int, seed: int) -> int:
    """Calibrate, write the profile, print the figures. 0 also where the head is refused: the profile says so."""
    out = Console(stderr=True, highlight=False)
    cache_dir = default_cache_dir()
    model = read_base(resolve_base(base, cache_dir, flag="--base"))
    path = model.files.path
    if converted_profile(adapter).weights.path == "merge":
        path = adapter
    elif (rows := read_base_rows(adapter)) is not None:
        overlay = base_for(model.files, [(adapter.name, rows)], cache_dir, allow_overlay=False)
        path = overlay.path
    options = CalibrationOptions(max_answers=max_answers, fit=FitOptions(seed=seed))
    with _progress("reading answers", out) as told:
        calibration = calibrate(adapter, path, data, options, told)
    write_stop_head(adapter, calibration)
    _print(calibration, out)
    return 0


def calibrate_prompts_command(
    adapter: Path,
    base: str,
    prompts: Path,
    start_engine: StartEngine,
    *,
    max_prompts: int,
    cap: int = DEFAULT_CAP,
    seed: int = 0,
    cache_dir: Path | None = None,
) -> int:
    """Calibrate without answers: let the adapter run on, find where it should have ended, fit on that. 0 as above.

    Raises:
        ProfileError: it is not converted.
        DataError: there are too few prompts, or too few answers show where they should have ended.
        StartError: it cannot be served on this base.
        EngineDeadError: the engine died; nothing is written.
    """
    out = Console(stderr=True, highlight=False)
    converted_profile(adapter)
    data = read_prompts(prompts, max_prompts=max_prompts, seed=seed)
    if len(data.prompts) < MIN_ANSWERS:
        raise DataError(
            prompts,
            f"has {len(data.prompts)} prompts to fit on, at least {MIN_ANSWERS} are needed",
        )
    with _progress("asking the adapter", out) as told:
        runaways = asyncio.run(
            run_away(
                adapter,
                base,
                data.prompts,
                start_engine,
                cap=cap,
                seed=seed,
                cache_dir=cache_dir or default_cache_dir(),
                told=told,
            )
        )
    calibration = calibrate_on_generations(
        adapter,
        runaways.base,
        data,
        runaways.generations,
        runaways.skipped,
        FitOptions(seed=seed),
    )
    write_stop_head(adapter, calibration)
    _print(calibration, out)
    return 0


@contextmanager
def _progress(name: str, out: Console) -> Iterator[Callable[[int, int], None]]:
    with Progress(*COLUMNS, console=out, transient=True) as shown:
        task = shown.add_task(name, total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)


def _print(calibration: Calibration, out: Console) -> None:
    data, outcome = calibration.data, calibration.outcome
    fit = outcome.record.fit
    noun = "conversations" if calibration.generations is None else "prompts"
    out.print(f"data      {data.path}: {data.num_read} {noun}", markup=False)
    if data.num_bad:
        first = data.bad_lines[0]
        out.print(
            f"          {data.num_bad} bad lines left out, the first is line {first.line}: {first.reason}",
            markup=False,
        )
    if calibration.skipped:
        skipped = calibration.skipped[0]
        out.print(
            f"          {len(calibration.skipped)} answers left out, the first in line {skipped.line}: "
            f"{skipped.reason}",
            markup=False,
        )
    if calibration.generations is not None:
        _print_ends(calibration.generations, out)
    if fit is not None:
        _print_fit(fit, out)
    if outcome.refusal is not None:
        out.print(f"refused   {outcome.refusal}; the profile has no stop head", markup=False)
    else:
        out.print(
            f"written   {len(outcome.record.token_ids)} tokens, threshold {outcome.record.threshold:.3f}"
        )


def _print_ends(fitted: GenerationsFit, out: Console) -> None:
    found = ", ".join(
        f"{fitted.num_by_kind[kind]} by {SIGNS[kind]}"
        for kind in END_KINDS
        if fitted.num_by_kind.get(kind)
    )
    out.print(f"ends      {found}; {fitted.num_left_out} answers left out that showed none")
    out.print(
        f"          {fitted.num_moved} ends moved to where the head saw them, in {fitted.num_rounds} rounds"
    )


def _print_fit(fit: StopHeadFit, out: Console) -> None:
    right = "where the reference does" if fit.source == "answers" else "where it was found to end"
    table = Table("", "share", "95%", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, share in (
        (f"ends {right}", fit.exact),
        ("ends before", fit.early),
        ("of these inside a sentence", fit.inside),
        ("does not end", fit.missed),
    ):
        table.add_row(name, f"{share.share:.1%}", _interval(share))
    out.print(
        f"fitted on {fit.answers} answers of {fit.conversations} conversations, AUC {fit.auc:.4f} "
        f"({fit.auc_low:.4f} to {fit.auc_high:.4f}); {fit.folds}-fold cross-validation:"
    )
    out.print(table)


def _interval(share: Share) -> str:
    return f"{share.low:.1%} to {share.high:.1%}"
