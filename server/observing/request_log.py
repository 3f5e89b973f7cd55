"""One log line a request, when it is over. No text of prompt or answer unless the operator asks for it."""

import logging
import time
from collections.abc import Collection
from typing import Any

from starlette.types import Scope

from .request_record import RequestRecord, Transcript

logger = logging.getLogger(__name__)

# What a client chose is cut to this many characters.
_MAX_NAME_CHARS = 200


class RequestLog:
    """Writes the lines. Requests to `quiet_paths`, which probes ask all the time, are only told at the level debug."""

    def __init__(self, *, quiet_paths: Collection[str], content: bool) -> None:
        self._quiet_paths = quiet_paths
        self._content = content

    def begin(self, record: RequestRecord, scope: Scope) -> None:  # noqa: ARG002  (the observers' signature)
        """Let the texts be kept where they are to be logged."""
        if self._content:
            record.transcript = Transcript()

    def end(self, record: RequestRecord, scope: Scope) -> None:
        """Write the line; what does not apply to this request is left out."""
        level = logging.DEBUG if scope["path"] in self._quiet_paths else logging.INFO
        if logger.isEnabledFor(level):
            facts = {**_request_facts(record, scope), **_answer_facts(record)}
            shown = {name: fact for name, fact in facts.items() if fact is not None}
            logger.log(level, "request", extra={"facts": shown})


def _request_facts(record: RequestRecord, scope: Scope) -> dict[str, Any]:
    route = getattr(scope.get("route"), "path", None)
    return {
        "request_id": record.request_id,
        "trace_id": record.trace_id,
        "tenant": record.tenant,
        "method": scope["method"],
        "route": route,
        # Only where no route took it: a route's name says more and cannot be made up by a client.
        "path": None if route is not None else scope["path"][:_MAX_NAME_CHARS],
        "status": record.status,
        "error_code": record.error_code,
        "client_gone": record.client_gone,
        "duration_s": round(time.monotonic() - record.started_s, 6),
    }


def _answer_facts(record: RequestRecord) -> dict[str, Any]:
    if record.model is None:
        return {}
    facts: dict[str, Any] = {
        "model": record.model[:_MAX_NAME_CHARS],
        "adapter": record.adapter,
        "stream": record.stream,
        "prompt_tokens": record.num_prompt_tokens,
    }
    if record.finishes:
        facts["stop_kinds"] = record.stop_kinds
        facts["generated_tokens"] = record.num_generated_tokens
        facts["trimmed_tokens"] = record.num_trimmed_tokens
    if record.first_token_s is not None:
        facts["ttft_s"] = round(record.first_token_s - record.started_s, 6)
    if record.transcript is not None:
        facts["prompt"] = record.transcript.prompt
        facts["answers"] = [text for _, text in sorted(record.transcript.answers.items())]
    return facts
