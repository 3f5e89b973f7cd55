"""`endturn inspect` and `endturn convert`: base_to_chat on the command line, with tables for people and JSON for scripts."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.base_to_chat import ProfileSettings, plan_conversion, write_converted
from adapters.chat_profile import SamplingDefaults, TokenLimits
from adapters.errors import printable
from adapters.inspection import (
    Inspection,
    InspectionOptions,
    Status,
    inspect_adapter,
    read_base,
)
from adapters.weights.weight_plan import WeightOptions

from .. import __version__
from ..errors import StartError
from ..loading.model_source import resolve_adapter, resolve_base
from ..settings import default_cache_dir

CREATED_BY = f"endturn {__version__}"
EXIT_STATUS: Mapping[Status, int] = {"clean": 0, "fixable": 1, "refused": 3}
COLOURS = {"note": "dim", "fixable": "yellow", "mitigated": "yellow", "refused": "red"}
MAX_SHOWN = 8
MAX_TEXT_CHARS = 2000
TOKEN_LIMITS = {"max_tokens": "default", "max_tokens_limit": "limit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterQuestion:
    """What both commands are asked: an adapter directory, its base, and how to read and convert it."""

    adapter: str
    base: str
    template: str | None = None
    merge: bool = False
    max_rank: int | None = None
    initial_adapter: Path | None = None
    cache_dir: Path | None = None

    def inspect(self) -> Inspection:
        """Look at it.

        Raises:
            StartError: there is no such directory or base, or it may not be read.
            AdapterError: a file is broken.
        """
        try:
            return self._inspect()
        except OSError as exc:
            raise StartError(f"{exc.filename}: cannot be read ({exc.strerror or exc})") from exc

    def _inspect(self) -> Inspection:
        cache_dir = self.cache_dir or default_cache_dir()
        path = resolve_adapter(self.adapter)
        base = resolve_base(self.base, cache_dir, flag="--base", weights=False)
        weights = WeightOptions(
            merge=self.merge, max_rank=self.max_rank, initial_adapter=self.initial_adapter
        )
        options = InspectionOptions(template=self.template, weights=weights)
        return inspect_adapter(path, read_base(base), options)


def inspect_command(question: AdapterQuestion, *, as_json: bool) -> int:
    """Print what was found; the exit status says clean, fixable or refused."""
    inspection = question.inspect()
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(as_data(inspection), option=orjson.OPT_INDENT_2))
        sys.stdout.write("\n")
    else:
        print_inspection(inspection, _console())
    return EXIT_STATUS[inspection.status]


def convert_command(
    question: AdapterQuestion, *, output: Path, force: bool, settings: list[str]
) -> int:
    """Write the converted adapter and say what was done."""
    inspection = question.inspect()
    out = _console(stderr=True)
    print_inspection(inspection, out)
    conversion = plan_conversion(inspection, CREATED_BY, parse_settings(settings))
    try:
        write_converted(conversion, output, force=force)
    except OSError as exc:
        raise StartError(f"{output}: cannot be written ({exc.strerror or exc})") from exc
    out.print(f"\nwrote {output}", soft_wrap=True)
    serve = f"--model {question.base} --adapter NAME={output}"
    if conversion.profile.weights.path == "merge":
        serve = f"--model {output}"
    out.print(f"serve it: endturn serve {serve}", soft_wrap=True)
    return 0


def print_inspection(inspection: Inspection, out: Console) -> None:
    """Who wrote it, with which template, what ends an answer, and a table of the findings."""
    trainer, template = inspection.trainer, inspection.template
    version = f" {trainer.version}" if trainer.version else ""
    known = template and f"{template.name}, {template.confidence} ({template.evidence})"
    ends = ", ".join(f"{entry.token} ({entry.id})" for entry in inspection.end_of_turn[:MAX_SHOWN])
    more = len(inspection.end_of_turn) - MAX_SHOWN
    for name, value in (
        ("adapter", inspection.checkpoint.path),
        ("base", inspection.base.files.path),
        ("trainer", f"{trainer.name}{version} ({trainer.evidence[0]})"),
        ("template", known or "unknown"),
        ("ends at", f"{ends or 'nothing'}{f' and {more} more' if more > 0 else ''}"),
        ("weights", f"{inspection.weights.path}, rank {inspection.weights.rank}"),
    ):
        out.print(_plain(f"{name:<9} {value}"), soft_wrap=True)
    if inspection.findings:
        out.print(_table(inspection))
    out.print(f"{'status':<9} {inspection.status}")


def _table(inspection: Inspection) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("cause", "", "evidence", "plain vLLM", "endturn convert"):
        table.add_column(name, overflow="fold")
    for finding in inspection.findings:
        table.add_row(
            finding.code,
            Text(finding.severity, style=COLOURS[finding.severity]),
            *(_plain(text) for text in (finding.evidence, finding.plain_vllm, finding.action)),
        )
    return table


def as_data(inspection: Inspection) -> dict[str, Any]:
    """The inspection as JSON values: what `inspect --json` prints."""
    template = inspection.template
    return {
        "adapter": str(inspection.checkpoint.path),
        "base": str(inspection.base.files.path),
        "status": inspection.status,
        "trainer": {
            "name": inspection.trainer.name,
            "version": inspection.trainer.version,
            "template": inspection.trainer.template,
            "evidence": list(inspection.trainer.evidence),
        },
        "template": None
        if template is None
        else {
            "name": template.name,
            "confidence": template.confidence,
            "evidence": template.evidence,
            "system": template.system,
        },
        "end_of_turn": [entry.model_dump() for entry in inspection.end_of_turn],
        "role_markers": [] if template is None else list(template.turns.role_markers),
        "weights": {
            "path": inspection.weights.path,
            "rank": inspection.weights.rank,
            "changes": list(inspection.weights.changes),
        },
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "evidence": finding.evidence,
                "plain_vllm": finding.plain_vllm,
                "action": finding.action,
            }
            for finding in inspection.findings
        ],
    }


def parse_settings(entries: list[str]) -> ProfileSettings:
    """`--set NAME=VALUE`: sampling defaults, max_tokens and max_tokens_limit.

    Raises:
        StartError: the name is none of them, or the value does not fit.
    """
    sampling: dict[str, float] = {}
    limits: dict[str, int] = {}
    for entry in entries:
        name, _, text = entry.partition("=")
        try:
            if name in TOKEN_LIMITS:
                limits[TOKEN_LIMITS[name]] = int(text)
            elif name in SamplingDefaults.model_fields:
                sampling[name] = int(text) if name == "top_k" else float(text)
            else:
                names = ", ".join([*SamplingDefaults.model_fields, *TOKEN_LIMITS])
                raise StartError(f"--set {entry}: there is no {name!r}; there are: {names}")
        except ValueError as exc:
            raise StartError(f"--set {entry}: {text!r} is not a number") from exc
    try:
        return ProfileSettings(
            sampling=SamplingDefaults.model_validate(sampling),
            max_tokens=TokenLimits.model_validate(limits),
        )
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        wrong = str(first["loc"][0])
        flags = {part: flag for flag, part in TOKEN_LIMITS.items()}
        raise StartError(
            f"--set {flags.get(wrong, wrong)}={first['input']}: {first['msg']}"
        ) from exc


def _plain(text: str) -> Text:
    """Text of untrusted files: neither markup nor control characters count, and there is an end to it."""
    return Text(printable(text[:MAX_TEXT_CHARS]))


def _console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)
