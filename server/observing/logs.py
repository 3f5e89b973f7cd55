"""Logging, set once at start. Everything goes to standard error, one line an event, as text or as JSON.

What is logged is a message and, in `extra={"facts": {...}}`, the values that belong to it. Text that came from outside
can neither make a line of its own nor look like a value: control characters are escaped in both styles.
"""

import json
import logging
import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from adapters.errors import printable

LogFormat = Literal["text", "json"]
# What vLLM's processes configure their loggers with where the format is JSON; it names `engine_handler` and JsonFormatter.
ENGINE_LOGGING_FILE = Path(__file__).with_name("vllm_logging.json")
_BARE_WORD = re.compile(r"[\w./:@+\-]+", re.ASCII)


class JsonFormatter(logging.Formatter):
    """A JSON object a record: `ts` (UTC), `level`, `logger`, `message`, the facts, and `exception` with its trace."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # ASCII only: line separators of Unicode would be new lines to some readers.
        return json.dumps(line, ensure_ascii=True, default=str)


class LineFormatter(logging.Formatter):
    """`time LEVEL logger: message name=value ...`. Lines of a trace are indented, so that none looks like an event."""

    def format(self, record: logging.LogRecord) -> str:
        words = [
            f"{_time(record)} {record.levelname} {record.name}:",
            printable(record.getMessage()),
        ]
        words += [f"{name}={_value(fact)}" for name, fact in _facts(record).items()]
        line = " ".join(words)
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            line = "\n".join([line, *(f"    {printable_line(part)}" for part in trace)])
        return line


def printable_line(text: str) -> str:
    """One line with its indentation, control characters escaped."""
    return text[: len(text) - len(text.lstrip(" "))] + printable(text)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts: dict[str, Any] = getattr(record, "facts", {})
    return facts


def _value(fact: Any) -> str:
    if isinstance(fact, list) and all(isinstance(part, str) for part in fact):
        fact = ",".join(fact)
    if isinstance(fact, str):
        return fact if _BARE_WORD.fullmatch(fact) else json.dumps(fact)
    return json.dumps(fact, default=str)


class RepeatFilter(logging.Filter):
    """Lets a record of the OpenTelemetry libraries through once a minute: a collector that is away stays a warning."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, interval_s: float = 60) -> None:
        super().__init__()
        self._clock = clock
        self._interval_s = interval_s
        self._told_s: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("opentelemetry"):
            return True
        key = (record.name, record.msg)
        now_s = self._clock()
        if now_s - self._told_s.get(key, -self._interval_s) < self._interval_s:
            return False
        self._told_s[key] = now_s
        return True


def configure_logging(level: str, log_format: LogFormat = "text") -> None:
    """Install the handler for our own loggers, uvicorn's, and the warnings of every other library.

    Args:
        level: least severe line of ours, as in the logging module.
        log_format: how every line is written; with `json`, Python's own warnings too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter({"text": LineFormatter, "json": JsonFormatter}[log_format]())
    handler.addFilter(RepeatFilter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("server", "adapters"):
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(log_format == "json")


def engine_handler() -> logging.Handler:
    """The handler of vLLM's loggers in each of its processes. The level is what vLLM's own variable says."""
    level = os.environ.get("VLLM_LOGGING_LEVEL", "INFO").upper()
    logging.getLogger("vllm").setLevel(level)
    return logging.StreamHandler()
