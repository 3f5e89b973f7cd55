"""Read one small file from an untrusted directory: bounded in size, never through a link out of the directory."""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from .errors import AdapterError

MAX_JSON_BYTES = 4 << 20
# Python reads deeper than it, or pydantic, can write; no such file comes near.
MAX_DEPTH = 100
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json_object(
    path: Path,
    error: type[AdapterError],
    *,
    max_bytes: int = MAX_JSON_BYTES,
    follow_links: bool = False,
) -> dict[str, Any]:
    """The JSON object in `path`; raises `error` where it is no readable JSON object of sane size."""
    text = read_text(path, error, max_bytes=max_bytes, follow_links=follow_links)
    try:
        value = json.loads(text)
        if _SURROGATE.search(text):
            # Half a surrogate pair is no character: it could be neither printed nor written again.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as exc:
        raise error(path, f"is not valid JSON ({exc})") from exc
    if _is_deep(value):
        raise error(path, f"is not valid JSON (it is nested deeper than {MAX_DEPTH})")
    if not isinstance(value, dict):
        raise error(path, f"must hold a JSON object, it holds {type(value).__name__}")
    return value


def read_text(
    path: Path, error: type[AdapterError], *, max_bytes: int, follow_links: bool = False
) -> str:
    """The UTF-8 text in `path`; raises `error` where it cannot be read, is larger, or is no UTF-8."""
    try:
        return read_bytes(path, error, max_bytes=max_bytes, follow_links=follow_links).decode()
    except UnicodeDecodeError as exc:
        raise error(path, f"is not UTF-8 text ({exc})") from exc


def read_bytes(
    path: Path, error: type[AdapterError], *, max_bytes: int, follow_links: bool = False
) -> bytes:
    """The bytes of `path`; raises `error` where it cannot be read, is larger, or lies outside its directory.

    `follow_links` is for the operator's own directories, where a link may go anywhere.
    """
    if not follow_links:
        refuse_link_outside(path, error)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise error(path, "is not a regular file")
            raw = file.read(max_bytes + 1)
    except OSError as exc:
        raise error(path, f"cannot be read ({exc.strerror or exc})") from exc
    except ValueError as exc:  # a zero byte in its name
        raise error(path, f"cannot be read ({exc})") from exc
    if len(raw) > max_bytes:
        raise error(path, f"is larger than {max_bytes:,} bytes, no such file is that large")
    return raw


def refuse_link_outside(path: Path, error: type[AdapterError]) -> None:
    """Raise `error` where `path` is a link to a file outside its own directory.

    The hub's cache is made of such links, from `snapshots/<revision>/` to the `blobs` beside it: these are followed.
    """
    try:
        if not path.is_symlink():
            return
        home, target = path.parent.resolve(), path.resolve()
    except (OSError, RuntimeError) as exc:  # a name too long; links in a circle
        raise error(path, f"cannot be read ({exc})") from exc
    allowed = [home]
    allowed += [p.parent / "blobs" for p in home.parents if p.name == "snapshots"]
    if not any(target.is_relative_to(place) for place in allowed):
        raise error(path, f"is a link out of the directory, to {target}")


def _is_deep(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        children = (
            child for node in level for child in (node.values() if isinstance(node, dict) else node)
        )
        level = [child for child in children if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _open_at_once(path: str, flags: int) -> int:
    """A named pipe is opened without waiting for its other end."""
    return os.open(path, flags | os.O_NONBLOCK)
