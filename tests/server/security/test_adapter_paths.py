"""What an adapter's own files name: only what lies in its directory is read, whatever the profile says."""

import json
from pathlib import Path

import pytest

from adapters.base_to_chat import plan_conversion, write_converted
from adapters.inspection import BaseModel, inspect_adapter, read_base
from server.errors import StartError
from server.loading.adapter_intake import take_in
from server.loading.model_source import AdapterSource
from tests.adapters.raw_adapters import write, write_raw
from tests.checkpoints.bases import build_base

SECRET = "root:x:0:0"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    path = tmp_path_factory.mktemp("bases") / "qwen2_5"
    return read_base(build_base("qwen2_5", path, weights=False))


@pytest.fixture
def adapter(tmp_path: Path, base: BaseModel) -> Path:
    raw = write_raw(tmp_path / "raw", {"args.json": {"template": "qwen2_5"}})
    write_converted(plan_conversion(inspect_adapter(raw, base), "test"), tmp_path / "adapter")
    write(tmp_path, {"secret.jinja": SECRET})
    return tmp_path / "adapter"


def name_template(adapter: Path, name: str) -> None:
    profile = json.loads((adapter / "endturn.json").read_text())
    profile["template"] = {**profile["template"], "file": name}
    (adapter / "endturn.json").write_text(json.dumps(profile))


async def refused(adapter: Path, base: BaseModel) -> str:
    source = AdapterSource(name="a", path=adapter)
    with pytest.raises(StartError) as told:
        await take_in(source, base, adapter.parent / "cache", None)
    assert SECRET not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize(
    "name",
    ["../secret.jinja", "./../secret.jinja", "/etc/passwd", "..", ".", "a/../../secret.jinja"],
)
async def test_the_template_is_a_plain_name(adapter: Path, base: BaseModel, name: str) -> None:
    name_template(adapter, name)
    assert "must be a plain file name in the adapter directory" in await refused(adapter, base)


@pytest.mark.parametrize(
    "target", ["../secret.jinja", "/etc/passwd", "/dev/zero", "/proc/self/environ"]
)
async def test_a_name_of_its_own_is_no_way_out_by_a_link(
    adapter: Path, base: BaseModel, target: str
) -> None:
    (adapter / "x.jinja").symlink_to(target)
    name_template(adapter, "x.jinja")
    assert "x.jinja: is a link out of the directory" in await refused(adapter, base)


@pytest.mark.parametrize(
    "name", ["endturn.json", "adapter_config.json", "adapter_model.safetensors"]
)
async def test_nor_is_any_file_that_is_served(adapter: Path, base: BaseModel, name: str) -> None:
    (adapter / name).rename(adapter.parent / name)
    (adapter / name).symlink_to(f"../{name}")
    assert f"{name}: is a link out of the directory" in await refused(adapter, base)


async def test_a_directory_in_between_is_no_way_out(adapter: Path, base: BaseModel) -> None:
    (adapter / "sub").symlink_to("..")
    name_template(adapter, "sub/secret.jinja")
    assert "template.file" in await refused(adapter, base)
