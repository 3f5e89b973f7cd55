"""What one download, or one unpacking, may still take: bytes, entries and seconds."""

import time
from collections.abc import Callable
from typing import IO, Protocol

from .errors import SourceError

BLOCK_BYTES = 1 << 18
# An adapter has some ten files, the directory of a training run a few hundred.
MAX_ENTRIES = 10_000


class Reads(Protocol):
    """What can be read from, block by block."""

    def read(self, size: int, /) -> bytes: ...


class Budget:
    """Charged before anything is kept; what it holds is never exceeded. `doing` is said in its messages."""

    def __init__(
        self,
        max_bytes: int,
        *,
        doing: str,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_bytes = max_bytes
        self._left_bytes = max_bytes
        self._left_entries = MAX_ENTRIES
        self._doing = doing
        self._clock = clock
        self._seconds = seconds
        self._ends = None if seconds is None else clock() + seconds

    def take_bytes(self, count: int) -> None:
        """Charge `count` bytes.

        Raises:
            SourceError: there are not that many left, or the time is over.
        """
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise SourceError(
                f"{self._doing} takes more than {self.max_bytes:,} bytes, the limit of --max-adapter-bytes"
            )
        if self._ends is not None and self._clock() > self._ends:
            raise SourceError(f"{self._doing} takes longer than {self._seconds:,.0f} seconds")

    def take_entry(self) -> None:
        """Charge one entry of an archive or a listing.

        Raises:
            SourceError: there were too many.
        """
        self._left_entries -= 1
        if self._left_entries < 0:
            raise SourceError(f"it holds more than {MAX_ENTRIES:,} files and folders")


def copy_blocks(
    source: Reads, target: IO[bytes], budget: Budget, learn: Callable[[bytes], None] | None = None
) -> None:
    """Copy all of `source`, charging each block before it is written; `learn` sees each block, as a hash does.

    Raises:
        SourceError: the budget is used up, or `target` cannot be written.
    """
    while block := source.read(BLOCK_BYTES):
        budget.take_bytes(len(block))
        if learn is not None:
            learn(block)
        try:
            target.write(block)
        except OSError as exc:  # told apart from what reading raises
            raise SourceError(
                f"it cannot be stored ({exc.strerror}); --cache-dir says where"
            ) from exc
