"""What clients write into logs and metrics (nothing but text of their own line), and what never gets there: secrets."""

import asyncio
import hmac
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.errors import StartError
from server.observing.logs import JsonFormatter, LineFormatter
from server.observing.tracing import RequestTracer
from server.prompt import PromptRenderer
from server.settings import read_settings
from server.tenancy import Tenant, Tenants, digest_of, read_key_file
from server.tenancy import tenants as tenants_module
from tests.fakes import EOS, delta, served
from tests.server.captured_log import captured_log
from tests.server.collector import collecting
from tests.server.running import running

FORGED = (
    "x\r\n2026-01-01T00:00:00.000Z INFO server: forged status=200\x1b[31m\u2028\x85 \x00\x7f\u202e"
)


@pytest.fixture(params=[JsonFormatter, LineFormatter])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """All that the server and uvicorn log meanwhile, at every level, in either style."""
    with captured_log(request.param(), "opentelemetry") as written:
        yield written


async def test_nothing_that_a_client_sends_makes_a_line(
    renderer: PromptRenderer, log: io.StringIO
) -> None:
    path = "".join(f"%{byte:02x}" for byte in FORGED.encode())
    async with running(renderer, log_content=True) as run:
        run.client.headers["X-Request-Id"] = 'a"} forged status=200'
        run.client.headers["User-Agent"] = "forged status=200"
        await run.chat(model=FORGED)
        await run.chat(user=FORGED, metadata={"forged": FORGED[:99]}, temperature=FORGED)
        await run.chat(messages=[{"role": FORGED[:60], "content": FORGED, FORGED: FORGED}])
        run.engine.enqueue(delta(FORGED), delta([EOS], "stop"))
        await run.chat(messages=[{"role": "user", "content": FORGED}], stop=[FORGED])
        run.engine.enqueue(RuntimeError(FORGED))
        await run.chat()
        await run.client.get(f"/{path}", params={"forged": FORGED})
    lines = log.getvalue().split("\n")
    assert sum("request_log" in line for line in lines) >= 6
    assert any("x\\r\\n2026" in line for line in lines), "the path was logged, escaped"
    for line in lines:
        assert line.isprintable()
        # Either the word stands inside a value, or in a line of a trace, which is indented.
        assert not line.startswith(("2026-01-01", "forged"))
        if line.startswith("{"):
            assert json.loads(line)["logger"]


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[31m", "a b", "a=b", 'a"b', "é", "", "a" * 65, "a\n"]
)
def test_a_keys_name_is_one_plain_word(tmp_path: Path, name: str) -> None:
    entry = {"name": name, "sha256": digest_of("k")}
    (tmp_path / "keys.yaml").write_text(yaml.safe_dump({"keys": [entry]}))
    with pytest.raises(StartError, match=r"keys\.0\.name"):
        read_key_file(tmp_path / "keys.yaml")


async def test_no_text_of_a_client_is_a_label(renderer: PromptRenderer) -> None:
    evil = 'evil"} 1\nendturn_stops_total{adapter="forged",kind="eos"} 99\n# HELP x'
    async with running(renderer) as run:
        run.client.headers["X-Request-Id"] = "evil-id"
        await run.chat(model=evil)
        await run.chat(user=evil, metadata={"evil": evil}, priority=3, cache_salt=evil)
        await run.client.get("/evil", params={"evil": evil})
        await run.client.request("SUBSCRIBE", "/v1/models/evil")
        page = (await run.client.get("/metrics")).text
    assert "endturn_http_requests_total" in page
    assert "evil" not in page.lower()
    assert "SUBSCRIBE" not in page
    assert "forged" not in page


async def test_a_name_of_the_operators_stays_inside_its_label(renderer: PromptRenderer) -> None:
    """Names of adapters are plain words; what the base is called is the operator's to say, and is not a label at all."""
    async with running(renderer, served("a.b-c_d")) as run:
        await run.chat(model="a.b-c_d")
        assert run.metric("endturn_stops_total", adapter="a.b-c_d", kind="eos") == 1


SECRETS = {
    "authorization": "SECRET-bearer",
    "x-api-key": "SECRET-x",
    "cookie": "session=SECRET-cookie",
    "proxy-authorization": "Basic SECRET-proxy",
}


@pytest.mark.parametrize("stream", [True, False])
async def test_secrets_of_requests_are_in_no_log_no_metric_and_no_answer(
    renderer: PromptRenderer, log: io.StringIO, stream: bool
) -> None:
    async with running(renderer, api_key=("SECRET-key",), log_content=True) as run:
        for key in ("SECRET-key", "SECRET-guess"):
            headers = {**SECRETS, "authorization": f"Bearer {key}"}
            run.client.headers.update(headers)
            run.engine.enqueue(delta("a"), RuntimeError("a bug of the engine"))
            replies = [
                await run.chat(stream=stream),
                await run.chat(temperature=9),
                await run.client.get("/v1/models?api_key=SECRET-query"),
                await run.client.get("/v1/models/nope?token=SECRET-query"),
                await run.client.post("/v1/messages", json={"model": "chat"}),
                await run.client.get("/metrics"),
                await run.client.get("/version"),
            ]
            assert not [reply.text for reply in replies if "SECRET" in reply.text]
            assert not [reply.headers for reply in replies if "SECRET" in str(reply.headers)]
    assert "request_log" in log.getvalue()
    assert "SECRET" not in log.getvalue()


def test_secrets_of_the_settings_are_not_shown() -> None:
    settings = read_settings({"model": "m", "api_key": ("SECRET-key",)}, {})
    assert "SECRET" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    with pytest.raises(StartError) as told:
        read_settings({"model": "m", "api_key": 5}, {})
    assert "SECRET" not in str(told.value)


ADDRESSES = ["http://me:SECRET@collector:4318", "ftp://me:SECRET@collector", "me:SECRET@x:1"]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_with_a_password_is_refused_and_not_shown(url: str) -> None:
    """vLLM is told the address too, and logs all that it is told."""
    with pytest.raises(StartError, match="OTEL_EXPORTER_OTLP_HEADERS") as told:
        read_settings({"model": "m", "otlp_traces_endpoint": url}, {})
    assert "--otlp-traces-endpoint" in str(told.value)
    assert "SECRET" not in str(told.value)


@pytest.mark.parametrize("url", ADDRESSES)
def test_nor_is_one_of_opentelemetrys_variables(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    with pytest.raises(StartError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT: .*_HEADERS") as told:
        read_settings({"model": "m"}, {})
    assert "SECRET" not in str(told.value)


async def test_headers_for_the_collector_are_in_no_log_and_on_no_page(
    renderer: PromptRenderer, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are other secrets of the environment, whether or not the collector takes what is sent."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=SECRET-otlp")
    monkeypatch.setenv("HF_TOKEN", "SECRET-hub")
    with collecting(401) as collector:
        tracer = RequestTracer(collector.url, flush_timeout_s=5)
        async with running(renderer, tracers=[tracer]) as run:
            assert (await run.chat()).status_code == 200
            pages = [(await run.client.get(path)).text for path in ("/metrics", "/version")]
        await asyncio.to_thread(tracer.close)
        assert collector.headers[0]["authorization"] == "SECRET-otlp", "it was sent"
    assert "SECRET" not in log.getvalue()
    assert not [page for page in pages if "SECRET" in page]


def test_every_key_is_compared_and_each_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By structure, not by the clock: one digest is compared with every entry, whether or not an earlier one was right."""
    compared: list[tuple[bytes, bytes]] = []

    def watched(mine: bytes, theirs: bytes) -> bool:
        compared.append((mine, theirs))
        return hmac.compare_digest(mine, theirs)

    names = [f"t{number}" for number in range(7)]
    keys = {name: f"key-{name}" for name in names}
    made = Tenants([Tenant(name=name, sha256=digest_of(key)) for name, key in keys.items()])
    monkeypatch.setattr(tenants_module, "hmac", _Watched(watched))
    for key in (*keys.values(), "wrong", "", "k" * 100_000):
        compared.clear()
        made.find(key)
        assert {mine for mine, _ in compared} == {digest_of(key).encode()}
        assert [theirs for _, theirs in compared] == [digest_of(k).encode() for k in keys.values()]


class _Watched:
    def __init__(self, compare: Any) -> None:
        self.compare_digest = compare


async def test_wrong_keys_are_all_answered_alike(renderer: PromptRenderer) -> None:
    async with running(renderer, api_key=("right-key",)) as run:
        said = set()
        for sent in (
            "",
            "Bearer",
            "Bearer wrong",
            "Bearer right-ke",
            "Bearer right-keyx",
            "Basic a",
            "x",
        ):
            reply = await run.client.get("/v1/models", headers={"Authorization": sent})
            said.add((reply.status_code, reply.text))
        assert len(said) == 1
        assert next(iter(said))[0] == 401
        good = await run.client.get("/v1/models", headers={"Authorization": "Bearer right-key"})
        assert good.status_code == 200
