"""Archives and folders in S3 and Google Cloud Storage, through fsspec's s3fs and gcsfs.

Credentials, regions and endpoints come from where these libraries find them: the environment, the machine, their own files.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import fsspec
from fsspec import AbstractFileSystem

from .address import Address
from .budget import Budget, Reads
from .errors import SourceError
from .received_files import MAX_DEPTH, ReceivedFiles
from .rules import SourceRules

_BLOCK_BYTES = 8 << 20
# Scheme -> the library and the extra that brings it.
_LIBRARIES = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gcs")}
# What these libraries raise beside OSError.
_OWN_ERRORS = {
    "s3": ("botocore.exceptions:BotoCoreError",),
    "gs": (
        "aiohttp:ClientError",
        "gcsfs.retry:ChecksumError",
        "gcsfs.retry:HttpError",
        "gcsfs.retry:NonRetryableError",
        "google.auth.exceptions:GoogleAuthError",
        "builtins:RuntimeError",
        "builtins:ValueError",
    ),
}


def refuse_without_library(scheme: str) -> None:
    """Raise where what reads these buckets is not installed.

    Raises:
        SourceError: it is not; the message says how to.
    """
    library, extra = _LIBRARIES[scheme]
    if find_spec(library) is None:
        raise SourceError(
            f"{scheme}:// needs {library}; install it: pip install 'endturn[{extra}]'"
        )


@contextmanager
def object_store(scheme: str, rules: SourceRules) -> Iterator[AbstractFileSystem]:
    """The file system of `scheme`; its errors come out as ours.

    Raises:
        SourceError: the store refuses, has not got it, or cannot be reached.
    """
    refuse_without_library(scheme)
    try:
        yield fsspec.filesystem(scheme, skip_instance_cache=True, **_timeouts(scheme, rules))
    except FileNotFoundError as exc:
        raise SourceError("there is no such object") from exc
    except PermissionError as exc:
        raise SourceError("the store refuses: its credentials may not read this") from exc
    except _errors(scheme) as exc:
        raise SourceError(f"the store cannot be read ({exc!s:.300})") from exc


@contextmanager
def opened_object(store: AbstractFileSystem, address: Address, max_bytes: int) -> Iterator[Reads]:
    """One object, read in ranges."""
    size = store.info(_key(address))["size"]
    if size is not None and size > max_bytes:
        raise SourceError(
            f"the archive has {size:,} bytes, over the {max_bytes:,} of --max-adapter-bytes"
        )
    with store.open(_key(address), "rb", block_size=_BLOCK_BYTES, cache_type="readahead") as body:
        yield body


def download_folder(
    store: AbstractFileSystem, address: Address, directory: Path, budget: Budget
) -> str:
    """Write the wanted objects below `address` into `directory`; the SHA-256 of their names and content.

    Raises:
        SourceError: there are none, no weights among them, or they are too many or too large.
    """
    files = ReceivedFiles(directory, budget)
    prefix = _key(address).rstrip("/") + "/"
    digest = hashlib.sha256()
    for folder, _, objects in store.walk(prefix, maxdepth=MAX_DEPTH, detail=True):
        for key in sorted(info["name"] for info in objects.values()):
            if not key.startswith(prefix):
                raise SourceError(f"the store lists {key!r:.100} in {folder!r:.100}")
            path = files.wanted(key.removeprefix(prefix))
            if path is None:
                continue
            digest.update(f"{path}\0".encode())
            with store.open(key, "rb", block_size=_BLOCK_BYTES, cache_type="readahead") as body:
                files.write(path, body)
            with (directory / path).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    files.refuse_without_weights()
    return digest.hexdigest()


def _key(address: Address) -> str:
    return f"{address.host}{address.path}"


def _errors(scheme: str) -> tuple[type[Exception], ...]:
    places = [place.partition(":") for place in _OWN_ERRORS[scheme]]
    return OSError, *(getattr(import_module(module), name) for module, _, name in places)


def _timeouts(scheme: str, rules: SourceRules) -> dict[str, Any]:
    if scheme == "s3":
        return {
            "config_kwargs": {
                "connect_timeout": rules.connect_timeout_s,
                "read_timeout": rules.stall_timeout_s,
                "retries": {"max_attempts": 2},
            }
        }
    return {
        "requests_timeout": aiohttp.ClientTimeout(
            connect=rules.connect_timeout_s, sock_read=rules.stall_timeout_s
        )
    }
