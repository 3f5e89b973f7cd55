"""Where fetched adapters lie: `sources/<SHA-256 of what came>` in the cache, each whole or not there."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".fetch-"
# No fetch takes that long: what is older was left by a killed process.
_LEFT_BEHIND_S = 24 * 3600.0


@contextmanager
def work_directory(cache_dir: Path) -> Iterator[Path]:
    """An empty directory in the cache, gone afterwards; those that killed processes left are cleared away."""
    home = cache_dir / "sources"
    home.mkdir(parents=True, exist_ok=True)
    for left in home.glob(f"{_PREFIX}*"):
        _remove_old(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=home, ignore_cleanup_errors=True) as name:
        yield Path(name)


def published(cache_dir: Path, digest: str) -> Path | None:
    """What was fetched before under this digest, or None."""
    path = cache_dir / "sources" / digest
    return path if path.is_dir() else None


def publish(directory: Path, cache_dir: Path, digest: str) -> Path:
    """Move a complete directory to its name; where the same content is there already, that stays."""
    target = cache_dir / "sources" / digest
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


def _remove_old(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > _LEFT_BEHIND_S:
            shutil.rmtree(path, ignore_errors=True)
    except FileNotFoundError:  # another process was quicker
        return


def _sync(path: Path) -> None:
    """Have the names in a directory on the disk: a rename must not survive a power cut that they do not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
