"""A cache directory that cannot be one: the start ends with a line that names the setting, at once and in every part.

That a port is taken is in test_start.
"""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from adapters.base_files import read_base_files
from server.errors import StartError
from server.loading.base_overlays import base_for
from server.serving import serve
from tests.checkpoints.bases import build_base
from tests.fakes import ScriptedEngine, write_adapter
from tests.server.archive_server import Page, archive_server
from tests.server.archives import files_of, tar_of
from tests.server.test_base_overlays import rows
from tests.server.test_start import settings_for

TEMPLATE = "{{ messages[0].content }}"


@pytest.fixture(params=["a file", "below a file", "no file system for it", "not for us"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A path that no directory can be made or written at."""
    (tmp_path / "file").write_text("x")
    return {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "cache",
        "no file system for it": Path("/proc/none/cache"),
        # Read-only in a container, and for root elsewhere too.
        "not for us": Path("/sys/none/cache"),
    }[request.param]


async def refusal(tmp_path: Path, cache: Path, adapter: str, **more: Any) -> str:
    (tmp_path / "template").write_text(TEMPLATE)
    settings = settings_for(
        more.pop("base"),
        tmp_path,
        *([adapter] if adapter else []),
        cache_dir=cache,
        chat_template=tmp_path / "template",
        **more,
    )
    with pytest.raises(StartError) as told:
        await serve(settings, lambda *_: ScriptedEngine(), CollectorRegistry())
    return str(told.value)


@pytest.mark.parametrize("convert", [True, False])
async def test_for_the_copies_of_adapters(
    tmp_path: Path, base_dir: Path, adapter_dir: Path, cache: Path, convert: bool
) -> None:
    said = await refusal(
        tmp_path, cache, f"a={adapter_dir}", base=base_dir, convert_adapters=convert
    )
    assert said.startswith(f"adapter 'a': --cache-dir {cache}: it cannot be written (")


async def test_for_what_is_fetched(tmp_path: Path, base_dir: Path, cache: Path) -> None:
    with archive_server() as archives:
        archives.pages["/x.tar"] = Page(body=tar_of(files_of(write_adapter(tmp_path / "x"))))
        said = await refusal(tmp_path, cache, f"a={archives.url}/x.tar", base=base_dir)
    assert "it cannot be stored" in said
    assert "--cache-dir" in said


async def test_for_the_demos_base(tmp_path: Path, cache: Path) -> None:
    said = await refusal(tmp_path, cache, "", base="demo")
    assert said.startswith(f"the demo's base: --cache-dir {cache}: it cannot be written (")


def test_for_an_overlay_of_the_base(tmp_path: Path, cache: Path) -> None:
    base = read_base_files(build_base("qwen2_5", tmp_path / "base"))
    with pytest.raises(StartError) as told:
        base_for(base, [("a", rows(1.0, 3))], cache, allow_overlay=False)
    assert f"--cache-dir {cache}: it cannot be written" in str(told.value)


async def test_a_source_that_cannot_be_read_is_no_fault_of_the_cache(
    tmp_path: Path, base_dir: Path, adapter_dir: Path
) -> None:
    (adapter_dir / "adapter_model.safetensors").unlink()
    said = await refusal(tmp_path, tmp_path / "cache", f"a={adapter_dir}", base=base_dir)
    assert "--cache-dir" not in said
    assert "safetensors" in said
