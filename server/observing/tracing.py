"""OpenTelemetry traces over OTLP: the only module that imports OpenTelemetry, and only imported where traces are sent.

A request that is to be answered is one span, `chat` or `text_completion`, with a child for each stage of its record:
`render` and `engine`. Spans are made when the request is over, from times the record holds anyway; a thread sends them.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from .. import __version__
from .request_record import RequestRecord, Stage

logger = logging.getLogger(__name__)

# What OpenTelemetry's conventions for generative models call these requests.
_OPERATIONS = {"/v1/chat/completions": "chat", "/v1/completions": "text_completion"}
_SPAN_KEY = "endturn.span"
_MAX_NAME_CHARS = 200
_W3C_HEADERS = frozenset({b"traceparent", b"tracestate"})


class RequestTracer:
    """An observer of requests. `close` sends what waits, and gives up on a collector that does not take it in time."""

    def __init__(self, endpoint: str, *, flush_timeout_s: float = 5.0) -> None:
        resource = Resource.create({"service.name": "endturn", "service.version": __version__})
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
        resource = resource.merge(OTELResourceDetector().detect())
        self._flush_timeout_s = flush_timeout_s
        self._exporter = OTLPSpanExporter(endpoint=endpoint)
        # At exit the library would wait for a dead collector for half a minute; `close` is bounded.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("endturn", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, record: RequestRecord, scope: Scope) -> None:
        """Open the span, as a child of the client's where it sent a `traceparent`."""
        operation = _OPERATIONS.get(scope["path"])
        if operation is None or scope["method"] != "POST":
            return
        clock = _Clock()
        span = self._tracer.start_span(
            operation,
            context=self._propagator.extract(_w3c_headers(scope["headers"])),
            kind=SpanKind.SERVER,
            start_time=clock.epoch_ns(record.started_s),
        )
        headers: dict[str, str] = {}
        self._propagator.inject(headers, trace.set_span_in_context(span))
        record.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        record.trace_headers = headers
        scope[_SPAN_KEY] = (span, clock)

    def end(self, record: RequestRecord, scope: Scope) -> None:
        """Write the spans; they are sent later, by a thread."""
        if _SPAN_KEY not in scope:
            return
        span, clock = scope[_SPAN_KEY]
        if record.adapter is not None:
            span.update_name(f"{_OPERATIONS[scope['path']]} {record.model}")
        span.set_attributes(
            _present(_request_attributes(record, scope) | _answer_attributes(record))
        )
        if record.status is not None and (record.status >= 500 or _broke(record)):
            span.set_status(Status(StatusCode.ERROR))
        for stage in record.stages:
            self._write_stage(stage, record, span, clock)
        span.end(clock.epoch_ns(time.monotonic()))

    def _write_stage(
        self, stage: Stage, record: RequestRecord, parent: Span, clock: "_Clock"
    ) -> None:
        span = self._tracer.start_span(
            stage.name,
            context=trace.set_span_in_context(parent),
            start_time=clock.epoch_ns(stage.started_s),
            attributes=_present({"endturn.adapter": record.adapter}),
        )
        if stage.name == "engine":
            span.set_attributes(_present(_answer_attributes(record)))
            if record.first_token_s is not None:
                span.add_event("first_token", timestamp=clock.epoch_ns(record.first_token_s))
        if stage.failed:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attributes(_present({"error.type": record.error_code}))
        span.end(clock.epoch_ns(stage.ended_s))

    def close(self) -> None:
        """Send what waits, for `flush_timeout_s` at most."""
        # A daemon, as the library's own thread: neither keeps the process from ending.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(self._flush_timeout_s)
        if closing.is_alive():
            logger.warning(
                "the collector of traces did not answer within %g s; the last traces are lost",
                self._flush_timeout_s,
            )
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the library leaves it unannotated


def _w3c_headers(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    return {
        name.decode(): value.decode("latin-1") for name, value in headers if name in _W3C_HEADERS
    }


class _Clock:
    """Moments of the monotonic clock as nanoseconds since 1970, all by one look at the wall clock."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def epoch_ns(self, monotonic_s: float) -> int:
        return self._offset_ns + int(monotonic_s * 1e9)


def _broke(record: RequestRecord) -> bool:
    """Whether a stream that began well ended with an error."""
    return record.status == 200 and record.error_code is not None


def _present(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _request_attributes(record: RequestRecord, scope: Scope) -> dict[str, Any]:
    return {
        "http.request.method": scope["method"],
        "http.route": scope["path"],
        "http.response.status_code": record.status,
        "error.type": record.error_code,
        "gen_ai.operation.name": _OPERATIONS[scope["path"]],
        "gen_ai.provider.name": "endturn",
        "gen_ai.request.model": record.model and record.model[:_MAX_NAME_CHARS],
        "endturn.request_id": record.request_id,
        "endturn.stream": record.stream,
        "endturn.client_gone": record.client_gone,
    }


def _answer_attributes(record: RequestRecord) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "endturn.adapter": record.adapter,
        "gen_ai.usage.input_tokens": record.num_prompt_tokens,
    }
    if record.finishes:
        in_order = sorted(record.finishes, key=lambda finish: finish.index)
        attributes["gen_ai.usage.output_tokens"] = record.num_generated_tokens
        attributes["gen_ai.response.finish_reasons"] = [f.finish_reason for f in in_order]
        attributes["endturn.stop_kind"] = record.stop_kinds
        attributes["endturn.trimmed_tokens"] = record.num_trimmed_tokens
    return attributes
