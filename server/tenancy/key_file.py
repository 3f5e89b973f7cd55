"""The file of API keys: YAML, `keys:` a list of tenants. Read at start, and again when it changes."""

import logging
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import StartError
from .tenant import Tenant

logger = logging.getLogger(__name__)

MAX_BYTES = 16 << 20


class _Entries(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    keys: list[Tenant] = Field(min_length=1)


def read_key_file(path: Path) -> tuple[Tenant, ...]:
    """The tenants in `path`.

    Raises:
        StartError: it cannot be read, is no key file, or names a tenant or a key twice. The message shows no value.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise StartError(f"--api-key-file {path}: it is over {MAX_BYTES:,} bytes")
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise StartError(f"--api-key-file {path}: cannot be read ({exc})") from exc
    except yaml.YAMLError as exc:
        # Its own message quotes the line, which may hold a key that should not be there.
        mark = getattr(exc, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}"
        raise StartError(f"--api-key-file {path}: it is not YAML{where}") from exc
    except RecursionError as exc:
        raise StartError(f"--api-key-file {path}: it is nested too deep") from exc
    try:
        tenants = tuple(_Entries.model_validate(raw).keys)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        raise StartError(f"--api-key-file {path}: {field or 'the file'}: {problem}") from exc
    _refuse_twins(path, "name", [tenant.name for tenant in tenants])
    _refuse_twins(path, "sha256", [tenant.sha256 for tenant in tenants])
    return tenants


def _refuse_twins(path: Path, field: str, values: Sequence[str]) -> None:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise StartError(
                f"--api-key-file {path}: keys.{number}.{field}: it stands there twice ({value:.16})"
            )


class KeyFile:
    """A key file that is looked at again: `changed` gives new tenants once, None where nothing is new.

    A file that became wrong is told in the log and changes nothing, so an edit can never lock everyone out, nor let
    anyone in. Kubernetes swaps a mounted Secret by a link, so what counts is the file that the path leads to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._stamp()
        self.tenants = read_key_file(path)

    def changed(self) -> tuple[Tenant, ...] | None:
        """The tenants, if the file changed since the last look and can be read."""
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            self.tenants = read_key_file(self._path)
        except StartError as exc:
            logger.error("the keys stay as they were: %s", exc)  # noqa: TRY400  (no trace: it could hold a key)
            return None
        logger.info("%s was read again: %d keys", self._path, len(self.tenants))
        return self.tenants

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
