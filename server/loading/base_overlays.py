"""Which base directory the engine gets: the plain one, or an overlay with the rows that its adapters trained.

An overlay is made once, in the cache, and named by base and rows. It is right for these adapters and nobody else.
"""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from adapters.base_files import BaseFiles, read_base_files
from adapters.errors import AdapterError
from adapters.weights.base_overlay import overlay_conflict, read_overlay, write_overlay
from adapters.weights.base_rows import BaseRows

from ..errors import StartError
from ..sources.work_directory import work_directory
from .cache_errors import cache_problem

logger = logging.getLogger(__name__)

AdapterRows = Sequence[tuple[str, BaseRows | None]]
_KEY_CHARS = 32


def base_for(
    base: BaseFiles, adapters: AdapterRows, cache_dir: Path, *, allow_overlay: bool
) -> BaseFiles:
    """The base directory to load for `adapters`, (name, rows) each.

    Args:
        allow_overlay: serve adapters that changed no row on the rows of others too.

    Raises:
        StartError: two adapters want different rows, one that changed none would get those of another, or the cache cannot
            be written.
    """
    try:
        if read_overlay(base.path) is not None:
            _refuse_conflicts(base, adapters, allow_overlay=allow_overlay)
            return base
        if all(rows is None for _, rows in adapters):
            return base
        return _overlay(base, adapters, cache_dir, allow_overlay=allow_overlay)
    except AdapterError as exc:
        raise StartError(
            f"{exc}; serve them apart, or add --allow-overlay where unchanged rows may differ"
        ) from exc
    except OSError as exc:
        raise StartError(f"an overlay of the base: {cache_problem(exc, cache_dir)}") from exc


def _refuse_conflicts(base: BaseFiles, adapters: AdapterRows, *, allow_overlay: bool) -> None:
    for name, rows in adapters:
        problem = overlay_conflict(base.path, name, rows, allow_unchanged=allow_overlay)
        if problem is not None:
            raise StartError(f"--adapter {name}: {problem}")


def _overlay(
    base: BaseFiles, adapters: AdapterRows, cache_dir: Path, *, allow_overlay: bool
) -> BaseFiles:
    digest = hashlib.sha256(str(base.path.resolve()).encode())
    for part in sorted({rows.digest for _, rows in adapters if rows is not None}):
        digest.update(part.encode())
    target = cache_dir / "overlays" / digest.hexdigest()[:_KEY_CHARS]
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if target.is_dir():
            _refuse_conflicts(read_base_files(target), adapters, allow_overlay=allow_overlay)
        else:
            logger.info(
                "writing an overlay of the base for %d adapters to %s", len(adapters), target
            )
            with work_directory(target.parent, ".overlay-") as work:
                write_overlay(base, adapters, work / "overlay", allow_unchanged=allow_overlay)
                (work / "overlay").rename(target)
    return read_base_files(target)
