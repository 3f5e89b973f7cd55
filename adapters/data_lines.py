"""The lines of a file that a user gives, read as a stream: each with its number, those that cannot be used with a reason."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .errors import DataError

MAX_LINE_BYTES = 4 << 20
MAX_NAMED_LINES = 20


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out, and why."""

    line: int
    reason: str


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None: ...


def numbered_lines(path: Path, digest: Digest) -> Iterator[tuple[bytes, int] | BadLine]:
    """The lines that are not blank, with their numbers from 1; `digest` is fed the whole file.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                digest.update(line)
                if len(line) > MAX_LINE_BYTES:
                    while not line.endswith(b"\n") and (line := file.readline(MAX_LINE_BYTES)):
                        digest.update(line)
                    yield BadLine(number, f"is longer than {MAX_LINE_BYTES:,} bytes")
                elif line.strip():
                    yield line.removeprefix(b"\xef\xbb\xbf"), number
    except OSError as exc:
        raise DataError(path, f"cannot be read ({exc.strerror or exc})") from exc


def choice_order(seed: int, line: int) -> int:
    """Where a line stands in the order in which `seed` chooses lines."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{line}".encode()).digest()[:8])


def named_lines(bad: Sequence[BadLine], num_bad: int) -> str:
    """Why a file gave nothing."""
    if not bad:
        return "it is empty"
    first = "; ".join(f"line {line.line}: {line.reason}" for line in bad[:3])
    return f"{num_bad} lines are none: {first}"
