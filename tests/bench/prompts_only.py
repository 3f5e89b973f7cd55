"""A stop head fitted on prompts alone against one fitted on answers, both judged on the same held-out answers.

`python -m tests.bench.prompts_only [--prompts 300] [--cap 128]`: the demo's adapter runs on over questions of its training
data, its answers left out; the other head reads those answers. `--adapter DIR --template NAME --train FILE --heldout FILE`
compares them on another adapter on the demo's base.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from adapters.answer_logprobs import AnswerLogprobs, ModelOptions, answer_logprobs
from adapters.answer_tokens import tokenize_answers
from adapters.calibration import (
    Calibration,
    CalibrationOptions,
    calibrate,
    calibrate_on_generations,
    converted_profile,
)
from adapters.conversations import read_conversations
from adapters.errors import ModelFilesError
from adapters.prompts import read_prompts
from adapters.stop_curve import interval, stop_curve
from adapters.stop_head import StopHead
from adapters.stop_head_fit import sentence_judge
from adapters.tokenizer_files import TokenizerFiles, read_tokenizer
from server.cli.engine import engine_starter
from server.commands.adapter_commands import AdapterQuestion, convert_command
from server.commands.runaways import run_away
from server.demo import demo_base_model
from server.settings import default_cache_dir

DATA = Path(__file__).parents[1] / "demo"
ENGINE_FLAGS = ("--max-model-len", "1024", "--enforce-eager")
MAX_TOKENS = 2048
Array = NDArray[np.float64]


def probabilities(head: StopHead, found: AnswerLogprobs) -> Array:
    """What the head says after each of an answer's tokens, as served."""
    breaks = (head.line_breaks.get(token_id, 0) for token_id in found.answer.token_ids)
    places = enumerate(accumulate(breaks, initial=0))
    return np.array([head.probability(found.listed(k), number) for k, number in places])


def row(
    name: str, calibration: Calibration, heldout: Sequence[AnswerLogprobs], files: TokenizerFiles
) -> str:
    """One line of the table: the head at its own threshold."""
    record = calibration.outcome.record
    head, judge = record.head(files.tokenizer), sentence_judge(files)
    values = [probabilities(head, found) for found in heldout]
    ends = np.concatenate([np.arange(len(v)) == len(v) - 1 for v in values])
    auc = roc_auc_score(ends, np.concatenate(values))
    [point] = stop_curve(values, lambda i, k: judge(heldout[i], k), (head.threshold,))
    shares = []
    for count in (point.exact, point.early, point.inside, point.missed):
        found = interval(count, point.num_answers)
        shares.append(f"{found.share:.1%} ({found.low:.1%} to {found.high:.1%})")
    num_fitted = record.fit.answers if record.fit else 0
    refused = calibration.outcome.refusal or "no"
    return f"| {name} | {num_fitted} | {auc:.4f} | {head.threshold:.2f} | {' | '.join(shares)} | {refused} |"


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.0f} s", flush=True)


def told(done: int, of: int) -> None:
    if done % 50 == 0 or done == of:
        print(f"  {done} of {of}", flush=True)


def convert(args: argparse.Namespace, target: Path) -> Path:
    question = AdapterQuestion(adapter=args.adapter, base="demo", template=args.template)
    convert_command(question, output=target, force=False, settings=[])
    return target


def fit_on_prompts(args: argparse.Namespace, adapter: Path) -> Calibration:
    data = read_prompts(args.train, max_prompts=args.prompts)
    with timed("asking"):
        runaways = asyncio.run(
            run_away(
                adapter,
                "demo",
                data.prompts,
                engine_starter(ENGINE_FLAGS, quiet=True),
                cap=args.cap,
                seed=0,
                cache_dir=default_cache_dir(),
                told=told,
            )
        )
    num_tokens = sum(len(said.token_ids) for said in runaways.generations)
    print(f"{len(runaways.generations)} generations of {num_tokens} tokens", flush=True)
    with timed("fitting on them"):
        calibration = calibrate_on_generations(
            adapter, runaways.base, data, runaways.generations, runaways.skipped
        )
    fitted = calibration.generations
    if fitted is not None:
        print(
            f"ends {dict(fitted.num_by_kind)}, {fitted.num_left_out} left out, {fitted.num_moved} moved in "
            f"{fitted.num_rounds} rounds",
            flush=True,
        )
    return calibration


def read_heldout(
    args: argparse.Namespace, adapter: Path, base: Path, files: TokenizerFiles
) -> list[AnswerLogprobs]:
    template = (adapter / converted_profile(adapter).template.file).read_text(encoding="utf-8")
    data = read_conversations(args.heldout)
    tokenized = tokenize_answers(data.conversations, template, files, max_tokens=MAX_TOKENS)
    return list(answer_logprobs(base, adapter, tokenized.answers, ModelOptions()))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--adapter", default="demo:pydoc", help="directory, or demo:NAME")
    parser.add_argument("--template", help="as for endturn convert")
    parser.add_argument("--train", type=Path, default=DATA / "train.jsonl")
    parser.add_argument("--heldout", type=Path, default=DATA / "heldout.jsonl")
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--cap", type=int, default=128)
    args = parser.parse_args()
    base = demo_base_model(default_cache_dir())
    files = read_tokenizer(base, ModelFilesError, follow_links=True)
    if files is None:
        raise SystemExit("the demo's base has no tokenizer")
    with tempfile.TemporaryDirectory() as name:
        adapter = convert(args, Path(name) / "adapter")
        on_prompts = fit_on_prompts(args, adapter)
        with timed("fitting on answers"):
            options = CalibrationOptions(max_answers=args.prompts)
            on_answers = calibrate(adapter, base, args.train, options)
        with timed("reading held-out answers"):
            heldout = read_heldout(args, adapter, base, files)
    report(on_prompts, on_answers, lambda n, c: row(n, c, heldout, files), len(heldout))
    return 0


def report(
    on_prompts: Calibration,
    on_answers: Calibration,
    line: Callable[[str, Calibration], str],
    num_heldout: int,
) -> None:
    print(f"\n{num_heldout} held-out answers\n")
    print(
        "| fitted on | answers | AUC | threshold | exact | early | of these inside a sentence | missed | refused |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print(line("prompts alone", on_prompts))
    print(line("answers", on_answers))


if __name__ == "__main__":
    raise SystemExit(main())
