"""A directory of this machine, named by the operator or through the admin API."""

import os
from pathlib import Path

from .errors import SourceError
from .rules import SourceRules


def directory_anywhere(text: str) -> Path | None:
    """The directory that the operator names; None where there is none.

    os.path, unlike pathlib, raises nothing for a name that is too long or has an unknown user in it.
    """
    path = os.path.expanduser(text)  # noqa: PTH111
    try:
        return Path(path).resolve() if os.path.isdir(path) else None  # noqa: PTH112
    except ValueError:  # a null character
        return None


def directory_in_roots(text: str, rules: SourceRules) -> Path | None:
    """The directory that the admin API names, inside a root when links are followed; None where there is none.

    A relative path is looked for in each root. Whether something lies outside the roots is never told.

    Raises:
        SourceError: an absolute path outside every root, or no root is configured.
    """
    if "\0" in text:
        raise SourceError("a path has no null character")
    path = Path(text)
    if path.is_absolute() and not rules.roots:
        raise SourceError(
            "local paths are refused: start the server with --adapter-root DIR to allow those in a directory"
        )
    roots = [Path(os.path.realpath(root)) for root in rules.roots]
    candidates = [path] if path.is_absolute() else [root / path for root in roots]
    inside = [real for real in map(_real, candidates) if any(map(real.is_relative_to, roots))]
    if path.is_absolute() and not inside:
        raise SourceError("it is in no directory of --adapter-root")
    return next((real for real in inside if os.path.isdir(real)), None)  # noqa: PTH112


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
