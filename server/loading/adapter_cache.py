"""A copy of every served adapter, named by the hash of its content.

The engine reads adapters from here only: a source that changes, or goes away, never changes what is being served, and
new weights always have a new path (vLLM's prefix cache keys on it).
"""

import errno
import hashlib
from contextlib import suppress
from pathlib import Path

from adapters.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_checkpoint

from ..engine import EngineAdapter
from ..errors import StartError
from ..sources.work_directory import work_directory

_BLOCK_BYTES = 1 << 20
_KEY_CHARS = 32
# Of processes that find the same damaged copy at the same time.
MAX_REPLACEMENTS = 10


def store_adapter(source: Path, cache_dir: Path) -> EngineAdapter:
    """Copy the adapter in `source` into the cache, unless the same content is there, and check it.

    Raises:
        AdapterError: it is no LoRA adapter that can be served; nothing is left in the cache.
        OSError: a file cannot be read, or the copy not be written; nothing is left in the cache.
    """
    read_checkpoint(source)
    root = cache_dir / "adapters"
    with work_directory(root, ".copy-") as work:
        copy = work / "adapter"
        copy.mkdir()
        digest = hashlib.sha256()
        for file_name in (CONFIG_FILE, WEIGHTS_FILE):
            _copy(source / file_name, copy / file_name, digest)
        checkpoint = read_checkpoint(copy)  # the source may have changed since it was looked at
        key = digest.hexdigest()[:_KEY_CHARS]
        target = root / key
        num_bytes = (copy / WEIGHTS_FILE).stat().st_size
        _put(copy, target, work / "replaced")
    return EngineAdapter(key=key, path=target, rank=checkpoint.rank, num_bytes=num_bytes)


def check_stored(adapter: EngineAdapter) -> None:
    """See that the copy is still what it was made of: the engine reads it again when the adapter comes back.

    Raises:
        StartError: a file is gone, or holds something else.
    """
    try:
        key = _key_of(adapter.path)
    except OSError as exc:
        raise StartError(f"the cached copy cannot be read ({exc})") from exc
    if key != adapter.key:
        raise StartError(f"{adapter.path}: the cached copy has changed; load the adapter again")


def _put(copy: Path, target: Path, replaced: Path) -> None:
    """Give the copy its name, unless the same content has it: what is there may be damaged, as after a power cut."""
    replaced.mkdir()
    for attempt in range(MAX_REPLACEMENTS):
        try:
            copy.rename(target)
        except OSError as exc:
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt == MAX_REPLACEMENTS - 1:
                raise
        else:
            return
        with suppress(OSError):
            if _key_of(target) == target.name:
                return
        with suppress(FileNotFoundError):  # another process was quicker
            target.rename(replaced / str(attempt))


def _key_of(path: Path) -> str:
    digest = hashlib.sha256()
    for file_name in (CONFIG_FILE, WEIGHTS_FILE):
        with (path / file_name).open("rb") as reader:
            while block := reader.read(_BLOCK_BYTES):
                digest.update(block)
        digest.update(b"\0")
    return digest.hexdigest()[:_KEY_CHARS]


def _copy(source: Path, target: Path, digest: "hashlib._Hash") -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(_BLOCK_BYTES):
            digest.update(block)
            writer.write(block)
    digest.update(b"\0")
