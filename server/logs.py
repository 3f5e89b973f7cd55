"""Logging, set once at start. Everything goes to standard error, a line an event."""

import logging.config


def configure_logging(level: str) -> None:
    """Install the handlers for our own loggers and uvicorn's; `level` as in the logging module."""
    ours = {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "loggers": {
                "server": ours,
                "adapters": ours,
                "uvicorn": {**ours, "level": "WARNING"},
                "uvicorn.error": {"level": "WARNING"},
            },
        }
    )
