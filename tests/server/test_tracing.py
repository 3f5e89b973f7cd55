"""Traces of requests, as a real collector in this process gets them, and what a collector that is away costs: nothing."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.cli import app as cli
from server.engine import EngineRequest
from server.errors import EngineDeadError, InvalidRequest, StartError
from server.observing.tracing import RequestTracer
from server.prompt import PromptRenderer
from server.settings import Settings, read_settings
from tests.fakes import EOS, delta
from tests.ports import free_port
from tests.server.collector import Collected, Collector, collecting
from tests.server.running import Running, running

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(autouse=True)
def _no_variables_of_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    import os  # noqa: PLC0415

    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@contextmanager
def tracing(answer: int | None = 200) -> Iterator[tuple[Collector, RequestTracer]]:
    with collecting(answer) as collector:
        tracer = RequestTracer(collector.url, flush_timeout_s=20)
        try:
            yield collector, tracer
        finally:
            tracer.close()


async def close(tracer: RequestTracer) -> None:
    """Send what waits, as at the end of the server."""
    await asyncio.wait_for(asyncio.to_thread(tracer.close), 30)


def assert_inside(child: Collected, parent: Collected) -> None:
    assert child.trace_id == parent.trace_id
    assert child.span.parent_span_id == parent.span.span_id
    assert child.span.start_time_unix_nano >= parent.span.start_time_unix_nano
    assert child.span.start_time_unix_nano <= child.span.end_time_unix_nano
    assert child.span.end_time_unix_nano <= parent.span.end_time_unix_nano


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_is_a_span_with_its_stages_inside(
    renderer: PromptRenderer, *, stream: bool
) -> None:
    with tracing() as (collector, tracer):
        async with running(renderer, tracers=[tracer]) as run:
            run.engine.enqueue(delta("Yes.\n"), delta("\n### Human: more"))
            headers = {
                "traceparent": f"00-{TRACE}-{PARENT}-01",
                "tracestate": "vendor=1",
                "X-Request-Id": "r-1",
            }
            run.client.headers.update(headers)
            assert (await run.chat(stream=stream)).status_code == 200
        await close(tracer)
        chat, render, engine = (collector.named(n) for n in ("chat chat", "render", "engine"))
        assert len(collector.spans) == 3
        assert (chat.trace_id, chat.span.parent_span_id.hex()) == (TRACE, PARENT)
        assert chat.span.kind == chat.span.SPAN_KIND_SERVER
        assert chat.span.trace_state == "vendor=1"
        num_prompt_tokens = len(run.engine.requests[0].prompt_token_ids)
        answered = {
            "endturn.adapter": "chat",
            "endturn.stop_kind": ["role_marker"],
            "endturn.trimmed_tokens": 17,
            "gen_ai.usage.input_tokens": num_prompt_tokens,
            "gen_ai.usage.output_tokens": 21,
            "gen_ai.response.finish_reasons": ["stop"],
        }
        assert chat.attributes == {
            **answered,
            "http.request.method": "POST",
            "http.route": "/v1/chat/completions",
            "http.response.status_code": 200,
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "endturn",
            "gen_ai.request.model": "chat",
            "endturn.request_id": "r-1",
            "endturn.stream": stream,
            "endturn.client_gone": False,
        }
        assert render.attributes == {"endturn.adapter": "chat"}
        assert engine.attributes == answered
        for child in (render, engine):
            assert_inside(child, chat)
            assert not child.is_error
        assert not chat.is_error
        assert render.span.end_time_unix_nano <= engine.span.start_time_unix_nano
        [first] = engine.span.events
        assert first.name == "first_token"
        assert first.time_unix_nano >= engine.span.start_time_unix_nano
        assert chat.resource["service.name"] == "endturn"


async def test_the_engine_goes_on_with_the_trace(renderer: PromptRenderer) -> None:
    with tracing() as (collector, tracer):
        async with running(renderer, tracers=[tracer]) as run:
            await run.client.post("/v1/completions", json={"model": "chat", "prompt": "hi"})
            request: EngineRequest = run.engine.requests[0]
        await close(tracer)
        span = collector.named("text_completion chat")
        assert span.span.parent_span_id == b""
        assert request.trace_headers is not None
        [(name, value)] = request.trace_headers.items()
        assert (name, value.rsplit("-", 1)[0]) == (
            "traceparent",
            f"00-{span.trace_id}-{span.span.span_id.hex()}",
        )
        assert {found.name for found in collector.spans} == {span.name, "render", "engine"}


async def test_every_choice_is_told(renderer: PromptRenderer) -> None:
    with tracing() as (collector, tracer):
        async with running(renderer, tracers=[tracer]) as run:
            run.engine.enqueue(
                delta("b\n\n### Human:", index=1), delta("a"), delta([], "length"), delta("never")
            )
            await run.chat(n=2, temperature=1, max_tokens=40)
        await close(tracer)
        attributes = collector.named("chat chat").attributes
        assert attributes["endturn.stop_kind"] == ["max_tokens", "role_marker"]
        assert attributes["gen_ai.response.finish_reasons"] == ["length", "stop"]


async def ask_and_fail(run: Running, failure: str) -> None:
    if failure == "unknown model":
        await run.chat(model="x" * 220)
    elif failure == "bad template":
        await run.chat(messages=[{"role": "pirate", "content": "x"}])
    elif failure == "no json":
        await run.client.post("/v1/chat/completions", content=b"{")
    elif failure == "bug":
        run.engine.enqueue(RuntimeError("a bug"))
        await run.chat()
    elif failure == "refused in a stream":
        run.engine.enqueue(delta("abc"), InvalidRequest("no"))
        await run.chat(stream=True)
    else:
        run.engine.enqueue(delta("abc"), EngineDeadError("gone"))
        await run.chat()


# failure -> name, status, error.type, whether the server is to blame, stages and which of them failed
FAILURES = {
    "unknown model": ("chat", 404, "model_not_found", False, {}),
    "bad template": ("chat chat", 400, "template_error", False, {"render": True}),
    "no json": ("chat", 400, "invalid_json", False, {}),
    "bug": ("chat chat", 500, "server_error", True, {"render": False, "engine": True}),
    "refused in a stream": (
        "chat chat",
        200,
        "invalid_request_error",
        True,
        {"render": False, "engine": True},
    ),
    "dead engine": ("chat chat", 503, "engine_dead", True, {"render": False, "engine": True}),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_failures(renderer: PromptRenderer, failure: str) -> None:
    name, status, error_type, is_error, stages = FAILURES[failure]
    with tracing() as (collector, tracer):
        async with running(renderer, tracers=[tracer]) as run:
            await ask_and_fail(run, failure)
        await close(tracer)
        span = collector.named(name)
        assert span.attributes["http.response.status_code"] == status
        assert span.attributes["error.type"] == error_type
        assert span.is_error == is_error
        found = {s.name: s.is_error for s in collector.spans if s is not span}
        assert found == stages
        if failure == "unknown model":
            assert span.attributes["gen_ai.request.model"] == "x" * 200


@pytest.mark.parametrize("stream", [True, False])
async def test_an_abandoned_request_ends_its_spans(
    renderer: PromptRenderer, *, stream: bool
) -> None:
    with tracing() as (collector, tracer):
        async with running(renderer, tracers=[tracer]) as run:
            run.engine.enqueue(delta("abc"), 30.0)
            asking = asyncio.create_task(run.chat(stream=stream))
            await run.until(lambda: run.engine.open)
            await asyncio.sleep(0.1)
            asking.cancel()
            await run.until(lambda: run.metric("endturn_requests_in_flight") == 0)
        await close(tracer)
        chat, engine = collector.named("chat chat"), collector.named("engine")
        assert chat.attributes["endturn.client_gone"] is True
        assert chat.attributes["endturn.stop_kind"] == ["abort"]
        assert_inside(engine, chat)
        assert not chat.is_error
        assert not engine.is_error


async def test_only_requests_for_answers_are_traced_and_no_secret_is(
    renderer: PromptRenderer,
) -> None:
    with tracing() as (collector, tracer):
        async with running(renderer, tracers=[tracer], api_key=("SECRET",)) as run:
            for path in ("/readyz", "/metrics", "/v1/models", "/nope", "/v1/chat/completions"):
                await run.client.get(path)
            await run.client.post("/tokenize", json={"prompt": "hi"})
            run.client.headers["Authorization"] = "Bearer SECRET"
            run.engine.enqueue(delta("GIRAFFE"), delta([EOS], "stop"))
            await run.chat(messages=[{"role": "user", "content": "ZEBRA"}])
            run.client.headers["Authorization"] = "Bearer SECRET2"
            assert (await run.chat()).status_code == 401
        await close(tracer)
        assert len(collector.spans) == 4
        written = "".join(str(span.span) for span in collector.spans)
        for text in ("SECRET", "ZEBRA", "GIRAFFE"):
            assert text not in written


async def test_a_client_may_say_that_its_trace_is_not_kept(renderer: PromptRenderer) -> None:
    with tracing() as (collector, tracer):
        async with running(renderer, tracers=[tracer]) as run:
            for flags in ("00", "zz"):
                run.client.headers["traceparent"] = f"00-{TRACE}-{PARENT}-{flags}"
                assert (await run.chat()).status_code == 200
        await close(tracer)
        assert collector.named("chat chat").trace_id != TRACE, (
            "one is not kept, the other no parent"
        )
        headers = run.engine.requests[0].trace_headers
        assert headers is not None
        assert headers["traceparent"].startswith(f"00-{TRACE}-")
        assert headers["traceparent"].endswith("-00")


async def test_the_log_line_names_the_trace(
    renderer: PromptRenderer, caplog: pytest.LogCaptureFixture
) -> None:
    with tracing() as (collector, tracer), caplog.at_level(logging.INFO, logger="server"):
        async with running(renderer, tracers=[tracer]) as run:
            await run.chat()
        await close(tracer)
        [line] = [
            record for record in caplog.records if record.name == "server.observing.request_log"
        ]
        assert vars(line)["facts"]["trace_id"] == collector.named("chat chat").trace_id


async def test_headers_and_names_come_from_opentelemetrys_variables(
    renderer: PromptRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=7")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment=test")
    with tracing() as (collector, tracer):
        async with running(renderer, tracers=[tracer]) as run:
            await run.chat()
        await close(tracer)
        resource = collector.named("engine").resource
        assert (resource["service.name"], resource["deployment"]) == ("mine", "test")
        assert collector.headers[0]["x-tenant"] == "7"


@pytest.mark.parametrize("failing", ["refused", "500", "silent"])
async def test_a_collector_that_is_away_fails_nothing(
    renderer: PromptRenderer, failing: str
) -> None:
    with collecting(None if failing == "silent" else 500) as collector:
        url = f"http://127.0.0.1:{free_port()}" if failing == "refused" else collector.url
        tracer = RequestTracer(url, flush_timeout_s=0.3)
        async with running(renderer, tracers=[tracer]) as run:
            replies = await asyncio.gather(*(run.chat() for _ in range(32)))
            assert {reply.status_code for reply in replies} == {200}
        await close(tracer)
        assert not collector.closed.is_set(), "close did not wait for the collector"
        await asyncio.to_thread(collector.asked.wait, 5 if failing == "silent" else 0)
        # A request after the end is answered all the same.
        async with running(renderer, tracers=[tracer]) as run:
            assert (await run.chat()).status_code == 200


def test_opentelemetry_is_not_imported_where_it_is_not_asked_for() -> None:
    """What else could import it, an import contract forbids."""
    script = (
        "import sys, server.cli, server.observing.request_middleware, server.observing.request_log\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], timeout=120, check=True
    )


@pytest.mark.parametrize(
    ("flag", "environ", "url"),
    [
        (None, {}, None),
        ("http://c:4318", {}, "http://c:4318/v1/traces"),
        ("https://c/", {}, "https://c/v1/traces"),
        ("http://c:4318/own/path", {}, "http://c:4318/own/path"),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c/a"}, "http://c/a/v1/traces"),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/t"}, "http://c/t"),
        ("http://c/t", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://other"}, "http://c/t"),
        (None, {"ENDTURN_OTLP_TRACES_ENDPOINT": "http://e"}, "http://e/v1/traces"),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, None),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, None),
        ("http://c/t", {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://c/t"),
    ],
)
def test_where_traces_go(
    monkeypatch: pytest.MonkeyPatch, flag: str | None, environ: dict[str, str], url: str | None
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    flags = {"model": "m"} if flag is None else {"model": "m", "otlp_traces_endpoint": flag}
    assert read_settings(flags).otlp_traces_endpoint == url


@pytest.mark.parametrize(
    ("flag", "environ", "name"),
    [
        ("grpc://c:4317", {}, "--otlp-traces-endpoint"),
        ("localhost:4318", {}, "--otlp-traces-endpoint"),
        ("http://c:port", {}, "--otlp-traces-endpoint"),
        ("http://", {}, "--otlp-traces-endpoint"),
        (None, {"ENDTURN_OTLP_TRACES_ENDPOINT": "x"}, "ENDTURN_OTLP_TRACES_ENDPOINT"),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "c"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ("http://c", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
    ],
)
def test_wrong_addresses_name_themselves(
    monkeypatch: pytest.MonkeyPatch, flag: str | None, environ: dict[str, str], name: str
) -> None:
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    flags = {"model": "m"} if flag is None else {"model": "m", "otlp_traces_endpoint": flag}
    with pytest.raises(StartError, match=f"^{name}:"):
        read_settings(flags)


def test_the_command_traces_itself_and_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    environ: dict[str, str] = {}

    def starter(flags: Sequence[str], **_: object) -> None:
        seen["flags"] = list(flags)

    async def serve(
        _: Settings, __: object, ___: object, tracers: Sequence[object], *____: object
    ) -> int:
        seen.setdefault("tracers", []).append(list(tracers))
        return 0

    monkeypatch.setattr(cli, "engine_starter", starter)
    monkeypatch.setattr(cli, "parser_source", lambda _: None)
    monkeypatch.setattr("server.serving.serve", serve)
    monkeypatch.setattr("server.observing.logs.configure_logging", lambda *_: None)
    monkeypatch.setattr("os.environ", environ)
    with collecting() as collector:
        assert cli._serve({"model": "m", "otlp_traces_endpoint": collector.url}, ["--x"]) == 0
    assert seen["flags"] == ["--x", "--otlp-traces-endpoint", collector.url]
    assert environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"
    assert cli._serve({"model": "m"}, []) == 0
    [[tracer], none] = seen["tracers"]
    assert isinstance(tracer, RequestTracer)
    assert none == []
