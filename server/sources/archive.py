"""An adapter out of an archive on disk. What kind it is, its first bytes say, not its name."""

import tarfile
import zipfile
import zlib
from pathlib import Path

from .budget import Budget
from .errors import SourceError
from .received_files import ReceivedFiles
from .tar_archive import unpack_tar
from .zip_archive import unpack_zip

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_TAR, _TAR_AT = b"ustar", 257
# What the standard library's readers raise for bytes that are no archive, or a broken one.
_UNREADABLE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    OverflowError,
    LookupError,
    NotImplementedError,
    RecursionError,
)


def is_archive_name(name: str) -> bool:
    """Whether the name ends as an archive's does."""
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, directory: Path, *, max_bytes: int) -> None:
    """Unpack the adapter in `archive` into `directory`, which exists and is empty.

    Raises:
        SourceError: it is no archive, a dangerous or broken one, takes more than `max_bytes`, or holds no weights.
        OSError: it cannot be written.
    """
    files = ReceivedFiles(directory, Budget(max_bytes, doing="unpacking"))
    try:
        _unpack(archive, files, max_bytes)
    except _UNREADABLE as exc:
        raise SourceError(f"the archive is broken ({_reason(exc)})") from exc
    except OSError as exc:
        # gzip's own error for bad data; those of the disk have a number.
        if exc.errno is not None:
            raise
        raise SourceError(f"the archive is broken ({_reason(exc)})") from exc
    files.refuse_without_weights()


def _unpack(archive: Path, files: ReceivedFiles, max_bytes: int) -> None:
    with archive.open("rb") as file:
        head = file.read(_TAR_AT + len(_TAR))
        file.seek(0)
        if head.startswith(_ZIP):
            unpack_zip(file, files, archive_bytes=archive.stat().st_size)
        elif head.startswith(_GZIP) or head[_TAR_AT:] == _TAR:
            unpack_tar(file, files, max_bytes=max_bytes, gzipped=head.startswith(_GZIP))
        else:
            raise SourceError(f"what came is no archive: {', '.join(SUFFIXES)} are taken")


def _reason(exc: Exception) -> str:
    return f"{exc!s:.200}" or type(exc).__name__
