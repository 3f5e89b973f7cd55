"""What the demo's stop head does on held-out answers at every threshold, with the one it is served with marked.

`python -m tests.bench.stop_head_curve [--plot FILE]`: every reference answer is read by base and adapter; the head ends it
where the reference ends (exact), before (early; of these inside a sentence), or not at all (missed).
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from adapters.calibration import converted_profile
from adapters.errors import ModelFilesError
from adapters.stop_curve import THRESHOLDS, CurvePoint, interval, stop_curve
from adapters.stop_head import StopHead, read_stop_head
from adapters.stop_head_fit import sentence_judge
from adapters.tokenizer_files import TokenizerFiles, read_tokenizer
from server.demo import STOP_HEAD, demo_base_model
from server.settings import default_cache_dir
from tests.bench.prompts_only import DATA, convert, probabilities, read_heldout

PRINTED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
RATES = ("exact", "early", "inside", "missed")


def curve(arguments: argparse.Namespace, work: Path) -> tuple[StopHead, tuple[CurvePoint, ...]]:
    """The head, and its points."""
    base = demo_base_model(default_cache_dir())
    files = read_tokenizer(base, ModelFilesError, follow_links=True)
    if files is None:
        raise SystemExit("the demo's base has no tokenizer")
    adapter = convert(arguments, work / "adapter")
    head = _head(adapter, files)
    heldout = read_heldout(arguments, adapter, base, files)
    judge = sentence_judge(files)
    values = [probabilities(head, found) for found in heldout]
    thresholds = tuple(sorted({*THRESHOLDS, head.threshold}))
    return head, stop_curve(values, lambda i, k: judge(heldout[i], k), thresholds)


def _head(adapter: Path, files: TokenizerFiles) -> StopHead:
    # The demo's own lies beside the adapter, not in it.
    raw = converted_profile(adapter).stop_head or json.loads(STOP_HEAD.read_bytes())
    vocab_size = files.tokenizer.get_vocab_size()
    return read_stop_head(raw, adapter, vocab_size=vocab_size).head(files.tokenizer)


def table(head: StopHead, points: Sequence[CurvePoint]) -> list[str]:
    """The rates at some thresholds and at the head's own, with 95% intervals there."""
    lines = [
        "| threshold | ends where the reference does | before | of these inside a sentence | not |",
        "|---|---|---|---|---|",
    ]
    for point in points:
        found = [interval(getattr(point, rate), point.num_answers) for rate in RATES]
        if point.threshold == head.threshold:
            cells = [f"{f.share:.1%} ({f.low:.1%} to {f.high:.1%})" for f in found]
            lines.append(f"| **{point.threshold:.2f}** | {' | '.join(cells)} |")
        elif point.threshold in PRINTED:
            lines.append(
                f"| {point.threshold:.2f} | {' | '.join(f'{f.share:.1%}' for f in found)} |"
            )
    return lines


def plot(head: StopHead, points: Sequence[CurvePoint], path: Path) -> None:
    """Early against missed, and the served threshold on it."""
    figure, axes = plt.subplots(figsize=(6, 4))
    early = [100 * p.early / p.num_answers for p in points]
    missed = [100 * p.missed / p.num_answers for p in points]
    axes.plot(missed, early)
    [served] = [i for i, point in enumerate(points) if point.threshold == head.threshold]
    axes.plot(missed[served], early[served], "o", color="tab:red")
    axes.annotate(
        f"served: {head.threshold:.2f}",
        (missed[served], early[served]),
        (8, 8),
        textcoords="offset points",
    )
    axes.set_xlabel("does not end where the reference does, nor before: % of answers")
    axes.set_ylabel("ends before the reference: % of answers")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plot", type=Path, help="write early against missed as a picture")
    arguments = parser.parse_args()
    arguments.adapter, arguments.template = "demo:pydoc", None
    arguments.heldout = DATA / "heldout.jsonl"
    with tempfile.TemporaryDirectory() as work:
        head, points = curve(arguments, Path(work))
    print(f"{points[0].num_answers} held-out answers")
    print("\n".join(table(head, points)))
    if arguments.plot is not None:
        plot(head, points, arguments.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
