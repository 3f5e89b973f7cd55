"""What to say when the cache cannot be written: the setting that moves it, and the system's reason."""

import errno
from pathlib import Path

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def cache_problem(exc: Exception, cache_dir: Path) -> str:
    """One line on `exc`: about --cache-dir where that is full or cannot be written, else what `exc` says."""
    reason = exc if isinstance(exc, OSError) else exc.__cause__
    if not isinstance(reason, OSError):
        return str(exc)
    words = reason.strerror or type(reason).__name__
    if reason.errno in _NO_ROOM:
        return f"--cache-dir {cache_dir}: there is no room for it ({words}); make some, or give another directory"
    if isinstance(exc, OSError) and _is_about(reason, cache_dir):
        return f"--cache-dir {cache_dir}: it cannot be written ({words}); give another directory"
    return str(exc)


def _is_about(exc: OSError, cache_dir: Path) -> bool:
    """Whether the path of the error is in the cache, or above it: the cache is made where it is not there."""
    if not isinstance(exc.filename, str):
        return False
    path = Path(exc.filename)
    return path.is_relative_to(cache_dir) or cache_dir.is_relative_to(path)
