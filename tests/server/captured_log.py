"""What the server logs while a test runs."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("server", "adapters", "uvicorn")


@contextmanager
def captured_log(formatter: logging.Formatter, *more_loggers: str) -> Iterator[io.StringIO]:
    """All that the server and uvicorn log meanwhile, at every level; line ends are as they were written."""
    written = io.StringIO(newline="")
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    loggers = [logging.getLogger(name) for name in (*LOGGERS, *more_loggers)]
    levels = [logger.level for logger in loggers]
    logging.root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield written
    logging.root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
