"""The tricks of hostile archives, each refused before it has an effect."""

import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sources import SourceError
from server.sources.budget import MAX_ENTRIES, Budget
from server.sources.received_files import safe_path
from tests.server.archives import (
    LIMIT,
    PACKERS,
    files_of,
    huge_header,
    special,
    tar_of,
    unpacked,
    zip_of,
    zip_with,
)

GOOD = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}
KINDS = ("tar", "tar.gz", "zip")


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("adapter_config.json", tarfile.SYMTYPE, "/etc/passwd"),
        ("adapter_config.json", tarfile.SYMTYPE, "../../secret"),
        ("here", tarfile.SYMTYPE, "."),
        ("x.json", tarfile.LNKTYPE, "/etc/passwd"),
        ("x.json", tarfile.LNKTYPE, "adapter_model.safetensors"),
        ("pipe.json", tarfile.FIFOTYPE, ""),
        ("null.json", tarfile.CHRTYPE, ""),
        ("disk.json", tarfile.BLKTYPE, ""),
        ("unknown.json", b"Z", ""),
    ],
)
def test_a_tar_of_more_than_files_is_refused(
    tmp_path: Path, name: str, kind: bytes, target: str
) -> None:
    member = special(name, kind, target)
    with pytest.raises(SourceError, match=r"link|neither a file"):
        unpacked(tar_of(GOOD, member), tmp_path)


def test_writing_through_a_link_is_refused(tmp_path: Path) -> None:
    """A link first, then a file below its name: the oldest way out."""
    link = special("out", tarfile.SYMTYPE, str(tmp_path))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(link)
        member = tarfile.TarInfo("out/evil.json")
        tar.addfile(member)
    with pytest.raises(SourceError, match="link"):
        unpacked(out.getvalue(), tmp_path)


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    """One block that claims to be a terabyte."""
    member = tarfile.TarInfo("adapter_model.safetensors")
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        unpacked(bytes(header) + bytes(1024), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "a/../../evil.json",
        "/tmp/evil.json",
        "//evil.json",
        "..\\evil.json",
        "C:evil.json",
        "a\nb.json",
        "/".join("abcdefghijklmnopqr") + "/x.json",
    ],
)
def test_a_name_that_leads_out_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    with pytest.raises(SourceError, match="it holds"):
        unpacked(PACKERS[kind]({**GOOD, name: b"{}"}), tmp_path)


@given(st.text(max_size=40))
def test_no_name_leads_out(name: str) -> None:
    try:
        path = safe_path(name)
    except SourceError:
        return
    home = Path("/home/of/it")
    assert path is None or ((home / path).is_relative_to(home) and ".." not in path.parts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["big.json", "left_out.pt"])
def test_a_bomb_stops_at_the_limit(tmp_path: Path, kind: str, name: str) -> None:
    """64 MiB of zeros against a limit of 1 MiB; what is left out counts in a stream, and is not read in a zip."""
    archive = PACKERS[kind]({**GOOD, name: bytes(64 << 20)})
    if kind == "zip" and name == "left_out.pt":
        assert files_of(unpacked(archive, tmp_path)) == GOOD
        return
    with pytest.raises(SourceError, match="--max-adapter-bytes"):
        unpacked(archive, tmp_path)
    assert sum(len(data) for data in files_of(tmp_path / "home" / "adapter").values()) <= LIMIT


def test_many_members_of_a_zip_count_together(tmp_path: Path) -> None:
    archive = zip_of({**GOOD, **{f"{i}.json": bytes(LIMIT // 4) for i in range(5)}})
    with pytest.raises(SourceError, match="--max-adapter-bytes"):
        unpacked(archive, tmp_path)


def test_a_zip_that_lies_about_sizes(tmp_path: Path) -> None:
    """Its directory says a few bytes, its data says 8 MiB: what comes out is counted."""
    archive = bytearray(zip_of({"big.json": bytes(8 << 20)}))
    at = archive.rindex(b"PK\x01\x02") + 24
    archive[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(SourceError):
        unpacked(bytes(archive), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_entries_are_refused(tmp_path: Path, kind: str) -> None:
    files = {**GOOD, **{f"{i}.x": b"" for i in range(MAX_ENTRIES)}}
    with pytest.raises(SourceError, match=f"more than {MAX_ENTRIES:,} files|too large"):
        unpacked(PACKERS[kind](files), tmp_path, max_bytes=64 << 20)


@pytest.mark.parametrize("gzipped", [False, True])
def test_a_header_that_asks_for_memory_gets_none(tmp_path: Path, gzipped: bool) -> None:
    archive = huge_header(1 << 32)
    body = gzip.compress(archive + bytes(16 << 20)) if gzipped else archive
    tracemalloc.start()
    with pytest.raises(SourceError, match="too large"):
        unpacked(body, tmp_path, max_bytes=1 << 40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_headers_do_not_add_up_in_memory(tmp_path: Path) -> None:
    """Headers for all members, each with keys of its own; gzip makes them a few kilobytes."""
    out = io.BytesIO()
    for i in range(40):
        record = f" {i:04d}{'k' * 20_000}={'v' * 20_000}\n"
        body = f"{len(record) + 5}{record}".encode()
        member = tarfile.TarInfo("pax")
        member.type, member.size = tarfile.XGLTYPE, len(body)
        out.write(member.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512))
        out.write(tarfile.TarInfo(f"{i}.json").tobuf(tarfile.USTAR_FORMAT))
    out.write(bytes(1024))
    with pytest.raises(SourceError, match="too large"):
        unpacked(gzip.compress(out.getvalue()), tmp_path, max_bytes=64 << 20)


def test_a_zip_directory_that_asks_for_memory_gets_none(tmp_path: Path) -> None:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 32 << 20, 0, 0)
    with pytest.raises(SourceError, match=r"too large|broken"):
        unpacked(b"PK\x03\x04" + bytes(32 << 20) + end, tmp_path)


@pytest.mark.parametrize(
    ("attributes", "change", "message"),
    [
        (stat.S_IFLNK, {}, "a link or a device"),
        (stat.S_IFIFO, {}, "a link or a device"),
        (0, {"flag_bits": 1}, "encrypted"),
        (0, {"compress_type": zipfile.ZIP_LZMA}, "rare method"),
        (0, {"compress_type": zipfile.ZIP_BZIP2}, "rare method"),
    ],
)
def test_a_zip_of_more_than_files_is_refused(
    tmp_path: Path, attributes: int, change: dict[str, int], message: str
) -> None:
    info = zipfile.ZipInfo("adapter.json")
    info.external_attr = attributes << 16
    info.compress_type = change.get("compress_type", zipfile.ZIP_STORED)
    archive = bytearray(zip_with(GOOD, info))
    if "flag_bits" in change:
        archive[archive.rindex(b"PK\x01\x02") + 8] |= change["flag_bits"]
    with pytest.raises(SourceError, match=message):
        unpacked(bytes(archive), tmp_path)


def test_a_budget_of_time_ends() -> None:
    now = [0.0]
    budget = Budget(100, doing="the download", seconds=10, clock=lambda: now[0])
    budget.take_bytes(1)
    now[0] = 11.0
    with pytest.raises(SourceError, match="longer than 10 seconds"):
        budget.take_bytes(1)
