"""Prometheus metrics of HTTP itself: requests by method, route template and status, and why requests were turned away.

Knows nothing of generation. No label is ever a client's text: paths become templates, methods and reasons come from lists.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from .buckets import SECOND_BUCKETS

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# A request that was refused before routing, or that no route takes.
NO_ROUTE = "none"
# Error codes that are reasons by themselves; every other refusal is named by its status.
_REASON_CODES = frozenset(
    {
        "body_timeout",
        "body_too_large",
        "context_length_exceeded",
        "engine_busy",
        "engine_dead",
        "engine_stalled",
        "invalid_json",
        "model_not_found",
        "model_queue_full",
        "no_chat_template",
        "no_tool_parser",
        "not_ready",
        "queue_full",
        "queue_tokens_full",
        "server_full",
        "template_error",
        "template_timeout",
        "tenant_queue_full",
    }
)
_REASONS: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "invalid_request",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limited",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}
_CLIENT_GONE = 499


def rejection_reason(status: int, code: str | None) -> str | None:
    """Why a request was turned away; None where it was not, or where it asked for what this server never had.

    A failure of the server (500) is no rejection, and neither is a path or method that does not exist.
    """
    if not (400 <= status < 500 or status == 503) or status == _CLIENT_GONE:
        return None
    if code in _REASON_CODES:
        return code
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return None
    return _REASONS.get(status, "other")


class HttpMetrics:
    """The collectors, registered once in `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "endturn_http_requests",
            "HTTP requests by method, route template and status",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "endturn_http_request_seconds",
            "From the first byte of an HTTP request to the last byte of its response",
            ("method", "route"),
            buckets=SECOND_BUCKETS,
            registry=registry,
        )
        self._rejected = Counter(
            "endturn_requests_rejected",
            "Requests for an answer that were turned away before a token was generated",
            ("reason",),
            registry=registry,
        )

    def observe(self, scope: Mapping[str, Any], status: int | None, seconds: float) -> None:
        """Count a request that is over; `status` is None where it ended before a response began."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        shown = "none" if status is None else str(status)
        self._requests.labels(method, route, shown).inc()
        self._seconds.labels(method, route).observe(seconds)

    def reject(self, reason: str) -> None:
        """Count a request that was turned away."""
        self._rejected.labels(reason).inc()
