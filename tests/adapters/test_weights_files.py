"""safetensors headers that are true, false and hostile; rows and files that are read and written without loading them."""

import json
import math
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from adapters.errors import AdapterError, CheckpointError
from adapters.safetensors_file import MAX_HEADER_BYTES, MAX_TENSORS, read_header
from adapters.weights.stored_tensor import (
    FileSlice,
    Rows,
    Tensor,
    has_same_bytes,
    load,
    of_rows,
    of_values,
    open_tensors,
    read_rows,
    replace_rows,
    row_blocks,
    to_bytes,
    to_float32,
    write_tensors,
)

F32_2X2 = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


def write(path: Path, header: Any, data: bytes = b"\0" * 16) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


def numbers(rows: int, width: int) -> Rows:
    return np.random.default_rng(0).standard_normal((rows, width)).astype(np.float32)


def test_the_headers_that_the_library_writes_are_read(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "b": numbers(3, 4),
        "a": np.arange(5, dtype=np.int64),
        "c": numbers(2, 2).astype("f2"),
    }
    save_file(arrays, tmp_path / "f", metadata={"format": "pt"})
    found = read_header(tmp_path / "f", CheckpointError)
    assert {n: i.shape for n, i in found.items()} == {"a": (5,), "b": (3, 4), "c": (2, 2)}
    assert {n: i.dtype for n, i in found.items()} == {"a": "I64", "b": "F32", "c": "F16"}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"[]", "no safetensors file"),
        (b"{", "broken"),
        (b'{"a": {"dtype": "F32"}}', "must have dtype"),
        (b"\xff{}", "no safetensors file"),
        (b'{"a\xff": 1}', "broken"),
        ({"a": 3}, "must have dtype"),
        ({"a": {**F32_2X2, "dtype": "F99"}}, "unknown dtype"),
        ({"a": {**F32_2X2, "dtype": ["F32"]}}, "unknown dtype"),
        ({"a": {**F32_2X2, "shape": [2, -2]}}, "no valid shape"),
        ({"a": {**F32_2X2, "shape": [2, 2.0]}}, "no valid shape"),
        ({"a": {**F32_2X2, "shape": [True, 4]}}, "no valid shape"),
        ({"a": {**F32_2X2, "shape": [1] * 17}}, "no valid shape"),
        ({"a": {**F32_2X2, "shape": [1 << 40, 1 << 40]}}, "does not fit"),
        ({"a": {**F32_2X2, "shape": [2, 3]}}, "does not fit"),
        ({"a": {**F32_2X2, "data_offsets": [16, 0]}}, "data_offsets"),
        ({"a": {**F32_2X2, "data_offsets": [0, 16, 32]}}, "data_offsets"),
        ({"a": {**F32_2X2, "data_offsets": [16, 32]}}, "hole"),
        ({"a": F32_2X2, "b": {**F32_2X2, "data_offsets": [8, 24]}}, "overlaps"),
        ({"a": F32_2X2, "b": {**F32_2X2, "data_offsets": [16, 32]}}, "is it whole"),
        ({}, "is it whole"),
        (b'{"a": {}, "a": {}}', "twice"),
        ({"__metadata__": {"format": 3}, "a": F32_2X2}, "__metadata__"),
        ({"__metadata__": "pt", "a": F32_2X2}, "__metadata__"),
        (b'{"a":' + b"[" * 100_000, "broken"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, header: Any, says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        read_header(write(tmp_path / "f", header), CheckpointError)


@pytest.mark.parametrize("content", [b"", b"1234567", struct.pack("<Q", 100) + b"{}"])
def test_truncated_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(CheckpointError, match="truncated"):
        read_header(tmp_path / "f", CheckpointError)


def test_a_header_larger_than_any_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", MAX_HEADER_BYTES + 1))
        file.truncate(2 * MAX_HEADER_BYTES)
    with pytest.raises(CheckpointError, match="claims a header"):
        read_header(path, CheckpointError)


def test_more_tensors_than_any_file_has_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    entry = b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    header = b"{" + b",".join(entry % i for i in range(MAX_TENSORS + 2)) + b"}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="claims more than"):
        read_header(write(tmp_path / "f", header, b""), CheckpointError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_header(tmp_path / "none", CheckpointError)


@settings(max_examples=200, deadline=None)
@given(
    at=st.integers(0, 400),
    byte=st.binary(min_size=1, max_size=3),
    cut=st.integers(0, 3),
)
def test_what_is_accepted_the_library_accepts(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: bytes, cut: int
) -> None:
    """The engine reads the same file with the library: nothing may pass here and fail there."""
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.unlink(missing_ok=True)
    write_tensors(path, {"a": of_values(numbers(2, 3)), "b": of_values(numbers(1, 4), "BF16")})
    raw = bytearray(path.read_bytes())
    raw[at : at + len(byte)] = byte
    path.write_bytes(bytes(raw[: len(raw) - cut]))
    try:
        found = read_header(path, CheckpointError)
    except CheckpointError:
        return
    try:
        with safe_open(path, framework="numpy") as opened:
            assert sorted(opened.keys()) == sorted(found)
    except SafetensorError as error:  # pragma: no cover
        pytest.fail(f"accepted here, refused by the library: {error}")


def test_what_is_written_the_library_reads(tmp_path: Path) -> None:
    values = numbers(5, 3)
    tensors = {
        "x": of_values(values),
        "half": of_values(values, "F16"),
        "none": of_values(values[:0]),
    }
    write_tensors(tmp_path / "f", tensors)
    found = load_file(tmp_path / "f")
    assert np.array_equal(found["x"], values)
    assert np.array_equal(found["half"], values.astype(np.float16))
    assert found["none"].shape == (0, 3)
    with pytest.raises(FileExistsError):
        write_tensors(tmp_path / "f", {})


def test_pieces_that_are_no_tensor_are_refused(tmp_path: Path) -> None:
    wrong = Tensor(dtype="F32", shape=(2, 2), pieces=(b"\0" * 12,))
    with pytest.raises(ValueError, match="12 bytes are no F32"):
        write_tensors(tmp_path / "f", {"x": wrong})


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        (1.0, 0x3F80),
        (-2.5, 0xC020),
        (1.00390625, 0x3F80),  # halfway, to even
        (1.01171875, 0x3F82),  # halfway, to even
        (1.0040, 0x3F81),
        (3.4e38, 0x7F80),
        (math.inf, 0x7F80),
        (math.nan, 0x7FC0),
    ],
)
def test_bfloat16_rounds_to_nearest_even(number: float, stored: int) -> None:
    assert to_bytes(np.array([number], dtype=np.float32), "BF16") == struct.pack("<H", stored)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=8))
def test_numbers_that_bfloat16_holds_come_back_as_they_were(listed: list[float]) -> None:
    bits = np.array(listed, dtype=np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    values = bits.view(np.float32)
    assert np.array_equal(to_float32(to_bytes(values, "BF16"), "BF16"), values)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_rows_are_read_in_the_order_asked_for(tmp_path: Path, dtype: str) -> None:
    write_tensors(tmp_path / "f", {"x": of_values(numbers(9, 4), dtype)})
    tensor = open_tensors(tmp_path / "f", CheckpointError)["x"]
    whole = load(tensor)
    assert np.array_equal(read_rows(tensor, [7, 2, 3, 4, 0]), whole[[7, 2, 3, 4, 0]])
    assert read_rows(tensor, []).shape == (0, 4)
    with pytest.raises(IndexError):
        read_rows(tensor, [9])


def test_rows_of_a_file_larger_than_memory_are_read_and_replaced(tmp_path: Path) -> None:
    """The file is sparse: only its header and the rows asked for exist."""
    rows, width = 1 << 24, 1 << 12
    entry = {"dtype": "BF16", "shape": [rows, width], "data_offsets": [0, rows * width * 2]}
    path = write(tmp_path / "f", {"x": entry}, b"")
    with path.open("ab") as file:
        file.truncate(file.tell() + rows * width * 2)
    tensor = open_tensors(path, CheckpointError)["x"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not read_rows(tensor, [5, rows - 1]).any()
    changed = replace_rows(tensor, [6], np.ones((1, width), dtype=np.float32), rows + 1)
    assert changed.shape == (rows + 1, width)
    assert read_rows(changed, [5, 6, 7, rows]).any(axis=1).tolist() == [False, True, False, False]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB


@pytest.mark.parametrize(
    ("ids", "num_rows"),
    [
        *(([], 5), ([0], 5), ([4], 5), ([0, 1, 4], 5), ([0, 1, 2, 3, 4], 5)),
        *(([], 7), ([4], 7), ([2, 5], 7), ([6], 7), ([5, 6], 7), ([0, 6], 7)),
    ],
)
def test_replaced_and_grown_rows_are_written_where_they_belong(
    tmp_path: Path, ids: list[int], num_rows: int
) -> None:
    write_tensors(tmp_path / "f", {"x": of_values(numbers(5, 3))})
    tensor = open_tensors(tmp_path / "f", CheckpointError)["x"]
    values = 10 + numbers(len(ids), 3)
    write_tensors(tmp_path / "g", {"x": replace_rows(tensor, ids, values, num_rows)})
    expected = np.zeros((num_rows, 3), dtype=np.float32)
    expected[:5] = numbers(5, 3)
    expected[ids] = values
    assert np.array_equal(load_file(tmp_path / "g")["x"], expected)


def test_rows_are_replaced_in_files_only() -> None:
    with pytest.raises(TypeError):
        replace_rows(of_values(numbers(2, 2)), [0], numbers(1, 2), 2)


def test_computed_rows_are_read_and_written_in_blocks(tmp_path: Path) -> None:
    asked: list[range] = []

    def rows(block: range) -> Rows:
        asked.append(block)
        return np.repeat(np.array(block, dtype=np.float32)[:, None], 1 << 20, axis=1)

    tensor = of_rows((5, 1 << 20), rows)
    assert read_rows(tensor, [3, 1])[:, 7].tolist() == [3, 1]
    write_tensors(tmp_path / "f", {"x": tensor})
    assert load_file(tmp_path / "f")["x"][:, 5].tolist() == [0, 1, 2, 3, 4]
    assert max(len(block) for block in asked) <= 2


def test_rows_of_one_type_are_compared_as_bytes(tmp_path: Path) -> None:
    values = numbers(4, 2)
    one, half = of_values(values), of_values(values, "F16")
    other = of_values(np.where(np.arange(4)[:, None] == 2, 0, values).astype(np.float32))
    assert has_same_bytes(one, other, range(2))
    assert not has_same_bytes(one, other, range(1, 3))
    assert not has_same_bytes(one, half, range(1))


def test_blocks_cover_every_row_once() -> None:
    blocks = list(row_blocks(1 << 22, 10))
    assert [row for block in blocks for row in block] == list(range(10))
    assert len(blocks) > 1


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"123")
    with pytest.raises(AdapterError, match="became shorter"):
        FileSlice(tmp_path / "f", 0, 10).read(0, 10)
    with pytest.raises(AdapterError, match="cannot be read"):
        FileSlice(tmp_path / "g", 0, 10).read(0, 10)
