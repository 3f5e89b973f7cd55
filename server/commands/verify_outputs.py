"""Where the outcome of a verification goes: standard output, a page, and the adapters' profiles.

Files appear whole or not at all.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from adapters.chat_profile import read_profile, write_profile

from ..errors import StartError
from ..verification import (
    ReportHead,
    Verification,
    as_record,
    print_figures,
    recommended_profile,
    report_html,
)
from .verified_models import VerifiedAdapter


def print_outputs(verifications: Sequence[Verification], *, as_json: bool) -> None:
    """Tables for people, or JSON for scripts: a list with one object an adapter."""
    if not as_json:
        print_figures(verifications, Console(highlight=False, markup=False, emoji=False))
        return
    written = orjson.dumps([_as_data(found) for found in verifications], option=orjson.OPT_INDENT_2)
    sys.stdout.write(written.decode() + "\n")
    sys.stdout.flush()


def _as_data(found: Verification) -> dict[str, Any]:
    recommended = found.recommendation
    return {
        **asdict(found.figures),
        "recommendation": {
            "sampling": recommended.sampling.model_dump(exclude_none=True),
            "max_tokens": recommended.max_tokens.model_dump(),
            "guard": recommended.guard.model_dump(),
            "notes": list(recommended.notes),
        },
    }


def write_report(path: Path, head: ReportHead, verifications: Sequence[Verification]) -> None:
    """Write the page; one that is there is replaced.

    Raises:
        StartError: it cannot be written.
    """
    page = report_html(head, verifications)
    made: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".report-", delete=False, encoding="utf-8"
        ) as file:
            made = Path(file.name)
            file.write(page)
        made.chmod(0o644)
        made.replace(path)
    except OSError as exc:
        raise StartError(f"{path}: cannot be written ({exc})") from exc
    finally:
        if made is not None:
            made.unlink(missing_ok=True)


def write_profiles(
    adapters: Sequence[VerifiedAdapter], verifications: Sequence[Verification], head: ReportHead
) -> Iterator[Path]:
    """Put the recommended settings and a summary into each profile; the directories, as they are done.

    Raises:
        StartError: a profile cannot be written, or is not the one that was verified any more.
    """
    for adapter, found in zip(adapters, verifications, strict=True):
        path = adapter.source.path
        if adapter.profile is None or read_profile(path) != adapter.profile:
            raise StartError(f"--write: {path} was changed meanwhile; verify it again")
        record = as_record(
            found.figures,
            created_by=head.created_by,
            day=head.day,
            data=head.data_sha256,
            seed=head.seed,
        )
        try:
            write_profile(recommended_profile(adapter.profile, found.recommendation, record), path)
        except OSError as exc:
            raise StartError(f"--write: {path} cannot be written to ({exc})") from exc
        yield path
