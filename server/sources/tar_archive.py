"""Files out of a tar, gzipped or not. Members are read and written here; tarfile extracts nothing."""

import gzip
import tarfile
from pathlib import Path
from typing import IO, cast

from .bounded_reader import BoundedReader
from .budget import BLOCK_BYTES
from .errors import SourceError
from .received_files import ReceivedFiles

_BLOCK = tarfile.BLOCKSIZE


def unpack_tar(archive: IO[bytes], files: ReceivedFiles, *, max_bytes: int, gzipped: bool) -> None:
    """Write the wanted members; everything in the stream counts against `max_bytes`, wanted or not.

    Raises:
        SourceError: a member is a link or a device, leads out, or the stream is longer than it may be, or cut short.
        tarfile.TarError, OSError, EOFError, ValueError: it cannot be read.
    """
    if not gzipped:
        _unpack(BoundedReader(archive, max_bytes, max_read_bytes=BLOCK_BYTES), files)
        return
    with gzip.GzipFile(fileobj=archive, mode="rb") as stream:
        reader = BoundedReader(cast("IO[bytes]", stream), max_bytes, max_read_bytes=BLOCK_BYTES)
        _unpack(reader, files)
        while reader.read(BLOCK_BYTES):  # to the checksum at the end
            pass


def _unpack(reader: BoundedReader, files: ReceivedFiles) -> None:
    end = 0
    with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r:") as tar:
        for member in tar:
            _refuse_special(member, files.directory)
            path = files.wanted(member.name)
            if path is not None and member.isreg() and (content := tar.extractfile(member)):
                with content:
                    files.write(path, content)
            size = member.size if member.isreg() else 0
            end = member.offset_data + -(-size // _BLOCK) * _BLOCK
            _forget(tar)
    # tarfile takes a broken header, and a stream that ends between two members, for the end.
    reader.seek(end)
    if reader.read(_BLOCK) != bytes(_BLOCK):
        raise SourceError("the archive is cut short or broken: it lacks its end")


def _forget(tar: tarfile.TarFile) -> None:
    """tarfile keeps the headers of all members, and adds up those that hold for all."""
    tar.members = []  # type: ignore[attr-defined]  # no other way to have it forget
    if sum(len(key) + len(value) for key, value in tar.pax_headers.items()) > BLOCK_BYTES:
        raise SourceError("its directory, or a header, is too large")


def _refuse_special(member: tarfile.TarInfo, directory: Path) -> None:
    if member.issym() or member.islnk():
        raise SourceError(
            f"it holds a link, {member.name!r:.100}; pack the files themselves (tar --dereference)"
        )
    if member.issparse() or not (member.isreg() or member.isdir()):
        raise SourceError(f"it holds {member.name!r:.100}, which is neither a file nor a folder")
    try:
        tarfile.data_filter(member, str(directory))
    except tarfile.FilterError as exc:
        raise SourceError(f"it holds {member.name!r:.100}, which leads out of it") from exc
