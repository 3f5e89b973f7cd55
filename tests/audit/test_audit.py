"""What `make audit` says where there are advisories, where there are none, and where nobody can tell."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.audit.__main__ import CLEAN, ROOT, UNCHECKED, VULNERABLE, audit
from tests.audit.advisories import KNOWN_VULNERABLE, locked
from tests.ports import free_port

CVE = {"id": "PYSEC-1", "aliases": ["CVE-2013-7459"], "fixed_in": []}
KNOWN = "/pypi/{}/{}/json".format(*KNOWN_VULNERABLE)


@contextmanager
def pypi(pages: Mapping[str, Any]) -> Iterator[str]:
    """A registry on loopback that has these pages."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(page).encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def page(*found: Mapping[str, Any]) -> dict[str, Any]:
    return {"vulnerabilities": list(found)}


def test_clean_releases_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    with pypi({KNOWN: page(CVE), "/pypi/a/1/json": page(), "/pypi/torch/2/json": page()}) as url:
        assert audit([("a", "1"), ("torch", "2+cpu")], url) == CLEAN
    assert "2 releases: 0 advisories, 0 could not be checked" in capsys.readouterr().out


def test_an_advisory_is_told_and_a_withdrawn_one_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = {"id": "PYSEC-2", "withdrawn": "2026-01-01", "fixed_in": ["2"]}
    fixed = {"id": "PYSEC-3", "aliases": ["CVE-2026-1"], "fixed_in": ["2"], "withdrawn": None}
    pages = {KNOWN: page(CVE), "/pypi/a/1/json": page(gone, fixed), "/pypi/b/1/json": page(gone)}
    with pypi(pages) as url:
        assert audit([("a", "1"), ("b", "1")], url) == VULNERABLE
    said = capsys.readouterr().out
    assert "a 1: PYSEC-3, CVE-2026-1; fixed in 2" in said
    assert "PYSEC-2" not in said


@pytest.mark.parametrize("known", [None, page(), {}, "nonsense"])
def test_a_registry_without_advisories_is_no_proof(
    capsys: pytest.CaptureFixture[str], known: Any
) -> None:
    """A mirror's empty lists look like clean releases."""
    with pypi({KNOWN: known, "/pypi/a/1/json": page()}) as url:
        assert audit([("a", "1")], url) == UNCHECKED
    assert "could not be checked" in capsys.readouterr().out


def test_one_release_that_cannot_be_asked_for_is_never_clean(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pypi({KNOWN: page(CVE), "/pypi/a/1/json": page()}) as url:
        assert audit([("a", "1"), ("gone", "1")], url) == UNCHECKED
    assert "1 could not be checked" in capsys.readouterr().out


def test_nobody_there_is_told() -> None:
    assert audit([("a", "1")], f"http://127.0.0.1:{free_port()}") == UNCHECKED


def test_every_line_of_every_lock_file_is_asked_for() -> None:
    files = [*ROOT.glob("requirements-*.lock"), *ROOT.glob("tests/*/requirements.lock")]
    assert len(files) >= 5
    releases = locked(files)
    assert {"jinja2", "torch", "atheris", "vllm", "litellm"} <= {name for name, _ in releases}
    assert all(version for _, version in releases)


def test_lock_files_are_read(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text("# made\nb==2 --hash=sha256:00\na==1\n")
    assert locked([lock, lock]) == [("a", "1"), ("b", "2")]
