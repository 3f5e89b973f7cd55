"""Adapters in buckets: S3 against moto's server on loopback; of Google's, which has no server to test against, the errors."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest

from server.sources import SourceError, SourceRules, check_source, fetch, object_store
from server.sources.address import parse_address
from server.sources.budget import Budget
from server.sources.object_store import download_folder
from tests.ports import free_port
from tests.server.archives import files_of, tgz_of, zip_of


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """moto's server in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(port: int) -> None:
    import socket  # noqa: PLC0415

    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("moto's server did not start")


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """An empty bucket as s3fs sees it; the environment says where S3 is, as it does in production."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    if store.exists("models"):
        store.rm("models", recursive=True)
    store.mkdir("models")
    return store


@pytest.fixture
def rules(tmp_path: Path) -> SourceRules:
    return SourceRules(
        cache_dir=tmp_path / "cache", allowed=("s3://models/team",), max_bytes=1 << 20
    )


def put(store: Any, prefix: str, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        store.pipe(f"{prefix}/{name}", data)


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_of_a_bucket(
    bucket: Any, rules: SourceRules, content: dict[str, bytes], end: str
) -> None:
    put(bucket, "models/team/a", {**content, "optimizer.pt": b"p", "deep/er/more.json": b"{}"})
    put(bucket, "models/team/a-other", {"adapter_config.json": b"another"})
    source = f"s3://models/team/a{end}"
    found = fetch(source, rules, is_trusted=False)
    assert files_of(found) == {**content, "deep/er/more.json": b"{}"}
    assert fetch(source, rules, is_trusted=False) == found
    put(bucket, "models/team/a", {"new.json": b"{}"})
    changed = fetch(source, rules, is_trusted=False)
    assert changed != found
    assert "new.json" in files_of(changed)
    assert "new.json" not in files_of(found)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_an_archive_in_a_bucket(
    bucket: Any, rules: SourceRules, content: dict[str, bytes], name: str
) -> None:
    body = (zip_of if name.endswith("zip") else tgz_of)(content)
    put(bucket, "models/team", {name: body})
    source = f"s3://models/team/{name}"
    assert files_of(fetch(source, rules, is_trusted=False)) == content
    digest = hashlib.sha256(body).hexdigest()
    assert files_of(fetch(f"{source}#sha256={digest}", rules, is_trusted=False)) == content
    with pytest.raises(SourceError, match="SHA-256"):
        fetch(f"{source}#sha256={'0' * 64}", rules, is_trusted=False)


def test_what_a_bucket_has_not_got_or_is_too_large(
    bucket: Any, rules: SourceRules, content: dict[str, bytes]
) -> None:
    put(bucket, "models/team", {"a.tar": bytes(2 << 20)})
    put(bucket, "models/team/big", {**content, "x.safetensors": bytes(2 << 20)})
    put(bucket, "models/team/pickled", {"adapter_config.json": b"{}", "adapter_model.bin": b""})
    put(bucket, "models/team/cut", {"a.zip": zip_of(content)[:-30]})
    for path, message in {
        "team/none": "safetensors|no such object",
        "team/none.tar": "no such object",
        "team/a.tar": "over the 1,048,576 of --max-adapter-bytes",
        "team/big": "more than 1,048,576 bytes.*--max-adapter-bytes",
        "team/pickled": "pickled",
        "team/cut/a.zip": "broken",
        "other/a": "--allow-source",
        "team-old/a": "--allow-source",
        "team/a#sha256=" + "0" * 64: "a checksum is of an archive",
        "team/a?versionId=1": r"\?",
    }.items():
        source = f"s3://models/{path}"
        with pytest.raises(SourceError, match=message) as caught:
            fetch(source, rules, is_trusted=False)
        assert str(caught.value).startswith("s3://models/"), source
        assert "hunter2" not in str(caught.value)
    with pytest.raises(SourceError, match=r"no such object|store"):
        fetch("s3://no-such-bucket/a.zip", rules, is_trusted=True)
    with pytest.raises(SourceError, match="names a bucket"):
        check_source("s3://models", rules, is_trusted=True)
    home = rules.cache_dir / "sources"
    assert not home.exists() or list(home.iterdir()) == []


def test_a_store_that_cannot_be_reached(
    bucket: Any, rules: SourceRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    hasty = replace(rules, connect_timeout_s=0.2, stall_timeout_s=0.2)
    for name in ("a.zip", "a"):
        with pytest.raises(SourceError, match="store cannot be read"):
            fetch(f"s3://models/team/{name}", hasty, is_trusted=False)


class HostileStore:
    """A store that lists what nobody asked for."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def walk(self, path: str, **_: object) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        yield path, {}, {str(n): {"name": key} for n, key in enumerate(self.keys)}

    def open(self, key: str, *_: object, **__: object) -> Any:
        raise AssertionError(f"{key} was opened")


@pytest.mark.parametrize(
    "key", ["b/p/../../evil.json", "b/p//etc/x/../../../../y.json", "b/other.json", "b/p/a\\b.json"]
)
def test_a_listing_that_leads_out_is_refused(tmp_path: Path, key: str) -> None:
    budget = Budget(1000, doing="the download")
    store: Any = HostileStore(key)
    with pytest.raises(SourceError, match=r"leads out|refused|lists"):
        download_folder(store, parse_address("s3://b/p"), tmp_path, budget)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs")])
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, extra: str
) -> None:
    monkeypatch.setattr(object_store, "find_spec", lambda name: None)
    rules = SourceRules(cache_dir=tmp_path)
    with pytest.raises(SourceError, match=rf"pip install 'endturn\[{extra}\]'"):
        check_source(f"{scheme}://bucket/x.zip", rules, is_trusted=True)
