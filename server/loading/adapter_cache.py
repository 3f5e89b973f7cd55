"""A copy of every served adapter, named by the hash of its content.

The engine reads adapters from here only: a source that changes, or goes away, never changes what is being served, and
new weights always have a new path (vLLM's prefix cache keys on it).
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from adapters.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_checkpoint

from ..engine import EngineAdapter
from ..errors import StartError

_BLOCK_BYTES = 1 << 20
_KEY_CHARS = 32


def store_adapter(source: Path, cache_dir: Path) -> EngineAdapter:
    """Copy the adapter in `source` into the cache, unless the same content is there, and check it.

    Raises:
        AdapterError: it is no LoRA adapter that can be served; nothing is left in the cache.
    """
    read_checkpoint(source)
    root = cache_dir / "adapters"
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".copy-", dir=root) as name:
        copy = Path(name) / "adapter"
        copy.mkdir()
        digest = hashlib.sha256()
        for file_name in (CONFIG_FILE, WEIGHTS_FILE):
            _copy(source / file_name, copy / file_name, digest)
        checkpoint = read_checkpoint(copy)  # the source may have changed since it was looked at
        key = digest.hexdigest()[:_KEY_CHARS]
        target = root / key
        try:
            copy.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            # The same content is there, or another process was quicker.
            shutil.rmtree(copy)
    num_bytes = (target / WEIGHTS_FILE).stat().st_size
    return EngineAdapter(key=key, path=target, rank=checkpoint.rank, num_bytes=num_bytes)


def check_stored(adapter: EngineAdapter) -> None:
    """See that the copy is still what it was made of: the engine reads it again when the adapter comes back.

    Raises:
        StartError: a file is gone, or holds something else.
    """
    digest = hashlib.sha256()
    try:
        for file_name in (CONFIG_FILE, WEIGHTS_FILE):
            with (adapter.path / file_name).open("rb") as reader:
                while block := reader.read(_BLOCK_BYTES):
                    digest.update(block)
            digest.update(b"\0")
    except OSError as exc:
        raise StartError(f"the cached copy cannot be read ({exc})") from exc
    if digest.hexdigest()[:_KEY_CHARS] != adapter.key:
        raise StartError(f"{adapter.path}: the cached copy has changed; load the adapter again")


def _copy(source: Path, target: Path, digest: "hashlib._Hash") -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(_BLOCK_BYTES):
            digest.update(block)
            writer.write(block)
    digest.update(b"\0")
