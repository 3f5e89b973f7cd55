"""Adapters by hub id, through huggingface_hub's own client against a hub on loopback.

Each fetch is a process of its own: huggingface_hub reads its variables once, when it is imported.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from adapters.checkpoint import read_checkpoint
from server.sources import SourceError
from server.sources.hub import HubId, fetch_from_hub, parse_hub_id
from tests.fakes import write_adapter
from tests.server.archive_server import ArchiveServer, Page, archive_server
from tests.server.archives import files_of
from tests.server.hub_server import COMMIT, serve_repository

FETCH = """
import sys
from pathlib import Path
from server.sources import SourceError, SourceRules, fetch
rules = SourceRules(cache_dir=Path(sys.argv[2]), allowed=("hf://org",), max_bytes=int(sys.argv[3]))
try:
    print(fetch(sys.argv[1], rules, is_trusted=False))
except SourceError as exc:
    print("refused", exc)
"""


@pytest.fixture
def hub() -> Iterator[ArchiveServer]:
    with archive_server() as server:
        yield server


def fetched(
    source: str, hub: ArchiveServer, tmp_path: Path, *, max_bytes: int = 1 << 20, **variables: str
) -> str:
    """The directory that a fetch prints, or `refused` and why."""
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), **variables}
    command = [sys.executable, "-c", FETCH, source, str(tmp_path / "cache"), str(max_bytes)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.strip()


def test_a_hub_id_becomes_a_directory(tmp_path: Path, hub: ArchiveServer) -> None:
    content = files_of(write_adapter(tmp_path / "made"))
    left_out = {"optimizer.pt": b"pickle", "adapter_model.bin": b"pickle", "run.py": b"evil()"}
    serve_repository(hub, "org/name", {**content, "chat_template.jinja": b"x", **left_out})
    found = Path(fetched("org/name", hub, tmp_path))
    assert files_of(found) == {**content, "chat_template.jinja": b"x"}
    assert found.is_relative_to(tmp_path / "hf"), "HF_HOME is where it lies"
    assert read_checkpoint(found).rank == 2, "the cache is made of links; these are followed"
    asked = [path for path, _ in hub.asked]
    assert not [path for path in asked if path.endswith((".pt", ".bin", ".py"))]
    hub.asked.clear()
    again = fetched(f"hf://org/name@{COMMIT}", hub, tmp_path, HF_HUB_OFFLINE="1")
    assert (again, hub.asked) == (str(found), [])
    hub.pages.clear()
    assert fetched("hf://org/name", hub, tmp_path) == str(found), "the cache will do"


def test_a_revision_is_asked_for(tmp_path: Path, hub: ArchiveServer) -> None:
    serve_repository(hub, "org/name", {"adapter_config.json": b"{}"}, revision="v2")
    assert fetched("hf://org/name@v2", hub, tmp_path).endswith(COMMIT)
    assert fetched("org/name@v3", hub, tmp_path).startswith("refused org/name@v3: ")


def test_what_the_hub_has_not_got_is_named(tmp_path: Path, hub: ArchiveServer) -> None:
    headers = {"X-Error-Code": "RepoNotFound", "Content-Type": "application/json"}
    hub.pages["/api/models/org/none/revision/main"] = Page(body=b"{}", status=404, headers=headers)
    told = fetched("org/none", hub, tmp_path)
    assert told.startswith("refused org/none: no such directory, and the hub has not got it (")
    assert "Repository Not Found" in told
    offline = fetched("org/none", hub, tmp_path, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE" in offline or "offline" in offline.lower()
    hub.asked.clear()
    assert "--allow-source hf://other" in fetched("other/none", hub, tmp_path)
    assert hub.asked == []


def test_a_large_repository_is_refused_before_it_is_fetched(
    tmp_path: Path, hub: ArchiveServer
) -> None:
    """A whole model under the name of an adapter."""
    serve_repository(hub, "org/name", {"a.safetensors": bytes(3000), "b.safetensors": bytes(3000)})
    told = fetched("org/name", hub, tmp_path, max_bytes=5000)
    assert "takes more than 5,000 bytes, the limit of --max-adapter-bytes" in told
    assert not [path for path in (tmp_path / "hf").rglob("*") if path.suffix == ".safetensors"]


def test_the_same_in_this_process(
    tmp_path: Path, hub: ArchiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the variables set, set here: whether a cached snapshot, a missing one and a large one are told apart."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    files = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    serve_repository(hub, "org/name", {"adapter_config.json": b"{}", "a.safetensors": bytes(3000)})
    name = HubId(org="org", name="name")
    with pytest.raises(SourceError, match="--max-adapter-bytes"):
        fetch_from_hub(name, max_bytes=3000)
    found = fetch_from_hub(name, max_bytes=3002)
    assert sorted(files_of(found)) == ["a.safetensors", "adapter_config.json"]
    hub.pages.clear()
    assert fetch_from_hub(name, max_bytes=3002) == found
    with pytest.raises(SourceError, match="the hub has not got it"):
        fetch_from_hub(HubId(org="org", name="none"), max_bytes=3002)
    with pytest.raises(SourceError, match="no hub id"):
        fetch_from_hub(HubId(org="org", name="a--b"), max_bytes=3002)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("org/name", ("org", "name", None)),
        ("hf://org/na.me@refs/pr/1", ("org", "na.me", "refs/pr/1")),
        ("HF://org/name@v1", ("org", "name", "v1")),
        ("org/name/more", None),
        ("./org", None),
        ("org/..", None),
        ("org/name@", None),
        ("org/name@../x", None),
        ("org/name@a/../b", None),
        ("org/name?x", None),
        ("org", None),
        ("https://org/name", None),
        ("org/na\nme", None),
    ],
)
def test_hub_ids_are_read(text: str, parts: tuple[str, str, str | None] | None) -> None:
    hub = parse_hub_id(text)
    assert (None if hub is None else (hub.org, hub.name, hub.revision)) == parts
