"""Archives: what is taken out of them, and that a broken one is refused whole."""

import io
import random
import struct
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.checkpoint import locate_checkpoint, read_checkpoint
from server.sources import SourceError
from server.sources.archive import unpack
from server.sources.source_cache import adapter_directory
from tests.adapters.raw_adapters import write_raw
from tests.server.archives import (
    LIMIT,
    PACKERS,
    files_of,
    special,
    tar_of,
    tgz_of,
    unpacked,
    zip_of,
)

GOOD = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}
KINDS = ("tar", "tar.gz", "zip")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("folder", ["", "./", "my-adapter/", "run/checkpoint-5/"])
def test_a_real_adapter_comes_out_as_it_went_in(tmp_path: Path, kind: str, folder: str) -> None:
    source = write_raw(tmp_path / "made", {"chat_template.jinja": "x", "tokenizer.model": b"\0"})
    (source / "optimizer.pt").write_bytes(b"pickle")
    (source / ".hidden.json").write_text("{}")
    content = files_of(source)
    archive = PACKERS[kind]({folder + name: data for name, data in content.items()})
    (tmp_path / "made").rename(tmp_path.parent / f"{tmp_path.name}-made")
    directory = adapter_directory(unpacked(archive, tmp_path))
    found = locate_checkpoint(directory)
    assert files_of(found) == {k: v for k, v in content.items() if k[0] != "." and k[-3:] != ".pt"}
    assert read_checkpoint(directory).rank == 2


def test_entries_for_folders_are_no_files(tmp_path: Path) -> None:
    folders = [special(name, tarfile.DIRTYPE) for name in ("./", "deep", "deep/er/")]
    assert files_of(unpacked(tar_of(GOOD, *folders), tmp_path)) == GOOD


def test_pickled_weights_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"adapter_model\.bin.*safe_serialization"):
        unpacked(tgz_of({"adapter_config.json": b"{}", "adapter_model.bin": b"x"}), tmp_path)


@pytest.mark.parametrize(
    "files", [{"a.json": b"", "a.json/b.json": b""}, {"a/b.json": b"", "a": b""}]
)
def test_a_file_and_a_folder_of_one_name(tmp_path: Path, files: dict[str, bytes]) -> None:
    archive = tar_of({**GOOD, **files})
    if "a" in files:  # left out: its name is none of an adapter's
        unpacked(archive, tmp_path)
        return
    with pytest.raises(SourceError, match="twice"):
        unpacked(archive, tmp_path)


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    """What one reader takes for the file another would not."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("adapter_config.json"))
    with pytest.raises(SourceError, match="twice"):
        unpacked(out.getvalue(), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_cut_short_is_refused(tmp_path: Path, kind: str) -> None:
    """At every place a header begins or ends, and at some others."""
    noise = random.Random(0).randbytes(3000)  # noqa: S311
    archive = PACKERS[kind]({**GOOD, "z.safetensors": noise})
    cuts = {*range(0, len(archive), 512), *range(1, len(archive), 97), len(archive) - 1}
    if kind == "tar":  # from its end mark on it is whole
        cuts = {cut for cut in cuts if cut < archive.rindex(noise[-8:]) + 8 + 512}
    for n, cut in enumerate(sorted(cuts)):
        with pytest.raises(SourceError):
            unpack_again(archive[:cut], tmp_path / str(n))


def unpack_again(archive: bytes, home: Path) -> None:
    (home / "adapter").mkdir(parents=True)
    (home / "archive").write_bytes(archive)
    unpack(home / "archive", home / "adapter", max_bytes=LIMIT)


@pytest.mark.parametrize(
    "body", [b"", b"<html>not here</html>" * 40, b"\x1f\x8b", b"PK\x03\x04", bytes(2048)]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(SourceError, match="archive"):
        unpacked(body, tmp_path)


def test_a_zip_that_points_before_its_beginning_is_broken(tmp_path: Path) -> None:
    """It is the archive that is wrong, not the disk, which says the same of a bad place."""
    archive = bytearray(zip_of(GOOD))
    at = archive.rindex(b"PK\x05\x06") + 16
    archive[at : at + 4] = struct.pack("<I", struct.unpack("<I", archive[at : at + 4])[0] + 5)
    with pytest.raises(SourceError, match="the archive is broken"):
        unpacked(bytes(archive), tmp_path)


@settings(max_examples=300)
@given(st.sampled_from(KINDS), st.data())
def test_a_damaged_archive_is_unpacked_or_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    """No bytes make anything but a SourceError, or a file out of place."""
    archive = bytearray(PACKERS[kind]({"a/x.json": b"{}", **GOOD}))
    for _ in range(data.draw(st.integers(1, 8))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    home = tmp_path_factory.mktemp("damaged")
    with suppress(SourceError):
        unpack_again(bytes(archive), home)
    assert {path.name for path in home.iterdir()} == {"archive", "adapter"}
