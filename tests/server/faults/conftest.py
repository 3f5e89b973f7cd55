"""One server for these tests: each uses names of its own, and leaves the server as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import write_adapter, write_base
from tests.server.archive_server import ArchiveServer, archive_server

from .child_server import Child, child_server

TEMPLATE = "{{ bos_token }}{{ messages[0].content }}"


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that adapters may be loaded from; the cache is its sibling `cache`."""
    made = tmp_path_factory.mktemp("faults") / "adapters"
    made.mkdir()
    return made


@pytest.fixture(scope="session")
def archives() -> Iterator[ArchiveServer]:
    with archive_server() as server:
        yield server


@pytest.fixture(scope="session")
def child(shared: Path, archives: ArchiveServer) -> Iterator[Child]:
    """A running server with one adapter, `first`; it converts raw adapters."""
    home = shared.parent
    (home / "template.jinja").write_text(TEMPLATE)
    with child_server(
        home,
        model=write_base(home / "base"),
        adapter=[f"first={write_adapter(home / 'first')}"],
        adapter_root=[shared],
        allow_source=[f"{archives.url}/ok"],
        allow_adapter_updates=True,
        cache_dir=home / "cache",
        chat_template=home / "template.jinja",
    ) as running:
        yield running
