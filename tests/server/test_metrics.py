"""What /metrics says: every metric by name, bounded labels, HTTP by route template, adapters' states and what is normal for them."""

import asyncio
import json
import logging
import random
import shutil
import string
import subprocess
from typing import Any, cast, get_args

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message, Scope

from adapters.stop_head import Share
from adapters.verification_record import RunRecord, VerificationRecord
from server.app import create_app
from server.catalog import Catalog
from server.engine import EngineAdapter
from server.errors import EngineDeadError, StartError
from server.finish import Finish, StopCause, StopKind, TokenLimit
from server.hosting import AdapterHost, AdapterRegister
from server.observing.adapter_metrics import AdapterState
from server.observing.http_metrics import rejection_reason
from server.observing.metrics import Metrics
from server.observing.request_middleware import RequestMiddleware
from server.observing.request_record import RequestRecord
from server.prompt import PromptRenderer
from tests.fakes import IM_END, ScriptedEngine, delta, profile, served
from tests.server.running import Running, running

# Name -> labels, as in the design; what the library adds (le, _created) left out.
METRICS = {
    "endturn_generation_tokens": {"adapter", "kind"},
    "endturn_stops": {"adapter", "kind"},
    "endturn_runaway": {"adapter", "kind", "limit"},
    "endturn_runaway_generation_tokens": {"adapter", "kind"},
    "endturn_rescued": {"adapter", "kind"},
    "endturn_rescued_generation_tokens": {"adapter", "kind"},
    "endturn_trimmed_tokens": {"adapter"},
    "endturn_generation_limit_ratio": {"adapter"},
    "endturn_request_seconds": {"adapter"},
    "endturn_time_to_first_token_seconds": {"adapter"},
    "endturn_inter_token_seconds": {"adapter"},
    "endturn_missing_logprobs": {"adapter"},
    "endturn_requests_in_flight": set(),
    "endturn_requests_queued": set(),
    "endturn_prompt_tokens_queued": set(),
    "endturn_requests_rejected": {"reason"},
    "endturn_adapter_state": {"adapter", "state"},
    "endturn_adapter_load_seconds": {"adapter"},
    "endturn_adapter_learned_runaway_ratio": {"adapter"},
    "endturn_adapter_learned_rescued_ratio": {"adapter"},
    "endturn_adapter_learned_tokens_p95": {"adapter"},
    "endturn_http_requests": {"method", "route", "status"},
    "endturn_http_request_seconds": {"method", "route"},
}


def verification(*, tokens_p95: int | None = 34, **kinds: int) -> dict[str, Any]:
    answers = sum(kinds.values())
    share = kinds.get("max_tokens", 0) / answers
    measured = RunRecord(
        kinds=kinds,
        runaway=Share(share=share, low=0.0, high=1.0),
        tokens=12.5,
        tokens_p95=tokens_p95,
        word_f1=0.5,
    )
    return VerificationRecord(
        created_by="test",
        day="2026-11-24",
        data="0" * 64,
        seed=0,
        answers=answers,
        cap=256,
        temperature=0.0,
        reference_tokens=12.0,
        guards_off=measured,
        guards_on=measured,
        speedup=2.0,
        inside=Share(share=0.0, low=0.0, high=1.0),
        live_prefix=Share(share=1.0, low=0.0, high=1.0),
        replayed=1,
        replayed_prefixes=1,
    ).model_dump(mode="json")


def verified(name: str, **kinds: int) -> Any:
    return served(name, profile=profile(verification=verification(**kinds)))


def weights(key: str) -> EngineAdapter:
    return EngineAdapter(key=key, path=cast(Any, key), rank=4)


def parse(registry: CollectorRegistry) -> dict[str, Metric]:
    page = generate_latest(registry).decode()
    return {family.name: family for family in text_string_to_metric_families(page)}


def num_series(registry: CollectorRegistry) -> int:
    return sum(len(family.samples) for family in parse(registry).values())


def finish(kind: StopKind, num_tokens: int, *, limit: int = 100, trimmed: int = 0) -> Finish:
    return Finish(
        index=0,
        cause=StopCause(kind=kind),
        limit=TokenLimit(value=limit, set_by="profile"),
        num_tokens=num_tokens,
        num_trimmed_tokens=trimmed,
    )


async def fill(run: Running) -> None:
    """Something of everything: answers of several kinds, refusals, unknown paths, a loaded adapter."""
    model = served("chat", adapter=weights("k"), profile=profile(verification=verification(eos=9)))
    await run.server.adapters.start([model])
    run.engine.enqueue(delta("Hello"), delta([*b"!", IM_END], "stop"))
    await run.chat()
    run.engine.enqueue(delta("ab"), delta("cd", "length"))
    await run.chat()
    run.engine.enqueue(delta("Yes\n"), delta("\n### Human: and"), delta("never"))
    await run.chat(stream=True)
    await run.chat(model="nobody")
    await run.client.get("/v1/models/chat")
    await run.client.get("/nowhere")


async def test_every_metric_is_on_the_page_with_its_labels(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        await fill(run)
        reply = await run.client.get("/metrics")
        families = {family.name: family for family in text_string_to_metric_families(reply.text)}
    for name, labels in METRICS.items():
        family = families[name]
        assert family.documentation, name
        found = {
            label
            for sample in family.samples
            for label in sample.labels
            if not sample.name.endswith("_created")
        }
        assert found - {"le"} == labels, name
    ours = {name for name in families if not name.endswith("_created")}
    assert ours == METRICS.keys()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
async def test_promtool_finds_nothing_wrong_with_the_page(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        await fill(run)
        page = generate_latest(run.server.metrics.registry)
    checked = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=page, capture_output=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


async def test_answers_are_counted_to_the_token(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        await fill(run)
        metric = run.metric
        assert metric("endturn_generation_tokens_sum", adapter="chat", kind="stop_token") == 7
        assert metric("endturn_generation_tokens_sum", adapter="chat", kind="max_tokens") == 4
        rescued = {"adapter": "chat", "kind": "role_marker"}
        assert metric("endturn_rescued_generation_tokens_sum", **rescued) == 19
        # The marker is "\n\n### Human:"; what follows it in the same delta was generated too.
        assert metric("endturn_trimmed_tokens_total", adapter="chat") == len("\n\n### Human: and")
        assert metric("endturn_generation_limit_ratio_count", adapter="chat") == 3
        ratios = metric("endturn_generation_limit_ratio_sum", adapter="chat")
        assert ratios == pytest.approx((7 + 4 + 19) / 50)
        # One gap between two deltas, for each of the three answers.
        assert metric("endturn_inter_token_seconds_count", adapter="chat") == 3


def test_a_gap_is_shared_out_among_the_tokens_of_its_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.5, 12.5, 20.0])
    monkeypatch.setattr("server.observing.request_record.time.monotonic", lambda: next(clock))
    gaps: list[float] = []
    record = RequestRecord(adapter="a", started_s=9.0, gap_observer=lambda adapter: gaps.append)
    record.note_tokens(0, 3)
    record.note_tokens(1, 1)
    record.note_tokens(0, 0)
    record.note_tokens(0, 5)
    assert record.first_token_s == 10.0
    assert gaps == [0.5], "2.5 seconds for 5 tokens; the other choice had no gap yet"


def test_a_record_by_itself_needs_no_metrics() -> None:
    record = RequestRecord()
    record.note_tokens(0, 1)
    record.note_tokens(0, 1)
    assert record.first_token_s is not None


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (200, None, None),
        (400, "invalid_request_error", "invalid_request"),
        (400, "context_length_exceeded", "context_length_exceeded"),
        (401, "invalid_api_key", "unauthorized"),
        (403, None, "forbidden"),
        (404, "model_not_found", "model_not_found"),
        (404, "invalid_request_error", None),
        (405, None, None),
        (413, "body_too_large", "body_too_large"),
        (418, "anything a future error says", "other"),
        (499, None, None),
        (429, "anything", "rate_limited"),
        (500, "server_error", None),
        (503, "not_ready", "not_ready"),
        (503, "anything", "unavailable"),
    ],
)
def test_reason_of_a_rejection(status: int, code: str | None, reason: str | None) -> None:
    assert rejection_reason(status, code) == reason


async def test_rejections_are_counted_once_and_only_before_the_first_token(
    renderer: PromptRenderer,
) -> None:
    async with running(renderer, api_key=("secret",)) as run:
        run.client.headers["Authorization"] = "Bearer secret"
        await run.chat(model="nobody")
        await run.chat(temperature=-1)
        await run.client.post("/v1/chat/completions", content=b"{", headers={})
        await run.client.post("/nowhere", json={})
        run.engine.enqueue(delta("a"), EngineDeadError("scripted"))
        assert (await run.chat()).status_code == 503
        await run.chat()
        run.client.headers["Authorization"] = "Bearer wrong"
        await run.chat()
        found = {
            sample.labels["reason"]: sample.value
            for sample in parse(run.server.metrics.registry)["endturn_requests_rejected"].samples
            if sample.name.endswith("_total")
        }
    assert found == {
        "model_not_found": 1,
        "invalid_request": 1,
        "invalid_json": 1,
        "engine_dead": 1,
        "unauthorized": 1,
    }


async def test_http_requests_are_counted_by_route_template(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        await fill(run)
        await run.client.request("PROPFIND", "/v1/models")
        chat = {"method": "POST", "route": "/v1/chat/completions"}
        requests = "endturn_http_requests_total"
        assert run.metric(requests, **chat, status="200") == 3
        assert run.metric(requests, **chat, status="404") == 1
        assert (
            run.metric(requests, method="GET", route="/v1/models/{model_id:path}", status="200")
            == 1
        )
        assert run.metric(requests, method="GET", route="none", status="404") == 1
        assert run.metric(requests, method="other", route="/v1/models", status="405") == 1
        assert run.metric("endturn_http_request_seconds_count", **chat) == 4


async def test_a_bug_is_a_500_and_a_client_that_leaves_has_no_status() -> None:
    metrics = Metrics(CollectorRegistry())

    async def broken(scope: Scope, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    async def cancelled(scope: Scope, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    async def lifespan(scope: Scope, receive: Any, send: Any) -> None:
        scope["seen"] = True

    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    with pytest.raises(ZeroDivisionError):
        await RequestMiddleware(broken, [metrics])(dict(scope), cast(Any, None), cast(Any, None))
    with pytest.raises(asyncio.CancelledError):
        await RequestMiddleware(cancelled, [metrics])(dict(scope), cast(Any, None), cast(Any, None))
    other: Scope = {"type": "lifespan"}
    await RequestMiddleware(lifespan, [metrics])(other, cast(Any, None), cast(Any, None))
    assert other["seen"]
    for status in ("500", "none"):
        labels = {"method": "POST", "route": "none", "status": status}
        assert metrics.registry.get_sample_value("endturn_http_requests_total", labels) == 1
    assert metrics.registry.get_sample_value("endturn_requests_in_flight") == 0


async def test_series_stay_bounded_under_10000_random_names(renderer: PromptRenderer) -> None:
    """Names, paths and methods that clients make up never become labels."""
    async with running(renderer) as run:
        app = create_app(run.server)
        rng = random.Random(7)  # noqa: S311  (names, not secrets)

        async def ask(method: str, path: str, body: bytes) -> int:
            statuses: list[int] = []

            async def receive() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])

            scope = {
                "type": "http",
                "method": method,
                "path": path,
                "headers": [],
                "query_string": b"",
            }
            await app(scope, receive, send)
            return statuses[0]

        def word() -> str:
            return "".join(rng.choices(string.ascii_letters + string.digits, k=12))

        said = [{"role": "user", "content": "hi"}]

        async def ask_all(number: int) -> None:
            for turn in range(number):
                body = json.dumps({"model": word(), "messages": said}).encode()
                assert await ask("POST", "/v1/chat/completions", body) == 404
                if turn % 50:
                    continue
                assert await ask("GET", f"/v1/models/{word()}", b"") == 404
                assert await ask(word().upper(), f"/{word()}", b"") == 404

        await ask_all(20)
        before = num_series(run.server.metrics.registry)
        await ask_all(10_000)
        assert num_series(run.server.metrics.registry) == before


def test_histograms_fit_answers_and_waits() -> None:
    metrics = Metrics(CollectorRegistry())
    for num_tokens in (1, 131_072):
        metrics._observe_finish("chat", finish("eos", num_tokens, limit=131_072))
    bounds = [
        float(sample.labels["le"])
        for sample in parse(metrics.registry)["endturn_generation_tokens"].samples
        if sample.name.endswith("_bucket")
    ]
    assert (bounds[0], bounds[-2]) == (1, 131_072)
    metrics.observe(RequestRecord(adapter="chat"))
    waits = [
        float(sample.labels["le"])
        for sample in parse(metrics.registry)["endturn_request_seconds"].samples
        if sample.name.endswith("_bucket")
    ]
    assert (waits[0], waits[-2]) == (0.001, 600)


async def test_adapters_are_loading_then_ready_and_begin_at_zero() -> None:
    metrics, engine = Metrics(CollectorRegistry()), ScriptedEngine()
    same = weights("one")
    models = [served("base-model", label="base"), *(served(n, adapter=same) for n in ("a", "b"))]
    host = AdapterHost(engine, Catalog([]), AdapterRegister(metrics))
    await host.start([*models, served("c", adapter=weights("two"))])
    assert [adapter.key for adapter in engine.loaded] == ["one", "two"]
    value = metrics.registry.get_sample_value
    for name in ("a", "b", "c"):
        states = {
            state: value("endturn_adapter_state", {"adapter": name, "state": state})
            for state in get_args(AdapterState)
        }
        assert states == {**dict.fromkeys(states, 0), "ready": 1}
        assert value("endturn_adapter_load_seconds_count", {"adapter": name}) == 1
    assert value("endturn_adapter_state", {"adapter": "base", "state": "ready"}) is None
    for name in ("base", "a"):
        labels = {"adapter": name, "kind": "repetition", "limit": "profile"}
        assert value("endturn_runaway_total", labels) == 0
        assert value("endturn_stops_total", {"adapter": name, "kind": "deadline"}) == 0


async def test_a_load_that_fails_is_seen_as_failed() -> None:
    class Refusing(ScriptedEngine):
        async def add_adapter(self, adapter: EngineAdapter) -> None:
            state = {"adapter": "a", "state": "loading"}
            assert metrics.registry.get_sample_value("endturn_adapter_state", state) == 1
            raise StartError("no such weights")

    metrics = Metrics(CollectorRegistry())
    host = AdapterHost(Refusing(), Catalog([]), AdapterRegister(metrics))
    with pytest.raises(StartError):
        await host.start([served("a", adapter=weights("one"))])
    value = metrics.registry.get_sample_value
    assert value("endturn_adapter_state", {"adapter": "a", "state": "failed"}) == 1
    assert value("endturn_adapter_state", {"adapter": "a", "state": "loading"}) == 0
    assert value("endturn_adapter_load_seconds_count", {"adapter": "a"}) is None


def test_what_was_verified_is_published(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.adapters.learn(verified("a", calibrated=70, role_marker=10, eos=15, max_tokens=5))
    older = profile(verification=verification(tokens_p95=None, eos=4))
    metrics.adapters.learn(served("b", profile=older))
    metrics.adapters.learn(served("c"))
    metrics.adapters.learn(served("d", profile=None))
    value = metrics.registry.get_sample_value
    assert value("endturn_adapter_learned_runaway_ratio", {"adapter": "a"}) == 0.05
    assert value("endturn_adapter_learned_rescued_ratio", {"adapter": "a"}) == 0.8
    assert value("endturn_adapter_learned_tokens_p95", {"adapter": "a"}) == 34
    assert value("endturn_adapter_learned_rescued_ratio", {"adapter": "b"}) == 0
    assert value("endturn_adapter_learned_tokens_p95", {"adapter": "b"}) is None
    for unknown in ("c", "d"):
        labels = {"adapter": unknown}
        assert value("endturn_adapter_learned_runaway_ratio", labels) is None
    assert not caplog.records


def test_a_broken_verification_is_told_and_costs_only_its_alerts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics(CollectorRegistry())
    broken = {**verification(eos=1), "answers": 0}
    with caplog.at_level(logging.WARNING):
        metrics.adapters.learn(served("a", profile=profile(verification=broken)))
    assert "adapter a: verification.answers" in caplog.text
    assert "endturn verify --write" in caplog.text
    labels = {"adapter": "a"}
    assert (
        metrics.registry.get_sample_value("endturn_adapter_learned_runaway_ratio", labels) is None
    )
