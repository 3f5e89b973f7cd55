"""The files that are taken out of an archive or a listing, into a directory of their own.

Every name comes from outside: it is checked here, and only here, before anything is opened.
"""

import os
import re
from pathlib import Path, PurePosixPath

from .budget import Budget, Reads, copy_blocks
from .errors import SourceError
from .file_kinds import is_pickled, is_wanted, is_weights

MAX_DEPTH = 16
_BAD_CHARS = re.compile(r"[\x00-\x1f\x7f\\]")
_DRIVE = re.compile(r"[A-Za-z]:")


class ReceivedFiles:
    """Writes wanted files below `directory`; no name gets out of it, and none is written twice."""

    def __init__(self, directory: Path, budget: Budget) -> None:
        self.directory = directory
        self._budget = budget
        self._has_weights = False
        self._pickled: PurePosixPath | None = None

    def wanted(self, name: str) -> PurePosixPath | None:
        """Count and check one entry; its path where it is a file to be kept.

        Raises:
            SourceError: the name leads out of the directory, or there are too many.
        """
        self._budget.take_entry()
        path = safe_path(name)
        if path is None:
            return None
        if is_pickled(path):
            self._pickled = path
        return path if is_wanted(path) else None

    def write(self, path: PurePosixPath, content: Reads) -> None:
        """Write one file, on the disk when this returns.

        Raises:
            SourceError: there is one of this name, or it is too large.
            OSError: it cannot be written.
        """
        target = self.directory / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                copy_blocks(content, file, self._budget)
                file.flush()
                os.fsync(file.fileno())
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as exc:
            raise SourceError(f"it holds {str(path)!r} twice, or as a file and a folder") from exc
        self._has_weights |= is_weights(path)

    def refuse_without_weights(self) -> None:
        """Raise where nothing in it can be an adapter's weights.

        Raises:
            SourceError: there is no safetensors file.
        """
        if self._has_weights:
            return
        if self._pickled is not None:
            raise SourceError(
                f"its weights are pickled ({self._pickled.name!r}): these can run code and are never opened; "
                "save the adapter with safe_serialization=True"
            )
        raise SourceError("it holds no safetensors file; an adapter is a PEFT LoRA directory")


def safe_path(name: str) -> PurePosixPath | None:
    """`name` as a path below a directory; None where it is the directory itself.

    Raises:
        SourceError: it is absolute, leads upwards, is too deep, or means something else on another system.
    """
    if _BAD_CHARS.search(name) or name.startswith("/") or _DRIVE.match(name):
        raise SourceError(
            f"it holds {name!r:.100}: an absolute path, or a character that is refused"
        )
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise SourceError(f"it holds {name!r:.100}, which leads out of it")
    if len(parts) > MAX_DEPTH:
        raise SourceError(f"it holds {name!r:.100}, deeper than {MAX_DEPTH} folders")
    return PurePosixPath(*parts) if parts else None
