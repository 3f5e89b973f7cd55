"""A directory that is watched: a folder put into it is served by its name, one that is taken away drains."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from adapters.checkpoint import CONFIG_FILE

from ..errors import RequestError
from .host import AdapterHost

logger = logging.getLogger(__name__)

INTERVAL_S = 2.0
MAX_FOLDERS = 10_000
# Of every file: its name, its size, and when it was written.
_Look = tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class _Folder:
    """What a folder looked like when it was last seen, and when it was last loaded."""

    seen: _Look
    loaded: _Look | None = None
    is_served: bool = False


class AdaptersDir:
    """Follows the folders of one directory. A folder is loaded when it has looked the same twice: nobody is writing it."""

    def __init__(self, path: Path, host: AdapterHost) -> None:
        self._path = path
        self._host = host
        self._folders: dict[str, _Folder] = {}

    async def follow(self, interval_s: float = INTERVAL_S) -> None:
        """Look for changes until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.look()
            except OSError as exc:
                logger.warning("--adapters-dir %s: cannot be read now (%s)", self._path, exc)

    async def look(self) -> None:
        """One look: load what is new and at rest, replace what has changed, unload what has gone.

        Raises:
            OSError: the directory cannot be read; nothing is unloaded.
        """
        there = await asyncio.to_thread(_look, self._path)
        for name in [name for name in self._folders if name not in there]:
            await self._gone(name)
        for name, look in there.items():
            await self._came(name, look)

    async def _came(self, name: str, look: _Look) -> None:
        folder = self._folders.get(name)
        if folder is None:
            folder = self._folders[name] = _Folder(seen=look)
            return
        at_rest, folder.seen = folder.seen == look, look
        if not at_rest or folder.loaded == look:
            return
        folder.loaded = look  # also where it fails: it is tried again when it has changed
        try:
            await self._host.load(name, str(self._path / name), in_place=folder.is_served)
            folder.is_served = True
        except RequestError as exc:
            logger.error("--adapters-dir: %s is not served: %s", name, exc)  # noqa: TRY400  (the message says it)

    async def _gone(self, name: str) -> None:
        folder = self._folders.pop(name)
        if not folder.is_served:
            return
        try:
            await self._host.unload(name, timeout_s=0)  # it drains by itself
        except RequestError as exc:
            logger.warning("--adapters-dir: %s: %s", name, exc)


def _look(path: Path) -> dict[str, _Look]:
    """Every folder that holds an adapter, and what its files look like."""
    found: dict[str, _Look] = {}
    for folder in sorted(path.iterdir()):
        if folder.name.startswith(".") or not (folder / CONFIG_FILE).is_file():
            continue
        if len(found) >= MAX_FOLDERS:
            logger.warning("--adapters-dir %s: more than %d folders", path, MAX_FOLDERS)
            break
        stats = [(file.name, file.stat()) for file in folder.iterdir() if file.is_file()]
        found[folder.name] = tuple(
            sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
        )
    return found
