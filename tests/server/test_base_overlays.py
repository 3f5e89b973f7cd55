"""The engine's base: plain, or one overlay for adapters that agree on every row."""

from pathlib import Path

import numpy as np
import pytest

from adapters.base_files import BaseFiles, read_base_files
from adapters.weights.base_overlay import read_overlay
from adapters.weights.base_rows import BaseRows, RowValues
from server.errors import StartError
from server.loading.base_overlays import base_for
from tests.checkpoints.bases import build_base

WIDTH = 64


@pytest.fixture
def base(tmp_path: Path) -> BaseFiles:
    return read_base_files(build_base("qwen2_5", tmp_path / "base"))


def rows(value: float, *ids: int) -> BaseRows:
    values = np.full((len(ids), WIDTH), value, dtype=np.float32)
    return BaseRows({"lm_head": RowValues(ids, values)})


def test_adapters_without_rows_get_the_plain_base(base: BaseFiles, tmp_path: Path) -> None:
    assert base_for(base, [("a", None)], tmp_path / "c", allow_overlay=False) is base
    assert base_for(base, [], tmp_path / "c", allow_overlay=False) is base
    assert not (tmp_path / "c").exists()


def test_adapters_that_agree_share_one_overlay_made_once(base: BaseFiles, tmp_path: Path) -> None:
    adapters = [("a", rows(1.0, 3, 5)), ("b", rows(1.0, 3, 5))]
    first = base_for(base, adapters, tmp_path / "c", allow_overlay=False)
    overlay = read_overlay(first.path)
    assert overlay is not None
    assert overlay.rows.digest == rows(1.0, 3, 5).digest
    made = (first.path / "config.json").stat().st_ino
    again = base_for(base, adapters[:1], tmp_path / "c", allow_overlay=False)
    assert again.path == first.path
    assert (again.path / "config.json").stat().st_ino == made


def test_conflict_is_named(base: BaseFiles, tmp_path: Path) -> None:
    adapters = [("one", rows(1.0, 3)), ("two", rows(2.0, 3))]
    with pytest.raises(StartError, match="one and two want different rows of lm_head: 3"):
        base_for(base, adapters, tmp_path / "c", allow_overlay=True)
    assert not list((tmp_path / "c" / "overlays").glob("*/")), "nothing half made is left"


def test_unchanged_rows_are_a_value_too(base: BaseFiles, tmp_path: Path) -> None:
    adapters = [("rows", rows(1.0, 3)), ("plain", None)]
    with pytest.raises(StartError, match="--allow-overlay"):
        base_for(base, adapters, tmp_path / "c", allow_overlay=False)
    overlaid = base_for(base, adapters, tmp_path / "c", allow_overlay=True)
    assert read_overlay(overlaid.path) is not None


def test_an_overlay_given_as_the_model_is_checked(base: BaseFiles, tmp_path: Path) -> None:
    overlaid = base_for(base, [("a", rows(1.0, 3))], tmp_path / "c", allow_overlay=False)
    same = base_for(overlaid, [("b", rows(1.0, 3))], tmp_path / "c", allow_overlay=False)
    assert same is overlaid
    with pytest.raises(StartError, match="--adapter c"):
        base_for(overlaid, [("c", rows(9.0, 3))], tmp_path / "c", allow_overlay=False)
