"""API keys from a file, and what each of them may do."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.errors import RateLimited, StartError
from server.tenancy import KeyFile, Tenant, Tenants, digest_of, read_key_file

KEY = "et-3f6d2c"


def entry(name: str = "team", key: str = KEY, **fields: Any) -> dict[str, Any]:
    return {"name": name, "sha256": digest_of(key), **fields}


def tenant(**fields: Any) -> Tenant:
    return Tenant.model_validate(entry(**fields))


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump({"keys": list(entries)}))
    return path


def test_a_key_is_found_and_no_other_is() -> None:
    tenants = Tenants([tenant(), tenant(name="other", key="et-other")])
    found = tenants.find("et-other")
    assert found is not None
    assert found.name == "other"
    for wrong in ("", KEY[:-1], KEY + " ", digest_of(KEY), "et-OTHER", "ключ"):
        assert tenants.find(wrong) is None


def test_a_file_holds_no_key(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.yaml", entry())
    assert KEY not in path.read_text()
    assert [t.name for t in read_key_file(path)] == ["team"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file"),
        ("keys: []", "keys"),
        ("keys: 3", "keys"),
        ("- a", "the file"),
        ("keys: [", "not YAML at line"),
        ("keys: !!python/object/apply:os.system ['true']", "not YAML"),
        (yaml.safe_dump({"keys": [{"name": "a", "sha256": "et-secret-key"}]}), "keys.0.sha256"),
        (yaml.safe_dump({"keys": [entry(name="a b")]}), "keys.0.name"),
        (yaml.safe_dump({"keys": [entry(admin="yes")]}), "keys.0.admin"),
        (yaml.safe_dump({"keys": [entry(requests_per_minute=0)]}), "requests_per_minute"),
        (yaml.safe_dump({"keys": [entry(adapters=[])]}), "keys.0.adapters"),
        (yaml.safe_dump({"keys": [entry(rate=3)]}), "keys.0.rate"),
        (yaml.safe_dump({"keys": [entry(), entry(key="b")]}), "keys.1.name"),
        (yaml.safe_dump({"keys": [entry(), entry(name="b")]}), "keys.1.sha256"),
        ("a: " + "[" * 20_000, "key-file"),
    ],
)
def test_a_wrong_file_is_refused_without_showing_what_it_holds(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(StartError, match=says) as caught:
        read_key_file(path)
    assert "secret-key" not in str(caught.value)
    assert digest_of(KEY) not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot be read"):
        read_key_file(tmp_path / "none")


def test_a_changed_file_is_read_again_once(tmp_path: Path) -> None:
    path = write(tmp_path / "keys.yaml", entry())
    file = KeyFile(path)
    assert file.changed() is None
    write(tmp_path / "new", entry(), entry(name="b", key="b"))
    (tmp_path / "new").rename(path)
    changed = file.changed()
    assert changed is not None
    assert [t.name for t in changed] == ["team", "b"]
    assert file.changed() is None


def test_a_file_that_became_wrong_or_went_away_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "keys.yaml", entry())
    file = KeyFile(path)
    path.write_text(f"keys: [{KEY}")
    assert file.changed() is None
    assert "the keys stay as they were" in caplog.text
    assert KEY not in caplog.text
    path.unlink()
    assert file.changed() is None
    assert [t.name for t in file.tenants] == ["team"]
    write(path, entry(name="back"))
    changed = file.changed()
    assert changed is not None
    assert [t.name for t in changed] == ["back"]


def test_a_secret_mounted_through_a_link_is_read_again(tmp_path: Path) -> None:
    """Kubernetes swaps the directory that ..data leads to."""
    for number in (1, 2):
        (tmp_path / f"v{number}").mkdir()
        write(tmp_path / f"v{number}" / "keys.yaml", entry(name=f"v{number}"))
    data, path = tmp_path / "..data", tmp_path / "keys.yaml"
    data.symlink_to("v1")
    path.symlink_to("..data/keys.yaml")
    file = KeyFile(path)
    (tmp_path / "..new").symlink_to("v2")
    os.replace(tmp_path / "..new", data)  # noqa: PTH105  (rename over a link)
    changed = file.changed()
    assert changed is not None
    assert changed[0].name == "v2"


def test_requests_a_minute() -> None:
    one, tenants = tenant(requests_per_minute=2), Tenants([])
    first = tenants.enter(one)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert 1 <= int(first.headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
    tenants.enter(one)
    with pytest.raises(RateLimited, match="2 requests a minute") as caught:
        tenants.enter(one)
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60
    tenants.enter(tenant(name="other", key="o", requests_per_minute=2))


def test_tokens_a_minute_count_prompt_and_answer() -> None:
    one, tenants = tenant(tokens_per_minute=100), Tenants([])
    assert tenants.enter(one).headers["x-ratelimit-remaining-tokens"] == "100"
    tenants.take_prompt(one, 40)
    tenants.note_answer(one, 30)
    with pytest.raises(RateLimited, match="100 tokens a minute"):
        tenants.take_prompt(one, 31)
    tenants.take_prompt(one, 30)
    with pytest.raises(RateLimited):
        tenants.enter(one)


def test_an_answer_longer_than_what_is_left_fills_the_minute() -> None:
    one, tenants = tenant(tokens_per_minute=100), Tenants([])
    tenants.take_prompt(one, 10)
    tenants.note_answer(one, 5_000)
    with pytest.raises(RateLimited):
        tenants.enter(one)


def test_a_prompt_over_the_whole_limit_is_told_so() -> None:
    one, tenants = tenant(tokens_per_minute=100), Tenants([])
    with pytest.raises(RateLimited, match="send less"):
        tenants.take_prompt(one, 101)
    tenants.take_prompt(one, 100)


def test_requests_at_once() -> None:
    one, tenants = tenant(max_concurrent=2, requests_per_minute=50), Tenants([])
    tenants.enter(one)
    tenants.enter(one)
    with pytest.raises(RateLimited, match="2 requests open"):
        tenants.enter(one)
    tenants.leave(one)
    assert tenants.enter(one).headers["x-ratelimit-remaining-requests"] == "47"


def test_no_limits_no_headers() -> None:
    tenants = Tenants([])
    assert tenants.enter(tenant()).headers == {}
    tenants.take_prompt(tenant(), 10**9)
    tenants.note_answer(tenant(), 10**9)


def test_new_keys_keep_the_counts() -> None:
    one = tenant(requests_per_minute=1)
    tenants = Tenants([one])
    tenants.enter(one)
    tenants.replace([tenant(key="rotated", requests_per_minute=1)])
    rotated = tenants.find("rotated")
    assert tenants.find(KEY) is None
    assert rotated is not None
    with pytest.raises(RateLimited):
        tenants.enter(rotated)


def test_what_a_key_may_use() -> None:
    assert tenant().may_use("anything")
    assert tenant(adapters=["support"]).may_use("support")
    assert not tenant(adapters=["support"]).may_use("base")
