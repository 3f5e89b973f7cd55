"""--adapters-dir: folders that come, change, go, and are half written."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from server.engine import EngineAdapter
from server.errors import StartError
from server.hosting import AdaptersDir
from server.prompt import PromptRenderer
from server.served_model import ServedModel
from tests.fakes import served
from tests.server.running import Running, running


async def read(name: str, source: str) -> ServedModel:
    """The content of its weights file is its key."""
    content = (Path(source) / "adapter_model.safetensors").read_bytes()
    if content == b"broken":
        raise StartError("it is broken")
    adapter = EngineAdapter(key=str(hash(content)), path=Path(source), rank=8)
    return replace(served(name, adapter=adapter), label=name)


def put(folder: Path, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(content)
    (folder / "adapter_config.json").write_text("{}")


async def looks(watched: AdaptersDir, number: int = 2) -> None:
    for _ in range(number):
        await watched.look()


def served_names(run: Running) -> list[str]:
    return [model.name for model in run.server.catalog][2:]


async def test_folders_come_change_and_go(renderer: PromptRenderer, tmp_path: Path) -> None:
    async with running(renderer, read=read) as run:
        watched = AdaptersDir(tmp_path, run.server.adapters)
        put(tmp_path / "mine", b"one")
        await watched.look()
        assert served_names(run) == [], "it may still be being written"
        await watched.look()
        assert served_names(run) == ["mine"]
        first = run.server.catalog.resolve("mine").adapter
        await looks(watched)
        assert len(run.engine.loaded) == 1
        put(tmp_path / "mine", b"other")
        await looks(watched)
        assert run.server.catalog.resolve("mine").adapter != first
        await run.until(lambda: run.engine.removed == [first])
        shutil.rmtree(tmp_path / "mine")
        await watched.look()
        assert served_names(run) == []


async def test_what_is_no_adapter_is_passed_over(renderer: PromptRenderer, tmp_path: Path) -> None:
    async with running(renderer, read=read) as run:
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").write_text("x")
        put(tmp_path / ".hidden", b"one")
        put(tmp_path / "good", b"one")
        await looks(AdaptersDir(tmp_path, run.server.adapters), 3)
        assert served_names(run) == ["good"]


async def test_what_fails_is_tried_again_when_it_has_changed(
    renderer: PromptRenderer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(renderer, read=read) as run:
        watched = AdaptersDir(tmp_path, run.server.adapters)
        put(tmp_path / "mine", b"broken")
        put(tmp_path / "other", b"fine")
        await looks(watched, 5)
        assert served_names(run) == ["other"]
        told = [r.getMessage() for r in caplog.records if "mine is not served" in r.getMessage()]
        assert len(told) == 1
        assert "it is broken" in told[0]
        put(tmp_path / "mine", b"mended")
        await looks(watched)
        assert served_names(run) == ["other", "mine"]
        put(tmp_path / "mine", b"broken")
        await looks(watched)
        assert served_names(run) == ["other", "mine"], "what was served still is"


async def test_a_directory_that_cannot_be_read_unloads_nothing(
    renderer: PromptRenderer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(renderer, read=read) as run:
        folder = tmp_path / "adapters"
        folder.mkdir()
        put(folder / "mine", b"one")
        watched = AdaptersDir(folder, run.server.adapters)
        await looks(watched)
        folder.rename(tmp_path / "away")
        following = asyncio.create_task(watched.follow(interval_s=0.01))
        await run.until(lambda: "cannot be read now" in caplog.text)
        assert served_names(run) == ["mine"]
        (tmp_path / "away").rename(folder)
        put(folder / "second", b"two")
        await run.until(lambda: served_names(run) == ["mine", "second"])
        following.cancel()


async def test_a_name_that_is_taken_is_left_alone(
    renderer: PromptRenderer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(renderer, read=read) as run:
        source = tmp_path / "given"
        put(source, b"given")
        await run.server.adapters.load("mine", str(source))
        folder = tmp_path / "adapters"
        folder.mkdir()
        put(folder / "mine", b"one")
        watched = AdaptersDir(folder, run.server.adapters)
        await looks(watched, 3)
        assert "loaded already" in caplog.text
        shutil.rmtree(folder / "mine")
        await watched.look()
        assert served_names(run) == ["mine"]
