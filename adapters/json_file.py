"""Read one small JSON object from an untrusted directory: bounded in size, never through a link out of it."""

import json
from pathlib import Path
from typing import Any

from .errors import AdapterError

MAX_JSON_BYTES = 4 << 20


def read_json_object(path: Path, error: type[AdapterError]) -> dict[str, Any]:
    """The JSON object in `path`; raises `error` where it is no readable JSON object of sane size."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_JSON_BYTES + 1)
    except OSError as exc:
        raise error(path, f"cannot be read ({exc.strerror or exc})") from exc
    if len(raw) > MAX_JSON_BYTES:
        raise error(path, f"is larger than {MAX_JSON_BYTES:,} bytes, no such file is that large")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise error(path, f"is not valid JSON ({exc})") from exc
    if not isinstance(value, dict):
        raise error(path, f"must hold a JSON object, it holds {type(value).__name__}")
    return value
