"""The wheel holds exactly our two packages, and the demo's files with them."""

import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import adapters
import server

ROOT = Path(__file__).parents[1]


def test_wheel_holds_both_packages_and_the_demo(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0].split("-")[0] for name in names} == {"server", "adapters", "endturn"}
    templates = (ROOT / "adapters" / "templates").rglob("*.jinja")
    head = ROOT / "server" / "demo" / "stop_head.json"
    for path in [*(ROOT / "server" / "demo").glob("pydoc/*"), head, *templates]:
        assert str(path.relative_to(ROOT)) in names


@pytest.mark.parametrize("name", ["server", "adapters"])
def test_no_foreign_distribution_shadows_us(name: str) -> None:
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.distribution(name)
    assert Path(str(server.__file__)).parents[1] == Path(str(adapters.__file__)).parents[1]


def test_demo_adapter_is_small_and_carries_only_what_a_trainer_writes() -> None:
    files = {path.name: path.stat().st_size for path in (ROOT / "server/demo/pydoc").iterdir()}
    assert set(files) == {
        "LICENSE",
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "args.json",
    }
    assert sum(files.values()) <= 8 << 20
