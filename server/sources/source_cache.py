"""Where fetched adapters lie: `sources/<SHA-256 of what came>` in the cache, each whole or not there."""

import os
from pathlib import Path

PREFIX = ".fetch-"


def home_of(cache_dir: Path) -> Path:
    """Where fetched adapters lie in the cache."""
    return cache_dir / "sources"


def published(cache_dir: Path, digest: str) -> Path | None:
    """What was fetched before under this digest, or None."""
    path = home_of(cache_dir) / digest
    return path if path.is_dir() else None


def publish(directory: Path, cache_dir: Path, digest: str) -> Path:
    """Move a complete directory to its name; where the same content is there already, that stays."""
    target = home_of(cache_dir) / digest
    _sync(directory)
    try:
        directory.rename(target)
    except OSError:
        # Another fetch of the same was quicker, or there was one before.
        if not target.is_dir():
            raise
    else:
        _sync(target.parent)
    return target


def adapter_directory(path: Path) -> Path:
    """`path`, or the one folder that it holds and nothing else."""
    children = list(path.iterdir())
    return children[0] if len(children) == 1 and children[0].is_dir() else path


def _sync(path: Path) -> None:
    """Have the names in a directory on the disk: a rename must not survive a power cut that they do not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
