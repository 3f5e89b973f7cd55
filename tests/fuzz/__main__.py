"""`make fuzz`: each parser under atheris for a while (ARGS='--seconds 60 checkpoint'), and what it came to.

A finding is an error that is not declared, an input that takes over a second of processor time, or a gigabyte of memory; its
input stays in the directory that is named, and `python -m tests.fuzz.target NAME FILE` repeats it.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import corpus
from .parsers import PARSERS

HERE = Path(__file__).parent
PYTHON = HERE / ".venv" / "bin" / "python"
MAX_MEMORY_MB = 1024
MAX_INPUT_BYTES = 1 << 16
# Wall clock, for an input that never ends; what an input may take is counted in processor time.
HANG_S = 60
_STATUS = re.compile(r"^#\d+\s+(?P<event>[A-Z]+).*?cov: (?P<cov>\d+) ft: (?P<ft>\d+)", re.MULTILINE)
_STAT = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One parser's run. `coverage` is edges of Python's byte code: with the seeds alone, and at the end."""

    name: str
    executions: int
    coverage: tuple[int, int]
    features: tuple[int, int]
    peak_mb: int
    findings: tuple[Path, ...]
    status: int

    def __str__(self) -> str:
        edges, features = ("{:,} -> {:,}".format(*pair) for pair in (self.coverage, self.features))
        told = f"{self.name}: {self.executions:,} executions, edges {edges}, features {features}, "
        return told + f"peak {self.peak_mb:,} MB, {len(self.findings)} findings"


def fuzz(name: str, *, seconds: int, seed: int, work: Path) -> Outcome:
    """Run one parser; its log is `work`/NAME/log."""
    home = work / name
    corpus.write(name, home)
    command = [
        *(str(PYTHON), "-m", "tests.fuzz.target", name, str(home / "corpus")),
        *(f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_INPUT_BYTES}"),
        *(f"-rss_limit_mb={MAX_MEMORY_MB}", f"-timeout={HANG_S}", "-print_final_stats=1"),
        *(f"-dict={home / 'words'}", f"-artifact_prefix={home / 'finding-'}"),
    ]
    with (home / "log").open("w") as log:
        done = subprocess.run(
            command,
            stdout=log,
            stderr=log,
            check=False,
            cwd=HERE.parent.parent,
            env={**os.environ, "TMPDIR": str(home)},
        )
    return _outcome(name, home, done.returncode)


def _outcome(name: str, home: Path, status: int) -> Outcome:
    text = (home / "log").read_text(errors="replace")
    seen = list(_STATUS.finditer(text))
    first = next((line for line in seen if line["event"] == "INITED"), None)
    ends = [] if first is None else [first, seen[-1]]
    cov, features = ([int(line[key]) for line in ends] for key in ("cov", "ft"))
    stats = dict(_STAT.findall(text))
    return Outcome(
        name=name,
        executions=int(stats.get("number_of_executed_units", 0)),
        coverage=(cov[0], cov[-1]) if cov else (0, 0),
        features=(features[0], features[-1]) if features else (0, 0),
        peak_mb=int(stats.get("peak_rss_mb", 0)),
        findings=tuple(sorted(home.glob("finding-*"))),
        status=status,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], metavar="PARSER", help=", ".join(PARSERS))
    parser.add_argument("--seconds", type=int, default=300, help="for each parser; default: 300")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(PARSERS)):
        parser.error(f"no such parser: {', '.join(unknown)}; there are {', '.join(PARSERS)}")
    work = Path(tempfile.mkdtemp(prefix="endturn-fuzz-"))
    failed = False
    for name in args.names or PARSERS:
        outcome = fuzz(name, seconds=args.seconds, seed=args.seed, work=work)
        print(outcome, flush=True)
        for path in outcome.findings:
            print(f"  {path}: python -m tests.fuzz.target {name} {path}")
        failed |= bool(outcome.findings) or outcome.status != 0 or outcome.executions == 0
        if outcome.status != 0 and not outcome.findings:
            print(f"  it ended with status {outcome.status}: see {work / name / 'log'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
