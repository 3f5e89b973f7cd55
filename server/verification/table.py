"""The figures on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.errors import printable

from .figures import AdapterFigures, RunFigures
from .measures import Lengths
from .verification import Verification

MAX_REASON_CHARS = 300


def print_figures(verifications: Sequence[Verification], out: Console) -> None:
    """One table an adapter with its notes, and one of all adapters where there are several."""
    for verification in verifications:
        _print_adapter(verification, out)
    if len(verifications) > 1:
        out.print(_side_by_side([v.figures for v in verifications]))


def _print_adapter(verification: Verification, out: Console) -> None:
    figures = verification.figures
    out.print(
        f"{figures.name}: {figures.num_questions} held-out questions, cap {figures.cap}, "
        f"temperature {figures.temperature:g}, {'with' if figures.has_stop_head else 'no'} stop head",
        soft_wrap=True,
    )
    if figures.failures:
        first = figures.failures[0]
        reason = printable(first.reason[:MAX_REASON_CHARS])
        out.print(
            f"  {figures.num_failed} failed, the first is line {first.line}: {reason}",
            soft_wrap=True,
        )
    out.print(_before_and_after(figures))
    if figures.sample:
        out.print(_todays_advice(figures.sample))
    for note in verification.recommendation.notes:
        out.print(Text(f"- {note}"), soft_wrap=True)
    out.print()


def _before_and_after(figures: AdapterFigures) -> Table:
    off, on, replay = figures.off, figures.on, figures.replay
    table = _table("", off.name, on.name, "references")
    table.add_row("ran away", _percent(off.runaway.share), _percent(on.runaway.share), "")
    for kind in dict.fromkeys((*off.kinds, *on.kinds)):
        table.add_row(f"  {kind}", str(off.kinds.get(kind, 0)), str(on.kinds.get(kind, 0)), "")
    table.add_row("tokens, mean", *(f"{found.mean:.1f}" for found in _lengths(figures)))
    table.add_row(
        "tokens, median and 95%", *(f"{found.median}, {found.p95}" for found in _lengths(figures))
    )
    table.add_row("words shared", f"{off.word_f1:.3f}", f"{on.word_f1:.3f}", "")
    table.add_row("seconds", f"{off.seconds:.1f}", f"{on.seconds:.1f}", "")
    table.add_row("answers per second", "1.0 x", f"{figures.speedup:.1f} x", "")
    table.add_row("tokens saved", "", _percent(figures.saved_tokens), "")
    inside = figures.inside
    table.add_row(
        "cut inside a sentence",
        "",
        f"{inside.count} (at most {inside.high:.1%})",
        _percent(figures.references_inside.share),
    )
    table.add_row(
        "replayed, exact prefix", "", f"{replay.num_prefixes} of {replay.num_replayed}", ""
    )
    table.add_row("  alike in every cut", "", f"{replay.num_alike} of {replay.num_replayed}", "")
    live = figures.live_prefix
    table.add_row("live, exact prefix", "", f"{live.count} of {live.total}", "")
    return table


def _todays_advice(sample: Sequence[RunFigures]) -> Table:
    table = _table(f"on {sample[0].num_answers} questions", "ran away", "tokens", "words shared")
    for run in sample:
        cells = (_percent(run.runaway.share), f"{run.lengths.mean:.1f}", f"{run.word_f1:.3f}")
        table.add_row(run.name, *cells)
    return table


def _side_by_side(all_figures: Sequence[AdapterFigures]) -> Table:
    table = _table("", "ran away", "tokens", "answers per second", "inside", "words shared")
    for figures in all_figures:
        off, on = figures.off, figures.on
        table.add_row(
            figures.name,
            f"{_percent(off.runaway.share)} -> {_percent(on.runaway.share)}",
            f"{off.lengths.mean:.1f} -> {on.lengths.mean:.1f}",
            f"{figures.speedup:.1f} x",
            f"{figures.inside.count} of {figures.inside.total}",
            f"{off.word_f1:.3f} -> {on.word_f1:.3f}",
        )
    return table


def _lengths(figures: AdapterFigures) -> tuple[Lengths, Lengths, Lengths]:
    return figures.off.lengths, figures.on.lengths, figures.references


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _percent(share: float) -> str:
    return f"{share:.1%}"
