"""The report: one HTML page that needs nothing from anywhere, for a phone, a desk and paper.

Everything a model or a file said is escaped, and its control characters are made visible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import charts
from .example import MAX_CHARS, shortened
from .verification import Verification

KIND_NAMES = {
    "eos": "end-of-sequence token",
    "stop_token": "end-of-turn token",
    "stop_string": "stop string",
    "role_marker": "role marker",
    "calibrated": "stop head",
    "max_tokens": "ran to the limit",
    "repetition": "loop, cut",
}
_SHOWN_CONTROLS = frozenset("\n\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHead:
    """What all adapters of a page share. `data` is the file's name, `day` a date."""

    base: str
    data: str
    data_sha256: str
    num_conversations: int
    num_bad: int
    seed: int
    engine_flags: tuple[str, ...]
    created_by: str
    day: str


def report_html(head: ReportHead, verifications: Sequence[Verification]) -> str:
    """The page as text."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["visible"] = visible
    template = environment.get_template("report.html.jinja")
    return template.render(
        head=head, verifications=verifications, charts=charts, kind_names=KIND_NAMES
    )


def percent(share: float) -> str:
    """A share for people."""
    return f"{share:.0%}" if share in (0, 1) else f"{share:.1%}"


def visible(text: str, max_chars: int = MAX_CHARS) -> str:
    """Text of a model for a page: not too long, and nothing in it that cannot be seen or turns the page around."""
    return "".join(
        char if char.isprintable() or char in _SHOWN_CONTROLS else "\N{REPLACEMENT CHARACTER}"
        for char in shortened(text, max_chars)
    )
