"""The server that the engine's tests use, and the table of what was called."""

import pytest

from tests.engine.conftest import smollm2 as smollm2

CALLS = pytest.StashKey[list[dict[str, str]]]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for told in config.stash.get(CALLS, []):
        terminalreporter.write_line(f"{told['client']} {told['version']}: {told['call']}")
