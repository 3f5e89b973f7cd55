"""A server of archives, the rules that allow a part of it, and an adapter to put into archives."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.sources import SourceRules
from tests.fakes import write_adapter
from tests.server.archive_server import ArchiveServer, archive_server
from tests.server.archives import files_of


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with archive_server() as server:
        yield server


@pytest.fixture
def rules(tmp_path: Path, server: ArchiveServer) -> SourceRules:
    return SourceRules(
        cache_dir=tmp_path / "cache",
        allowed=(f"{server.url}/ok",),
        max_bytes=1 << 20,
        stall_timeout_s=20.0,
        total_timeout_s=100.0,
    )


@pytest.fixture
def content(tmp_path: Path) -> dict[str, bytes]:
    return files_of(write_adapter(tmp_path / "made"))


def whole(rules: SourceRules) -> list[str]:
    """What lies in the cache; nothing half-way among it."""
    home = rules.cache_dir / "sources"
    names = [path.name for path in home.iterdir()] if home.is_dir() else []
    assert all(len(name) == 64 for name in names), names
    return names
