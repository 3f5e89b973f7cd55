"""The source of an adapter that is being served changes, breaks or goes away: requests notice nothing, a reload is told."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import write_adapter

from .child_server import Child

WEIGHTS = "adapter_model.safetensors"


def cut_short(path: Path) -> None:
    content = (path / WEIGHTS).read_bytes()
    (path / WEIGHTS).write_bytes(content[: len(content) // 2])


def overwrite(path: Path) -> None:
    (path / WEIGHTS).write_bytes(b"\xff" * 400)


def break_config(path: Path) -> None:
    (path / "adapter_config.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (cut_short, WEIGHTS),
        (overwrite, WEIGHTS),
        (break_config, "adapter_config.json"),
        (shutil.rmtree, "no such directory"),
    ],
)
def test_what_is_served_stays(
    child: Child, shared: Path, damage: Callable[[Path], None], why: str
) -> None:
    name = f"changed-{damage.__name__}"
    source = write_adapter(shared / name, seed=20)
    assert child.load(name, source).status_code == 200
    damage(source)
    assert child.chat(name).status_code == 200
    reply = child.load(name, source, load_inplace=True)
    assert reply.status_code == 400
    assert why in reply.json()["error"]["message"]
    state, reason = child.state(name)
    assert state == "ready"
    assert why in reason
    assert child.chat(name).status_code == 200

    shutil.rmtree(source, ignore_errors=True)
    write_adapter(source, seed=21)
    assert child.load(name, source, load_inplace=True).status_code == 200
    assert child.chat(name).status_code == 200
