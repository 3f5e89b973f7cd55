"""The header of a safetensors file, read without trust: its size, its tensors and every offset are checked.

What is accepted here, the safetensors library accepts too. Knows nothing of models or adapters; reads no weights.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import AdapterError

MAX_HEADER_BYTES = 32 << 20
MAX_TENSORS = 250_000
MAX_DIMENSIONS = 16
# JSON values in a header of that many tensors: what bounds the memory that parsing takes.
MAX_VALUES = 8 * MAX_TENSORS

DTYPE_BITS: Mapping[str, int] = {
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a file; its bytes are [start, end) of the file itself."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(path: Path, error: type[AdapterError]) -> Mapping[str, TensorInfo]:
    """The tensors in `path` by name; raises `error` where the header is broken, too large or lies about the file."""
    raw, size = _raw_header(path, error)
    start = 8 + len(raw)
    tensors = {
        name: _tensor_info(name, entry, start, path, error)
        for name, entry in _parse(raw, path, error).items()
    }
    at = start
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if info.start != at:
            raise error(path, f"tensor {name!r:.200} overlaps another one or leaves a hole")
        at = info.end
    if at != size:
        raise error(path, f"has {size:,} bytes where its header says {at:,}; is it whole?")
    return tensors


def _raw_header(path: Path, error: type[AdapterError]) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise error(path, "is truncated, or no safetensors file: it ends inside its header")
            if length > MAX_HEADER_BYTES:
                raise error(path, f"claims a header of {length:,} bytes, no such file has one")
            return file.read(length), size
    except OSError as exc:
        raise error(path, f"cannot be read ({exc.strerror or exc})") from exc


def _parse(raw: bytes, path: Path, error: type[AdapterError]) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    if not raw.startswith(b"{"):
        raise error(path, "is no safetensors file")
    if raw.count(b"{") > MAX_TENSORS + 2 or raw.count(b",") + raw.count(b"[") > MAX_VALUES:
        raise error(path, f"claims more than {MAX_TENSORS:,} tensors, no such file has as many")
    try:
        entries: dict[str, Any] = json.loads(raw.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as exc:
        raise error(path, f"has a broken safetensors header ({exc})") from exc
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise error(path, "has a broken safetensors header (__metadata__ must hold strings)")
    return entries


def _tensor_info(
    name: str, entry: Any, data_start: int, path: Path, error: type[AdapterError]
) -> TensorInfo:
    def refused(reason: str) -> AdapterError:
        return error(path, f"tensor {name!r:.200} {reason}")

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise refused("must have dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise refused(f"has the unknown dtype {dtype!r:.40}")
    if not _are_sizes(shape) or len(shape) > MAX_DIMENSIONS:
        raise refused(f"has no valid shape ({shape!r:.80})")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise refused(f"has no valid data_offsets ({offsets!r:.80})")
    if math.prod(shape) * DTYPE_BITS[dtype] != 8 * (offsets[1] - offsets[0]):
        raise refused(f"of shape {shape!r:.80} and dtype {dtype} does not fit its data_offsets")
    return TensorInfo(dtype, tuple(shape), data_start + offsets[0], data_start + offsets[1])


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 60 for n in value)
