"""Archives of adapters, good ones and those that nobody should unpack, made byte by byte where no tool makes them."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from server.sources.archive import unpack

Files = Mapping[str, bytes]
LIMIT = 1 << 20


def files_of(directory: Path) -> dict[str, bytes]:
    """Name -> content of every file below `directory`."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def tar_of(files: Files, *members: tarfile.TarInfo) -> bytes:
    """A plain tar: `files`, then `members` without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return out.getvalue()


def tgz_of(files: Files, *members: tarfile.TarInfo) -> bytes:
    """`tar_of`, gzipped."""
    return gzip.compress(tar_of(files, *members), compresslevel=1)


def zip_of(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of `files`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression=method) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return out.getvalue()


def zip_with(files: Files, info: zipfile.ZipInfo) -> bytes:
    """A zip of `files` and of one more member that `info` describes."""
    out = io.BytesIO(zip_of(files))
    with zipfile.ZipFile(out, "a") as zipped:
        zipped.writestr(info, b"/etc/passwd")
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A tar member that is no file: a link to `target`, a device, a pipe."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def huge_header(claimed: int) -> bytes:
    """A tar whose first header says that `claimed` bytes of extension follow."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, claimed
    return member.tobuf(tarfile.USTAR_FORMAT) + bytes(4096)


def unpacked(archive: bytes, tmp_path: Path, max_bytes: int = LIMIT) -> Path:
    """The archive, unpacked; whatever happens, nothing beside its directory appears."""
    home = tmp_path / "home"
    directory = home / "adapter"
    directory.mkdir(parents=True)
    (home / "archive").write_bytes(archive)
    try:
        unpack(home / "archive", directory, max_bytes=max_bytes)
    finally:
        assert {path.name for path in home.iterdir()} == {"archive", "adapter"}
        assert [path.name for path in tmp_path.iterdir()] == ["home"]
        assert not any(path.is_symlink() for path in home.rglob("*"))
    return directory


PACKERS: Mapping[str, Callable[[Files], bytes]] = {
    "tar": tar_of,
    "tar.gz": tgz_of,
    "tgz": tgz_of,
    "zip": zip_of,
}
