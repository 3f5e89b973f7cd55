"""The cache of what was fetched: whole or not there, whoever dies and whatever fills up; and nothing leaks."""

import errno
import gc
import hashlib
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import IO, Any

import pytest

from server.sources import SourceError, SourceRules, fetch, source_cache
from tests.server.archive_server import ArchiveServer, Page
from tests.server.archives import files_of, tar_of
from tests.server.sources.conftest import whole


@pytest.mark.parametrize("fails_at", ["archive", "adapter_model.safetensors", "rename"])
def test_a_full_disk_leaves_nothing(
    server: ArchiveServer,
    rules: SourceRules,
    content: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    fails_at: str,
) -> None:
    """While it is downloaded, while it is unpacked, and while it gets its name."""
    real_open = Path.open

    def open_full(path: Path, mode: str = "r", buffering: int = -1) -> IO[Any]:
        full = mode == "xb" and path.name == fails_at
        return real_open(Path("/dev/full") if full else path, "wb" if full else mode, buffering)

    def sync_full(path: Path) -> None:
        if fails_at == "rename":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server.pages["/ok/x.tar"] = Page(body=tar_of(content))
    monkeypatch.setattr(Path, "open", open_full)
    monkeypatch.setattr(source_cache, "_sync", sync_full)
    with pytest.raises(SourceError, match=r"cannot be stored \(No space left on device\)"):
        fetch(f"{server.url}/ok/x.tar", rules, is_trusted=True)
    assert whole(rules) == []


def test_what_a_killed_process_left_is_cleared_and_never_taken(
    server: ArchiveServer, rules: SourceRules, content: dict[str, bytes]
) -> None:
    home = rules.cache_dir / "sources"
    for name, age_s in (("old", 48 * 3600), ("new", 60)):
        left = home / f".fetch-{name}"
        (left / "adapter").mkdir(parents=True)
        (left / "adapter" / "adapter_config.json").write_text("{}")
        then = left.stat().st_mtime - age_s
        os.utime(left, (then, then))
    server.pages["/ok/x.tar"] = Page(body=tar_of(content))
    found = fetch(f"{server.url}/ok/x.tar", rules, is_trusted=True)
    assert files_of(found) == content
    assert {path.name for path in home.iterdir()} == {".fetch-new", found.name}


def test_many_at_once_agree(
    server: ArchiveServer, rules: SourceRules, content: dict[str, bytes]
) -> None:
    server.pages["/ok/x.tar"] = Page(body=tar_of(content))
    found: list[Path] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(fetch(f"{server.url}/ok/x.tar", rules, is_trusted=True))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert len(set(found)) == 1
    assert files_of(found[0]) == content
    assert len(whole(rules)) == 1


def test_no_descriptor_and_no_directory_leaks(
    server: ArchiveServer, rules: SourceRules, content: dict[str, bytes]
) -> None:
    server.pages["/ok/good.tar"] = Page(body=tar_of(content))
    server.pages["/ok/bad.tar"] = Page(body=b"<html>")
    server.pages["/ok/cut.tar"] = Page(body=tar_of(content)[:2000], claims=9999)
    server.pages["/ok/away.tar"] = Page(status=302, headers={"Location": "/elsewhere"})

    def fetch_all() -> None:
        for name in ("good", "bad", "cut", "away", "none"):
            try:
                fetch(f"{server.url}/ok/{name}.tar", rules, is_trusted=False)
            except SourceError:
                assert name != "good"

    fetch_all()  # fsspec's thread and its loop stay
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for _ in range(5):
            fetch_all()
        gc.collect()
    server.stopping.set()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
    assert len(whole(rules)) == 1


FETCH = """
import sys
from pathlib import Path
from server.sources import SourceRules, fetch
fetch(sys.argv[1], SourceRules(cache_dir=Path(sys.argv[2])), is_trusted=True)
"""


def test_a_fetch_that_is_killed_leaves_nothing_to_take(
    server: ArchiveServer, rules: SourceRules, content: dict[str, bytes]
) -> None:
    body = tar_of(content)
    digest = hashlib.sha256(body).hexdigest()
    server.pages["/ok/x.tar"] = Page(body=body, pause_s=60)
    source = f"{server.url}/ok/x.tar#sha256={digest}"
    home = rules.cache_dir / "sources"
    process = subprocess.Popen([sys.executable, "-c", FETCH, source, str(rules.cache_dir)])
    ends = time.monotonic() + 60
    while not server.asked or not list(home.glob(".fetch-*/archive")):
        assert time.monotonic() < ends
        time.sleep(0.02)
    process.kill()
    process.wait(20)
    assert [path.name[:7] for path in home.iterdir()] == [".fetch-"]
    server.pages["/ok/x.tar"] = Page(body=body)
    assert files_of(fetch(source, rules, is_trusted=True)) == content
    assert (home / digest).is_dir()
