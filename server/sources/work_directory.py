"""Directories in the cache for what is only half made; those that killed processes left are cleared away.

Each is locked for as long as its process works in it, and the lock ends with the process however that ends. An age alone
would take a running fetch for an old one when the clock jumps, and keep a day of what a crash loop leaves.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A directory is there before it is locked; no process takes that long in between.
_UNLOCKED_FOR_S = 600.0
# On a file system without locks: no work takes that long.
_LEFT_BEHIND_S = 24 * 3600.0


@contextmanager
def work_directory(home: Path, prefix: str) -> Iterator[Path]:
    """An empty directory in `home`, which is made where it is not; gone afterwards.

    Args:
        prefix: what the names of such directories begin with, and no others in `home`.

    Raises:
        OSError: it cannot be made.
    """
    home.mkdir(parents=True, exist_ok=True)
    for left in home.glob(f"{prefix}*"):
        with suppress(OSError):  # another process was quicker, or it is not ours to remove
            _remove_left(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=home, ignore_cleanup_errors=True) as name:
        descriptor = os.open(name, os.O_RDONLY)
        try:
            with suppress(OSError):  # no locks here: then its age counts
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(name)
        finally:
            os.close(descriptor)


def _remove_left(path: Path) -> None:
    age_s = time.time() - path.stat().st_mtime
    if age_s < _UNLOCKED_FOR_S:
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # a process works in it
    except OSError:
        if age_s < _LEFT_BEHIND_S:
            return
    finally:
        os.close(descriptor)
    shutil.rmtree(path, ignore_errors=True)
