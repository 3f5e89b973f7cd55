"""`endturn calibrate`: fit a stop head for a converted adapter, and say what it is worth."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from adapters.calibration import (
    Calibration,
    CalibrationOptions,
    calibrate,
    converted_profile,
    write_stop_head,
)
from adapters.inspection import read_base
from adapters.stop_head import Share
from adapters.stop_head_fit import FitOptions
from adapters.weights.base_rows import read_base_rows

from .base_overlays import base_for
from .model_source import resolve_base
from .settings import default_cache_dir

COLUMNS = (
    TextColumn("reading answers"),
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
    with Progress(*COLUMNS, console=out, transient=True) as shown:
        task = shown.add_task("", total=None)
        calibration = calibrate(
            adapter,
            path,
            data,
            options,
            lambda done, of: shown.update(task, completed=done, total=of),
        )
    write_stop_head(adapter, calibration)
    _print(calibration, out)
    return 0


def _print(calibration: Calibration, out: Console) -> None:
    data, outcome = calibration.data, calibration.outcome
    fit = outcome.record.fit
    out.print(f"data      {data.path}: {data.num_read} conversations", markup=False)
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
    if fit is not None:
        table = Table("", "share", "95%", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name, share in (
            ("ends where the reference does", fit.exact),
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
    if outcome.refusal is not None:
        out.print(f"refused   {outcome.refusal}; the profile has no stop head", markup=False)
    else:
        out.print(
            f"written   {len(outcome.record.token_ids)} tokens, threshold {outcome.record.threshold:.3f}"
        )


def _interval(share: Share) -> str:
    return f"{share.low:.1%} to {share.high:.1%}"
