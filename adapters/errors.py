"""Everything that can be wrong with an adapter or a model directory.

AdapterError
├── CheckpointError   the directory is not a LoRA adapter endturn can serve
├── ConversionError   the adapter cannot be converted, or the target cannot be written
├── DataError         a file of conversations cannot be used to fit or to verify
├── ProfileError      endturn.json is missing a field, lies, or is of another format
└── ModelFilesError   the base model's own files are missing or unreadable
"""

from pathlib import Path

MAX_CHARS = 2000


class AdapterError(Exception):
    """A problem with files on disk; `path` says where, the message says what to do: one line, safe to print."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(printable(f"{str(path)[-MAX_CHARS:]}: {message[:MAX_CHARS]}"))
        self.path = path


class CheckpointError(AdapterError):
    """The directory is not a LoRA adapter that can be served."""


class ConversionError(AdapterError):
    """The adapter cannot be converted as asked."""


class DataError(AdapterError):
    """The conversations cannot be used; the message names lines and reasons."""


class ProfileError(AdapterError):
    """The chat profile is invalid."""


class ModelFilesError(AdapterError):
    """The base model's files are missing or unreadable."""


def printable(text: str) -> str:
    """`text` on one line, control characters escaped: text of untrusted files must not steer a terminal or forge a log."""
    lines = " ".join(part.strip() for part in text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in lines)
