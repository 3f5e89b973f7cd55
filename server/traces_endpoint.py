"""Where traces are sent: what OpenTelemetry's own variables say, and what an address of a collector must look like."""

import os
from urllib.parse import urlsplit

from .errors import StartError


def default_traces_endpoint() -> str | None:
    """What OpenTelemetry's own variables say; None where they say nothing or switch traces off.

    Raises:
        StartError: they ask for what is no address, or for another protocol than OTLP over HTTP.
    """
    environ = os.environ
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        if not (url := environ.get(name)) or off or environ.get("OTEL_TRACES_EXPORTER") == "none":
            continue
        # The general one is for every signal: the path of traces is to be added.
        path = "" if "TRACES" in name else "/v1/traces"
        try:
            return traces_url(url.rstrip("/") + path)
        except ValueError as exc:
            raise StartError(f"{name}: {exc} (found {without_credentials(url)!r})") from exc
    return None


def traces_url(url: str) -> str:
    """`url` as the address that takes traces; one without a path gets the standard one.

    Raises:
        ValueError: it is no address of an OTLP/HTTP collector.
        StartError: a variable of OpenTelemetry asks for another protocol.
    """
    parts = urlsplit(url)
    if "@" in url:
        raise ValueError(
            "an address with a user name or password, which vLLM would log; put them into OTEL_EXPORTER_OTLP_HEADERS"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("not an http:// or https:// address of a collector")
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if protocol := os.environ.get(name):
            if protocol != "http/protobuf":
                raise StartError(
                    f"{name}: traces are sent as http/protobuf only (found {protocol!r})"
                )
            break
    return url if parts.path.strip("/") else url.rstrip("/") + "/v1/traces"


def without_credentials(url: str) -> str:
    """`url` as it may be shown: what stands before its `@` is left out."""
    _, at, place = url.rpartition("@")
    return f"***@{place}" if at else url
