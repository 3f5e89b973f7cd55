"""Archives over HTTP from a real server on loopback: redirects, checksums, limits, silence, and what is left behind."""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.checkpoint import read_checkpoint
from server.errors import StartError
from server.loading.model_source import adapter_source, resolve_adapters
from server.sources import SourceError, SourceRules, fetch
from tests.ports import free_port
from tests.server.archive_server import ArchiveServer, Page, archive_server
from tests.server.archives import PACKERS, files_of, special, tar_of, tgz_of, zip_of
from tests.server.sources.conftest import whole


@pytest.fixture
def other() -> Iterator[ArchiveServer]:
    """A second server, which no rule allows unless a test says so."""
    with archive_server() as server:
        yield server


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tgz", "zip"])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_an_archive_becomes_a_directory(
    server: ArchiveServer,
    rules: SourceRules,
    content: dict[str, bytes],
    kind: str,
    is_trusted: bool,
) -> None:
    path = f"/ok/x.{kind}?token=secret%2F1"
    server.pages[path] = Page(
        body=PACKERS[kind]({f"top/{name}": data for name, data in content.items()})
    )
    found = fetch(f"{server.url}{path}", rules, is_trusted=is_trusted)
    assert files_of(found) == content
    assert found.name == "top"
    assert read_checkpoint(found).rank == 2
    assert fetch(f"{server.url}{path}", rules, is_trusted=is_trusted) == found
    assert [asked for asked, _ in server.asked] == [path, path], (
        "without a checksum it is fetched again"
    )
    assert len(whole(rules)) == 1


def test_new_content_gets_a_new_directory(
    server: ArchiveServer, rules: SourceRules, content: dict[str, bytes]
) -> None:
    """Who reads the old one is not disturbed."""
    server.pages["/ok/x.tar"] = Page(body=tar_of(content))
    first = fetch(f"{server.url}/ok/x.tar", rules, is_trusted=False)
    server.pages["/ok/x.tar"] = Page(body=tar_of({**content, "more.json": b"{}"}))
    second = fetch(f"{server.url}/ok/x.tar", rules, is_trusted=False)
    assert files_of(first) == content
    assert files_of(second) == {**content, "more.json": b"{}"}


def test_a_checksum_is_held_and_saves_the_next_fetch(
    server: ArchiveServer, rules: SourceRules, content: dict[str, bytes]
) -> None:
    body = tgz_of(content)
    digest = hashlib.sha256(body).hexdigest()
    server.pages["/ok/x.tgz"] = Page(body=body)
    source = f"{server.url}/ok/x.tgz"
    with pytest.raises(SourceError, match=f"{source}: its SHA-256 is {digest}, not the 00"):
        fetch(f"{source}#sha256={'0' * 64}", rules, is_trusted=True)
    assert whole(rules) == []
    found = fetch(f"{source}#sha256={digest.upper()}", rules, is_trusted=False)
    num_asked = len(server.asked)
    server.pages.clear()
    assert fetch(f"{source}#sha256={digest}", rules, is_trusted=False) == found
    assert len(server.asked) == num_asked
    with pytest.raises(SourceError, match="--allow-source"):
        fetch(f"{server.url}/no/x.tgz#sha256={digest}", rules, is_trusted=False)


def redirect(to: str, status: int = 302) -> Page:
    return Page(status=status, headers={"Location": to}, body=b"moved")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_inside_the_list_is_followed(
    server: ArchiveServer, rules: SourceRules, content: dict[str, bytes], status: int
) -> None:
    server.pages["/ok/a.tar"] = redirect("/ok/deep/b?sig=1", status)
    server.pages["/ok/deep/b?sig=1"] = Page(body=tar_of(content))
    assert files_of(fetch(f"{server.url}/ok/a.tar", rules, is_trusted=False)) == content


@pytest.mark.parametrize(
    "to",
    [
        "{other}/x.tar?sig=secret",
        "{server}/elsewhere/x.tar",
        "/ok/../elsewhere/x.tar",
        "/ok/%2e%2e/elsewhere/x.tar",
        "/okay/x.tar",
        "//127.0.0.2:{port}/ok/x.tar",
        "http://localhost:{port}/ok/x.tar",
        "http://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1:{port}/ok/x.tar",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x.tar",
        "http://",
    ],
)
def test_a_redirect_out_of_the_list_is_not_followed(
    server: ArchiveServer, other: ArchiveServer, rules: SourceRules, to: str
) -> None:
    """Not even a connection is made."""
    where = to.format(server=server.url, other=other.url, port=server.server_port)
    server.pages["/ok/a.tar?sig=secret"] = redirect(where)
    with pytest.raises(SourceError) as caught:
        fetch(f"{server.url}/ok/a.tar?sig=secret", rules, is_trusted=False)
    assert str(caught.value).startswith(f"{server.url}/ok/a.tar: ")
    assert "not got it" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert other.asked == []
    assert {path.partition("?")[0] for path, _ in server.asked} == {"/ok/a.tar"}
    assert whole(rules) == []


def test_the_command_line_follows_redirects_to_its_own_host_and_the_list(
    server: ArchiveServer, other: ArchiveServer, rules: SourceRules, content: dict[str, bytes]
) -> None:
    server.pages["/a.tar"] = redirect("/b.tar")
    server.pages["/b.tar"] = redirect(f"{other.url}/c.tar")
    other.pages["/c.tar"] = Page(body=tar_of(content))
    with pytest.raises(SourceError, match=f"leads to {other.url}/c.tar.*--allow-source"):
        fetch(f"{server.url}/a.tar", rules, is_trusted=True)
    assert other.asked == []
    more = replace(rules, allowed=(other.url,))
    assert files_of(fetch(f"{server.url}/a.tar", more, is_trusted=True)) == content


def test_redirects_in_a_circle_end(server: ArchiveServer, rules: SourceRules) -> None:
    server.pages["/ok/a.tar"] = redirect("/ok/a.tar")
    with pytest.raises(SourceError, match="redirected more than 5 times"):
        fetch(f"{server.url}/ok/a.tar", rules, is_trusted=False)


GOOD = {"adapter_model.safetensors": b"w" * 2000}
WHOLE = tar_of(GOOD)
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (Page(status=404), "not got it"),
        (Page(status=403), "status 403"),
        (Page(status=500), "status 500"),
        (Page(body=WHOLE, pause_s=60), "silent"),
        (Page(body=WHOLE[:5000], claims=len(WHOLE)), "silent|broke off"),
        (Page(body=WHOLE[:3000], claims=None), "cut short"),
        (Page(body=WHOLE, claims=2 << 20), "2,097,152 bytes, over the 1,048,576 of --max-adapter"),
        (Page(body=bytes(2 << 20), claims=None), "takes more than 1,048,576 bytes.*--max-adapter"),
        (Page(body=tgz_of({**GOOD, "x.json": bytes(8 << 20)})), "--max-adapter-bytes"),
        (Page(body=b"<html>"), "no archive"),
        (Page(body=tar_of(GOOD, special("x", tarfile.SYMTYPE, "/etc"))), "link"),
        (Page(body=WHOLE, headers=CHUNKED, claims=None), "no HTTP|silent|broke off"),
        (Page(body=WHOLE, headers=CHUNKED, claims=None, late_s=0.1), "silent|broke off"),
    ],
)
def test_a_fetch_that_fails_says_why_and_leaves_nothing(
    server: ArchiveServer, rules: SourceRules, page: Page, message: str
) -> None:
    server.pages["/ok/x.tar?sig=1"] = page
    limits = replace(rules, stall_timeout_s=0.5) if "silent" in message else rules
    with pytest.raises(SourceError, match=message) as caught:
        fetch(f"{server.url}/ok/x.tar?sig=1", limits, is_trusted=True)
    assert str(caught.value).startswith(f"{server.url}/ok/x.tar: ")
    assert whole(rules) == []


def test_a_body_that_drips_is_given_up(server: ArchiveServer, rules: SourceRules) -> None:
    """Each byte comes in time, all of them never do."""
    server.pages["/ok/x.tar"] = Page(body=bytes(10_000), pause_s=0.05, drip=True)
    with pytest.raises(SourceError, match="longer than"):
        fetch(f"{server.url}/ok/x.tar", replace(rules, total_timeout_s=0.5), is_trusted=True)
    assert whole(rules) == []


def test_nobody_listens(rules: SourceRules) -> None:
    with pytest.raises(SourceError, match="no connection"):
        fetch(f"http://127.0.0.1:{free_port()}/x.tar?sig=secret", rules, is_trusted=True)


def test_what_is_stored_is_asked_for(
    server: ArchiveServer, rules: SourceRules, content: dict[str, bytes]
) -> None:
    """A server that compresses all the same is no way around the limits, and a .tar that comes as .tar.gz is one."""
    server.pages["/ok/x.tar"] = Page(body=tgz_of(content), headers={"Content-Encoding": "gzip"})
    assert files_of(fetch(f"{server.url}/ok/x.tar", rules, is_trusted=False)) == content
    [(_, headers)] = server.asked
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers


def test_an_adapter_of_the_command_line_may_be_an_archive(
    server: ArchiveServer, rules: SourceRules, content: dict[str, bytes], adapter_dir: Path
) -> None:
    server.pages["/x.zip?a=b"] = Page(body=zip_of(content))
    [far, near, demo] = resolve_adapters(
        (f"far={server.url}/x.zip?a=b", f"near={adapter_dir}", "d=demo:pydoc-raw"),
        model="m",
        rules=rules,
    )
    assert (files_of(far.path), near.path) == (content, adapter_dir)
    assert (far.convert, demo.convert) == (True, False)
    with pytest.raises(StartError, match=f"--adapter a={server.url}/none.zip: the server has not"):
        resolve_adapters((f"a={server.url}/none.zip?sig=secret",), model="m", rules=rules)
    with pytest.raises(StartError, match=r"x\.zip: no such directory"):
        resolve_adapters((f"a={server.url}/x.zip?a=b",), model="m")
    with pytest.raises(SourceError, match=f"{server.url}/x.zip: it is not allowed"):
        adapter_source("a", f"{server.url}/x.zip?a=b", rules=rules, is_trusted=False)
