"""A seekable stream that gives no more than it may: for readers of archives, which ask for what the archive says."""

from typing import IO

from .errors import SourceError

_TOO_LARGE = "its directory, or a header, is too large"


class BoundedReader:
    """Reads and seeks in `stream` up to `max_bytes`, in pieces of `max_read_bytes`.

    tarfile reads a header's extension, and zipfile the directory, in one piece whose size the archive names.
    """

    def __init__(self, stream: IO[bytes], max_bytes: int, *, max_read_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._max_read_bytes = max_read_bytes

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; without `size` what is left.

        Raises:
            SourceError: that is more than fits memory, or beyond the limit.
        """
        if size > self._max_read_bytes:
            raise SourceError(_TOO_LARGE)
        block = self._stream.read(self._max_read_bytes + 1 if size < 0 else size)
        if len(block) > self._max_read_bytes:
            raise SourceError(_TOO_LARGE)
        self._refuse_beyond(self._stream.tell())
        return block

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move; in a compressed stream that decompresses what lies between, so the limit comes first.

        Raises:
            SourceError: that is beyond the limit.
            ValueError: it is before the beginning; a file would raise what a broken disk does.
        """
        if whence == 0:
            if offset < 0:
                raise ValueError("it points before its own beginning")
            self._refuse_beyond(offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Where the next read begins."""
        return self._stream.tell()

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Nothing: the stream is closed by who opened it."""

    def _refuse_beyond(self, position: int) -> None:
        if position > self._max_bytes:
            raise SourceError(
                f"unpacked it takes more than {self._max_bytes:,} bytes, the limit of --max-adapter-bytes"
            )
