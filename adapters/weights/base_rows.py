"""The rows that an adapter needs in its base, in a file beside the adapter: ids and values of each matrix."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CheckpointError, ConversionError
from ..json_file import refuse_link_outside
from .stored_tensor import Rows, Tensor, load, of_values, open_tensors, write_tensors
from .token_rows import MAX_LISTED_ROWS, Matrix

ROWS_FILE = "base_rows.safetensors"
MATRICES: tuple[Matrix, ...] = ("embed_tokens", "lm_head")
NAMED_IDS = 8


@dataclass(frozen=True, slots=True)
class RowValues:
    """Rows of one matrix: `ids` ascending, `values` [len(ids), width]."""

    ids: tuple[int, ...]
    values: Rows

    def equals(self, other: "RowValues") -> bool:
        """Whether both set the same rows to the same values."""
        return self.ids == other.ids and bool(np.array_equal(self.values, other.values))


@dataclass(frozen=True, slots=True)
class BaseRows:
    """The rows that an adapter needs in its base, of each matrix that has any."""

    matrices: Mapping[Matrix, RowValues]

    @property
    def digest(self) -> str:
        """sha256 over ids and values: two adapters with one digest share an overlay."""
        digest = hashlib.sha256()
        for matrix in MATRICES:
            rows = self.matrices.get(matrix)
            if rows is not None:
                digest.update(matrix.encode() + np.asarray(rows.ids, dtype="<i8").tobytes())
                digest.update(rows.values.astype("<f4").tobytes())
        return digest.hexdigest()


def read_base_rows(adapter: Path) -> BaseRows | None:
    """The rows beside an adapter, None where it needs none.

    Raises:
        CheckpointError: the file is broken.
    """
    path = adapter / ROWS_FILE
    if not path.exists():
        return None
    refuse_link_outside(path, CheckpointError)
    return read_rows_file(path)


def read_rows_file(path: Path) -> BaseRows:
    """The rows in a file that `write_rows_file` wrote.

    Raises:
        CheckpointError: the file is broken.
    """
    tensors = open_tensors(path, CheckpointError)
    matrices: dict[Matrix, RowValues] = {}
    for matrix in MATRICES:
        ids, values = tensors.get(f"{matrix}.ids"), tensors.get(f"{matrix}.rows")
        if ids is None or values is None:
            continue
        if (
            len(ids.shape) != 1
            or len(values.shape) != 2
            or (ids.dtype, values.dtype) != ("I64", "F32")
            or not 0 < ids.shape[0] == values.shape[0] <= MAX_LISTED_ROWS
        ):
            raise CheckpointError(path, f"{matrix}: rows and ids do not fit")
        matrices[matrix] = RowValues(_read_ids(ids, path), load(values))
    return BaseRows(matrices)


def write_rows_file(rows: BaseRows, path: Path) -> None:
    """Write the rows to a new file."""
    tensors: dict[str, Tensor] = {}
    for matrix, listed in rows.matrices.items():
        raw = np.asarray(listed.ids, dtype="<i8").tobytes()
        tensors[f"{matrix}.ids"] = Tensor(dtype="I64", shape=(len(listed.ids),), pieces=(raw,))
        tensors[f"{matrix}.rows"] = of_values(listed.values)
    write_tensors(path, tensors)


def rows_conflict(
    one: str, rows: BaseRows | None, other: str, others: BaseRows | None, *, allow_unchanged: bool
) -> str | None:
    """Why two adapters cannot share an overlay, None where they can.

    A row that one of them changes and the other leaves as the base has it is a conflict unless `allow_unchanged`.
    """
    for matrix in MATRICES:
        ours, theirs = _by_id(rows, matrix), _by_id(others, matrix)
        both = ours.keys() & theirs.keys()
        differ = sorted(i for i in both if not np.array_equal(ours[i], theirs[i]))
        if differ:
            return f"{one} and {other} want different rows of {matrix}: {first_ids(differ)}"
        alone = sorted(ours.keys() ^ theirs.keys())
        if alone and not allow_unchanged:
            return (
                f"only one of {one} and {other} changes these rows of {matrix}: {first_ids(alone)}"
            )
    return None


def agreed_rows(
    adapters: Sequence[tuple[str, BaseRows | None]], target: Path, *, allow_unchanged: bool
) -> BaseRows:
    """The rows that these adapters (name, rows) all want; `target` is named in the error.

    Raises:
        ConversionError: two of them are in conflict, or none of them wants any rows.
    """
    united: dict[Matrix, dict[int, Rows]] = {matrix: {} for matrix in MATRICES}
    for at, (name, rows) in enumerate(adapters):
        for other, others in adapters[:at]:
            problem = rows_conflict(other, others, name, rows, allow_unchanged=allow_unchanged)
            if problem:
                raise ConversionError(target, f"adapters {problem}")
        for matrix in MATRICES:
            united[matrix] |= _by_id(rows, matrix)
    if not any(united.values()):
        raise ConversionError(target, "no adapter changes a row: the plain base serves them all")
    return BaseRows({matrix: _listed(values) for matrix, values in united.items() if values})


def _by_id(rows: BaseRows | None, matrix: Matrix) -> dict[int, Rows]:
    listed = None if rows is None else rows.matrices.get(matrix)
    return {} if listed is None else dict(zip(listed.ids, listed.values, strict=True))


def _listed(values: Mapping[int, Rows]) -> RowValues:
    ids = sorted(values)
    return RowValues(tuple(ids), np.stack([values[i] for i in ids]))


def first_ids(ids: Sequence[int]) -> str:
    """The first few of some ids, for a message."""
    shown = ", ".join(str(i) for i in ids[:NAMED_IDS])
    return f"{shown} and {len(ids) - NAMED_IDS} more" if len(ids) > NAMED_IDS else shown


def _read_ids(tensor: Tensor, path: Path) -> tuple[int, ...]:
    raw = b"".join(
        piece if isinstance(piece, bytes) else piece.read(0, len(piece)) for piece in tensor.pieces
    )
    ids = [int(i) for i in np.frombuffer(raw, dtype="<i8")]
    if ids != sorted(set(ids)) or ids[0] < 0:
        raise CheckpointError(path, "ids must ascend from zero or more")
    return tuple(ids)
