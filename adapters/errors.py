"""Everything that can be wrong with an adapter or a model directory.

AdapterError
├── CheckpointError   the directory is not a LoRA adapter endturn can serve
├── ProfileError      endturn.json is missing a field, lies, or is of another format
└── ModelFilesError   the base model's own files are missing or unreadable
"""

from pathlib import Path


class AdapterError(Exception):
    """A problem with files on disk; `path` says where, the message says what to do."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class CheckpointError(AdapterError):
    """The directory is not a LoRA adapter that can be served."""


class ProfileError(AdapterError):
    """The chat profile is invalid."""


class ModelFilesError(AdapterError):
    """The base model's files are missing or unreadable."""
