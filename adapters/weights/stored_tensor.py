"""Tensors that stay on disk: rows are read by seeking, files are written in blocks, so that no tensor is ever loaded whole.

A tensor is a list of pieces: slices of files, bytes, and blocks computed while they are written. numpy, no torch.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import AdapterError
from ..safetensors_file import DTYPE_BITS, TensorInfo, read_header

FLOAT_DTYPES: Mapping[str, str] = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
COPY_BYTES = 8 << 20
# Rows that are compared or computed at a time take about this much as float32.
BLOCK_BYTES = 32 << 20

Rows: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Bytes [start, end) of a file."""

    path: Path
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def read(self, first: int, last: int) -> bytes:
        """Bytes [first, last) of the slice.

        Raises:
            AdapterError: the file cannot be read, or became shorter.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self.start + first)
                raw = file.read(last - first)
        except OSError as exc:
            raise AdapterError(self.path, f"cannot be read ({exc.strerror or exc})") from exc
        if len(raw) != last - first:
            raise AdapterError(self.path, "became shorter while it was read")
        return raw


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """The bytes of a matrix whose rows are computed when they are asked for."""

    shape: tuple[int, int]
    dtype: str
    rows: Callable[[range], Rows]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.shape[1] * DTYPE_BITS[self.dtype] // 8

    def __len__(self) -> int:
        return self.shape[0] * self.row_bytes

    def read(self, first: int, last: int) -> bytes:
        """Bytes [first, last) of the matrix; `first` must begin a row."""
        block = range(first // self.row_bytes, -(-last // self.row_bytes))
        return to_bytes(self.rows(block), self.dtype)[: last - first]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor; its bytes are these pieces one after the other."""

    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[bytes | FileSlice | Computed, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of a matrix."""
        return self.shape[1] * DTYPE_BITS[self.dtype] // 8

    @property
    def is_float(self) -> bool:
        """Whether its numbers can be read here; quantised weights cannot."""
        return self.dtype in FLOAT_DTYPES


def open_tensors(path: Path, error: type[AdapterError]) -> dict[str, Tensor]:
    """The tensors of a safetensors file; raises `error` where its header is broken."""
    return {name: stored(path, info) for name, info in read_header(path, error).items()}


def stored(path: Path, info: TensorInfo) -> Tensor:
    """The tensor of `path` that its header describes so."""
    piece = FileSlice(path, info.start, info.end)
    return Tensor(dtype=info.dtype, shape=info.shape, pieces=(piece,))


def of_values(values: Rows, dtype: str = "F32") -> Tensor:
    """A tensor of these numbers."""
    return Tensor(dtype=dtype, shape=values.shape, pieces=(to_bytes(values, dtype),))


def of_rows(shape: tuple[int, int], rows: Callable[[range], Rows], dtype: str = "F32") -> Tensor:
    """A matrix whose rows are computed when they are read or written."""
    return Tensor(dtype=dtype, shape=shape, pieces=(Computed(shape, dtype, rows),))


def to_float32(raw: bytes, dtype: str) -> Rows:
    """The numbers of an F32, F16 or BF16 tensor. numpy has no bfloat16: it is the upper half of a float32."""
    numbers = np.frombuffer(raw, dtype=FLOAT_DTYPES[dtype])
    if dtype == "BF16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32)


def to_bytes(values: Rows, dtype: str) -> bytes:
    """`values` as an F32, F16 or BF16 tensor stores them, rounded to nearest even."""
    if dtype != "BF16":
        return np.ascontiguousarray(values).astype(FLOAT_DTYPES[dtype]).tobytes()
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) >> 16
    return np.where(np.isnan(values), np.uint32(0x7FC0), rounded).astype("<u2").tobytes()


def rounded(values: Rows, dtype: str) -> Rows:
    """`values` as they come back from a tensor of `dtype`."""
    return to_float32(to_bytes(values, dtype), dtype).reshape(values.shape)


def load(tensor: Tensor) -> Rows:
    """All of a small tensor.

    Raises:
        AdapterError: the file cannot be read.
    """
    size = sum(len(piece) for piece in tensor.pieces)
    return to_float32(_read_bytes(tensor, 0, size), tensor.dtype).reshape(tensor.shape)


def read_rows(tensor: Tensor, ids: Sequence[int]) -> Rows:
    """Rows `ids` of a float matrix, [len(ids), width], reading only their bytes.

    Raises:
        AdapterError: the file cannot be read.
        IndexError: the matrix has no such row.
    """
    if ids and not 0 <= min(ids) <= max(ids) < tensor.shape[0]:
        raise IndexError(f"rows {min(ids)} to {max(ids)} of {tensor.shape[0]}")
    rows = np.empty((len(ids), tensor.shape[1]), dtype=np.float32)
    for first, count in _runs(ids):
        start = ids[first] * tensor.row_bytes
        raw = _read_bytes(tensor, start, start + count * tensor.row_bytes)
        rows[first : first + count] = to_float32(raw, tensor.dtype).reshape(count, -1)
    return rows


def has_same_bytes(one: Tensor, other: Tensor, block: range) -> bool:
    """Whether two matrices of one type store these rows alike: much faster than comparing numbers."""
    if (one.dtype, one.row_bytes) != (other.dtype, other.row_bytes):
        return False
    start, end = block.start * one.row_bytes, block.stop * one.row_bytes
    return _read_bytes(one, start, end) == _read_bytes(other, start, end)


def row_blocks(width: int, num_rows: int) -> Iterator[range]:
    """Ranges that cover the rows of a matrix, each small enough for memory."""
    step = max(1, BLOCK_BYTES // max(1, 4 * width))
    return (range(at, min(at + step, num_rows)) for at in range(0, num_rows, step))


def replace_rows(tensor: Tensor, ids: Sequence[int], values: Rows, num_rows: int) -> Tensor:
    """The matrix with rows `ids` (ascending) set to `values`, grown to `num_rows`; new rows that are not given are zero."""
    old_rows, row_bytes = tensor.shape[0], tensor.row_bytes
    (whole,) = tensor.pieces
    if not isinstance(whole, FileSlice):
        raise TypeError("rows are replaced in a tensor of a file")
    pieces: list[bytes | FileSlice | Computed] = []

    def keep(first: int, last: int) -> None:
        if first < min(last, old_rows):
            begin, end = first * row_bytes, min(last, old_rows) * row_bytes
            pieces.append(FileSlice(whole.path, whole.start + begin, whole.start + end))
        if max(first, old_rows) < last:
            pieces.append(bytes((last - max(first, old_rows)) * row_bytes))

    at = 0
    for row, value in zip(ids, values, strict=True):
        keep(at, row)
        pieces.append(to_bytes(value, tensor.dtype))
        at = row + 1
    keep(at, num_rows)
    return Tensor(dtype=tensor.dtype, shape=(num_rows, tensor.shape[1]), pieces=tuple(pieces))


def write_tensors(target: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a new file in blocks; slices of other files are copied without being loaded.

    Raises:
        AdapterError: a file cannot be read.
        ValueError: the pieces of a tensor do not make up its shape.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    # Wide types first, as the library writes them: every tensor starts at a multiple of its own width.
    order = sorted(tensors, key=lambda name: (-DTYPE_BITS[tensors[name].dtype], name))
    at = 0
    for name in order:
        tensor = tensors[name]
        length = sum(len(piece) for piece in tensor.pieces)
        if 8 * length != math.prod(tensor.shape) * DTYPE_BITS[tensor.dtype]:
            raise ValueError(f"{name}: {length} bytes are no {tensor.dtype} {tensor.shape}")
        entry = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [at, at + length]}
        header[name] = entry
        at += length
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with target.open("xb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        for name in order:
            for piece in tensors[name].pieces:
                _write_piece(file, piece)


def _write_piece(file: IO[bytes], piece: bytes | FileSlice | Computed) -> None:
    if isinstance(piece, bytes):
        file.write(piece)
        return
    step = COPY_BYTES
    if isinstance(piece, Computed):
        step = max(1, step // max(1, piece.row_bytes)) * piece.row_bytes
    for at in range(0, len(piece), max(1, step)):
        file.write(piece.read(at, min(at + step, len(piece))))


def _read_bytes(tensor: Tensor, start: int, end: int) -> bytes:
    parts: list[bytes] = []
    at = 0
    for piece in tensor.pieces:
        first, last = max(start - at, 0), min(end - at, len(piece))
        if first < last:
            parts.append(piece[first:last] if isinstance(piece, bytes) else piece.read(first, last))
        at += len(piece)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _runs(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(position, length) of each run of consecutive ids."""
    first = 0
    for at in range(1, len(ids) + 1):
        if at == len(ids) or ids[at] != ids[at - 1] + 1:
            yield first, at - first
            first = at
