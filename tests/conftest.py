"""Options and fixtures for all tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from server.prompt import PromptRenderer

from .fakes import write_adapter, write_base

# A slow machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without", action="append", default=[], help="make this module impossible to import"
    )


def pytest_configure(config: pytest.Config) -> None:
    for name in config.getoption("--without"):
        sys.modules[name] = None  # type: ignore[assignment]  # the import system's own way to say no


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    import os  # noqa: PLC0415

    for name in [name for name in os.environ if name.startswith("ENDTURN_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def renderer() -> Iterator[PromptRenderer]:
    """One pool of template workers for the session; templates get two seconds."""
    made = PromptRenderer(timeout_s=2.0, num_workers=1)
    # A client's own timeout must not run while the worker starts.
    made._warm_up.result(120)
    yield made
    made.close()


@pytest.fixture
def base_dir(tmp_path: Path) -> Path:
    """A base model directory with configs and a byte tokenizer, without weights."""
    return write_base(tmp_path / "base")


@pytest.fixture
def adapter_dir(tmp_path: Path) -> Path:
    """A raw LoRA adapter directory."""
    return write_adapter(tmp_path / "adapter")
