"""Read one small file from an untrusted directory: bounded in size, never through a link out of the directory."""

import json
from pathlib import Path
from typing import Any

from .errors import AdapterError

MAX_JSON_BYTES = 4 << 20


def read_json_object(
    path: Path,
    error: type[AdapterError],
    *,
    max_bytes: int = MAX_JSON_BYTES,
    follow_links: bool = False,
) -> dict[str, Any]:
    """The JSON object in `path`; raises `error` where it is no readable JSON object of sane size."""
    raw = read_bytes(path, error, max_bytes=max_bytes, follow_links=follow_links)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise error(path, f"is not valid JSON ({exc})") from exc
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
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as exc:
        raise error(path, f"cannot be read ({exc.strerror or exc})") from exc
    if len(raw) > max_bytes:
        raise error(path, f"is larger than {max_bytes:,} bytes, no such file is that large")
    return raw


def refuse_link_outside(path: Path, error: type[AdapterError]) -> None:
    """Raise `error` where `path` is a link to a file outside its own directory.

    The hub's cache is made of such links, from `snapshots/<revision>/` to the `blobs` beside it: these are followed.
    """
    if not path.is_symlink():
        return
    home, target = path.parent.resolve(), path.resolve()
    hub_blobs = home.parent.parent / "blobs"
    if home.parent.name == "snapshots" and target.is_relative_to(hub_blobs):
        return
    if not target.is_relative_to(home):
        raise error(path, f"is a link out of the directory, to {target}")
