"""No room in the cache: the kernel lets the server write no file over a few bytes, then it does again."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.base_files import read_base_files
from server.errors import StartError
from server.loading.adapter_cache import store_adapter
from server.loading.base_overlays import base_for
from tests.checkpoints.bases import build_base
from tests.fakes import profile, write_adapter
from tests.server.archive_server import ArchiveServer, Page
from tests.server.archives import files_of, tar_of
from tests.server.test_base_overlays import rows

from .child_server import Child


@contextmanager
def file_size_limit(pid: int, num_bytes: int) -> Iterator[None]:
    """Process `pid` (0: this one) gets EFBIG beyond; Python ignores the signal that comes with it."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def left(cache: Path) -> list[str]:
    """Work directories in the cache."""
    return [str(path) for path in cache.rglob(".*") if path.is_dir()]


def source_of(kind: str, shared: Path, archives: ArchiveServer) -> str:
    """A new adapter: raw, converted before, or in an archive."""
    seed = {"copied": 11, "converted": 12, "unpacked": 13}[kind]
    path = write_adapter(shared / kind, seed=seed)
    if kind == "copied":
        (path / "endturn.json").write_text(profile().model_dump_json())
        (path / "chat_template.jinja").write_text("{{ messages[0].content }}")
    if kind == "unpacked":
        archives.pages["/ok/full.tar"] = Page(body=tar_of(files_of(path)))
        return f"{archives.url}/ok/full.tar"
    return str(path)


@pytest.mark.parametrize("kind", ["copied", "converted", "unpacked"])
def test_a_full_disk_is_told_and_over_once_there_is_room(
    child: Child, shared: Path, archives: ArchiveServer, kind: str
) -> None:
    source = source_of(kind, shared, archives)
    cache = shared.parent / "cache"
    before = sorted(path.name for path in (cache / "adapters").iterdir())
    with file_size_limit(child.process.pid, 100):
        reply = child.load(kind, source)
        assert child.chat("first").status_code == 200
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["param"] == "lora_path"
    assert "File too large" in error["message"]
    assert "--cache-dir" in error["message"]
    assert child.state(kind)[0] == "failed"
    assert left(cache) == []
    assert sorted(path.name for path in (cache / "adapters").iterdir()) == before
    assert child.load(kind, source).status_code == 200
    assert child.chat(kind).status_code == 200


def test_no_room_for_an_overlay(tmp_path: Path) -> None:
    base = read_base_files(build_base("qwen2_5", tmp_path / "base"))
    cache, adapters = tmp_path / "c", [("a", rows(1.0, 3))]
    with (
        file_size_limit(0, 1000),
        pytest.raises(StartError, match=r"an overlay of the base: --cache-dir .*File too large"),
    ):
        base_for(base, adapters, cache, allow_overlay=False)
    assert left(cache) == []
    assert base_for(base, adapters, cache, allow_overlay=False).path.is_dir()


def test_a_damaged_copy_is_not_taken_for_whole(tmp_path: Path, adapter_dir: Path) -> None:
    """A power cut may leave a name whose content never came to the disk."""
    stored = store_adapter(adapter_dir, tmp_path / "cache")
    for damage in (b"", None):
        weights = stored.path / "adapter_model.safetensors"
        weights.unlink()
        if damage is not None:
            weights.write_bytes(damage)
        assert store_adapter(adapter_dir, tmp_path / "cache") == stored
        assert files_of(stored.path) == files_of(adapter_dir)
    assert left(tmp_path / "cache") == []
