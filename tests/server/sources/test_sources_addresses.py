"""Which sources are allowed: the allow-list, the roots, and what is refused as ambiguous. Nothing here uses a network."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.settings import read_settings
from server.sources import SourceError, SourceRules, check_source, fetch, shown_source, source_rules
from server.sources.address import parse_address, parse_prefix
from tests.fakes import write_adapter

SEGMENT = st.text("abcXYZ019-_~ é", min_size=1, max_size=6)
SEGMENTS = st.lists(SEGMENT, min_size=0, max_size=4)
HOST = st.sampled_from(["a.example", "b.example", "a.example.evil.example", "127.0.0.1", "[::1]"])
PORT = st.sampled_from(["", ":80", ":443", ":8080"])
SCHEME = st.sampled_from(["http", "https"])


def rules_for(tmp_path: Path, *allowed: str, roots: tuple[Path, ...] = ()) -> SourceRules:
    return SourceRules(cache_dir=tmp_path / "cache", allowed=allowed, roots=roots)


def url(scheme: str, host: str, port: str, segments: list[str]) -> str:
    return f"{scheme}://{host}{port}/" + "/".join(quote(segment) for segment in segments)


@given(SCHEME, HOST, PORT, SEGMENTS, SCHEME, HOST, PORT, SEGMENTS)
def test_a_prefix_covers_by_whole_parts(
    scheme: str,
    host: str,
    port: str,
    segments: list[str],
    scheme2: str,
    host2: str,
    port2: str,
    segments2: list[str],
) -> None:
    """Against the definition, on parts that were never one text."""
    numbers = {"http": {"": ":80"}, "https": {"": ":443"}}
    same_origin = (scheme, host, numbers[scheme].get(port, port)) == (
        scheme2,
        host2,
        numbers[scheme2].get(port2, port2),
    )
    covered = same_origin and segments2[: len(segments)] == segments
    prefix = parse_prefix(url(scheme, host, port, segments))
    assert prefix.covers(parse_address(url(scheme2, host2, port2, segments2))) == covered


@given(SCHEME, HOST, PORT, SEGMENTS, st.lists(SEGMENT, max_size=2))
def test_a_prefix_covers_what_is_below_it_and_no_longer_name(
    scheme: str, host: str, port: str, segments: list[str], more: list[str]
) -> None:
    prefix = parse_prefix(url(scheme, host, port, segments))
    assert prefix.covers(parse_address(url(scheme, host, port, [*segments, *more])))
    if segments:
        longer = [*segments[:-1], segments[-1] + "x"]
        assert not prefix.covers(parse_address(url(scheme, host, port, longer)))


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """No text makes anything but a SourceError, and none that is read holds a way upwards."""
    for candidate in (text, f"https://{text}", f"https://a.example/{text}", f"s3://b/{text}"):
        try:
            address = parse_address(candidate)
        except SourceError:
            continue
        assert not {".", "..", ""} & set(address.segments)
        assert not any(c in segment for segment in address.segments for c in "/\\%\0")
        assert parse_prefix(address.shown).covers(address)


@given(st.text(min_size=1, max_size=30))
def test_no_text_beside_the_host_passes_for_it(text: str) -> None:
    """Whatever stands before or after an allowed host, another host is requested or none."""
    prefix = parse_prefix("https://a.example/models")
    assume("#" not in text)
    for candidate in (f"https://{text}a.example/models/x", f"https://a.example{text}/models/x"):
        try:
            address = parse_address(candidate)
        except SourceError:
            continue
        assert not prefix.covers(address) or (address.host, address.port) == ("a.example", 443)


@pytest.mark.parametrize(
    "source",
    [
        "https://a.example/models/../secret.zip",
        "https://a.example/models/%2e%2e/secret.zip",
        "https://a.example/models/%2E./secret.zip",
        "https://a.example/models/%252e%252e/secret.zip",
        "https://a.example/models/..%2fsecret.zip",
        "https://a.example/models/..%5csecret.zip",
        "https://a.example/models/..;/secret.zip",
        "https://a.example/models\\..\\secret.zip",
        "https://a.example/models//x.zip",
        "https://a.example/models/./x.zip",
        "https://a.example/models/x%00.zip",
        "https://a.example/models/x\n.zip",
        "https://a.example/models/x.zip\r\nHost: b",
        "https://a.example/models/ü.zip",
        "https://a.example/models/%zz.zip",
        "https://a.example/models/%ff.zip",
        "https://a.example@b.example/models/x.zip",
        "https://user:secret@a.example/models/x.zip",
        "https://a.example:443@b.example/models/x.zip",
        "https://a.example\\@b.example/models/x.zip",
        "https://a.example#@b.example/models/x.zip",
        "https://a.example?@b.example/models/x.zip",
        "https://a.example%2eb.example/models/x.zip",
        "https://a.example.b.example/models/x.zip",
        "https://a.example./models/x.zip",
        "https://a.example:0443/models/x.zip",
        "https://a.example:8443/models/x.zip",
        "https://a.example:65536/models/x.zip",
        "https://a.example:/models/x.zip",
        "https:///models/x.zip",
        "https://A.EXAMPLE.evil/models/x.zip",
        "https://2130706433/models/x.zip",
        "https://a。example/models/x.zip",
        "http://a.example/models/x.zip",
        "https://a.example/models-old/x.zip",
        "https://a.example/model/x.zip",
        "https://a.example/models/x.zip#sha256=12",
        "https://a.example/models/x.zip#top",
        "https://a.example/models/x.exe",
        "ftp://a.example/models/x.zip",
        "file:///etc/passwd",
        "http+unix://a.example/models/x.zip",
        "memory://a.example/models/x.zip",
        "filecache::https://a.example/models/x.zip",
        "zip://x::https://a.example/models/x.zip",
        "hf://other/name",
        "hf://org/../name",
        "hf://org/name/more",
        "hf://org",
        "https://a.example/models/" + "x" * 5000 + ".zip",
    ],
)
def test_refused_for_the_api(tmp_path: Path, source: str) -> None:
    rules = rules_for(tmp_path, "https://a.example/models/", "hf://org")
    with pytest.raises(SourceError):
        check_source(source, rules, is_trusted=False)
    with pytest.raises(SourceError):
        fetch(source, rules, is_trusted=False)


@pytest.mark.parametrize(
    "source",
    [
        "https://a.example/models/x.tar.gz",
        "HTTPS://A.example:443/models/deep/er/x.zip",
        "https://a.example/models/x.tgz?X-Amz-Signature=1%2F2&b=c",
        "https://a.example/models/x.tar#sha256=" + "aB" * 32,
        "https://a.example/models/a%20b.zip",
        "hf://org/name",
        "hf://org/name@refs/pr/1",
        "org/name@v1.0",
    ],
)
def test_allowed_for_the_api(tmp_path: Path, source: str) -> None:
    check_source(
        source, rules_for(tmp_path, "https://a.example/models", "hf://org"), is_trusted=False
    )
    with pytest.raises(SourceError, match="--allow-source"):
        check_source(source, rules_for(tmp_path), is_trusted=False)


def test_the_whole_hub_can_be_allowed(tmp_path: Path) -> None:
    check_source("any/name", rules_for(tmp_path, "hf://"), is_trusted=False)
    with pytest.raises(SourceError, match="--allow-source hf://any"):
        check_source("any/name", rules_for(tmp_path, "hf://org/name"), is_trusted=False)
    with pytest.raises(SourceError, match="--allow-source"):
        check_source(
            "https://huggingface.co/a/b.zip", rules_for(tmp_path, "hf://"), is_trusted=False
        )


def test_the_command_line_needs_no_list(tmp_path: Path) -> None:
    rules = rules_for(tmp_path)
    for source in ("https://a.example/x.zip", "hf://org/name", "org/name"):
        check_source(source, rules, is_trusted=True)
    for source in (
        "https://u:p@a.example/x.zip",
        "https://a.example/x",
        "ftp://a/x.zip",
        "a b",
        "a\0",
        "https://h//",
        "s3://b:9/x.zip",
    ):
        with pytest.raises(SourceError):
            check_source(source, rules, is_trusted=True)


def test_a_path_of_the_api_stays_in_the_roots(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", write_adapter(tmp_path / "outside")
    inside = write_adapter(root / "team" / "a")
    (root / "link_out").symlink_to(outside)
    (root / "team" / "link_in").symlink_to(inside)
    (tmp_path / "way_in").symlink_to(inside)
    (root / "loop").symlink_to(root / "loop")
    write_adapter(tmp_path / "root-old" / "a")
    rules = rules_for(tmp_path, roots=(root,))
    for good in (
        inside,
        "team/a",
        f"{root}/team/link_in",
        tmp_path / "way_in",
        f"{root}//team/./a",
    ):
        assert fetch(str(good), rules, is_trusted=False) == inside
    refused = [
        outside,
        root / "link_out",
        f"{root}/../outside",
        f"{root}/team/../../outside",
        tmp_path / "root-old" / "a",
        "../outside",
        "link_out",
        root / "loop",
        root / "none",
        "/etc",
        "~",
        "~root",
        "team/a\0",
        f"{root}/{'x' * 300}",
        "",
    ]
    for bad in refused:
        with pytest.raises(SourceError):
            fetch(str(bad), rules, is_trusted=False)


def test_whether_a_path_outside_exists_is_not_told(tmp_path: Path) -> None:
    rules = rules_for(tmp_path, roots=(tmp_path / "root",))
    told = []
    for path in ("/etc", "/nowhere/at/all"):
        with pytest.raises(SourceError) as caught:
            fetch(path, rules, is_trusted=False)
        told.append(str(caught.value).replace(path, ""))
    assert told[0] == told[1]


def test_without_roots_local_paths_are_refused(tmp_path: Path, adapter_dir: Path) -> None:
    with pytest.raises(SourceError, match="--adapter-root DIR"):
        fetch(str(adapter_dir), rules_for(tmp_path), is_trusted=False)
    assert fetch(str(adapter_dir), rules_for(tmp_path), is_trusted=True) == adapter_dir


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://user:hunter2@h/x.zip", "https://..."),
        ("https://user:hunt/er2@h/x.zip", "https://..."),
        ("https://u:hun?ter2@h/x.zip?a=hunter2", "https://..."),
        ("https://h/x.zip?sig=hunter2#sha256=" + "0" * 64, "https://h/x.zip"),
        ("https://h/../x.zip?sig=hunter2", "https://h/../x.zip"),
        ("https://h/x.zip?mail=a@b&sig=hunter2", "https://h/x.zip"),
        ("hf://org/name@main", "hf://org/name@main"),
        ("/a/b\x1b[31m", "/a/b\\x1b[31m"),
    ],
)
def test_no_credential_is_shown(tmp_path: Path, source: str, shown: str) -> None:
    assert shown_source(source) == shown
    with pytest.raises(SourceError) as caught:
        fetch(source, rules_for(tmp_path), is_trusted=False)
    assert "hun" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert str(caught.value).startswith(shown)


@pytest.mark.parametrize(
    "prefix",
    ["a.example", "https://", "https://h/x?y", "https://h/..", "https://u:p@h", "*", "s3://"],
)
def test_a_prefix_that_cannot_be_read_stops_the_start(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(SourceError, match="--allow-source"):
        rules_for(tmp_path, prefix)


def test_settings_make_the_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENDTURN_ALLOW_SOURCE", "https://h/x,hf://org")
    flags = {"model": "m", "adapter_root": [str(tmp_path)], "max_adapter_bytes": 5000}
    rules = source_rules(read_settings(flags))
    assert (rules.roots, rules.max_bytes) == ((tmp_path,), 5000)
    assert rules.allowed == ("https://h/x", "hf://org")
