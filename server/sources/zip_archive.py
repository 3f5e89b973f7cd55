"""Files out of a zip."""

import stat
import zipfile
from typing import IO, cast

from .bounded_reader import BoundedReader
from .errors import SourceError
from .received_files import ReceivedFiles

# Others allocate what the archive asks for.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
# Of a directory with 10,000 entries, with room.
_MAX_DIRECTORY_BYTES = 4 << 20


def unpack_zip(archive: IO[bytes], files: ReceivedFiles, *, archive_bytes: int) -> None:
    """Write the wanted members; what each really unpacks to is counted, whatever the directory says.

    Raises:
        SourceError: a member is a link or encrypted, leads out, or is too large.
        zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError: it cannot be read.
    """
    reader = BoundedReader(archive, archive_bytes, max_read_bytes=_MAX_DIRECTORY_BYTES)
    with zipfile.ZipFile(cast("IO[bytes]", reader)) as zipped:
        for member in zipped.infolist():
            _refuse_special(member)
            path = files.wanted(member.orig_filename)
            if path is None or member.is_dir():
                continue
            with zipped.open(member) as content:
                files.write(path, content)


def _refuse_special(member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise SourceError(f"it holds {name!r:.100}, a link or a device; pack the files themselves")
    if member.flag_bits & _ENCRYPTED:
        raise SourceError(f"it holds {name!r:.100}, which is encrypted")
    if member.compress_type not in _METHODS:
        raise SourceError(f"{name!r:.100} is packed by a rare method; use deflate")
