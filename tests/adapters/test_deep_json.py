"""JSON that can be read and not written: refused when it is read, so that nothing fails over it later."""

from pathlib import Path

import pytest

from adapters.base_to_chat import plan_conversion, write_converted
from adapters.chat_profile import read_profile, write_profile
from adapters.errors import AdapterError, ProfileError
from adapters.inspection import inspect_adapter, read_base
from adapters.json_file import MAX_DEPTH, read_json_object
from tests.checkpoints.bases import build_base

from .raw_adapters import CONFIG, write, write_raw

SWIFT = {"args.json": {"template": "default"}}


def nested(depth: int) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [MAX_DEPTH, 150, 255, 300, 500, 900])
@pytest.mark.parametrize("field", ["stop_head", "verification"])
def test_a_profile_that_could_not_be_written_again_is_refused(
    tmp_path: Path, field: str, depth: int
) -> None:
    """Found by fuzzing: pydantic writes 255 levels, Python reads some 990."""
    profile = {"format": 1, "created_by": "x", "base": {"name": "x"}, "end_of_turn": []}
    write(tmp_path, {"endturn.json": {**profile, field: {"a": nested(depth)}}})
    with pytest.raises(ProfileError, match=r"endturn\.json: is not valid JSON \(it is nested"):
        read_profile(tmp_path)


def test_what_is_just_not_too_deep_is_read_and_written(tmp_path: Path) -> None:
    profile = {"format": 1, "created_by": "x", "base": {"name": "x"}, "end_of_turn": []}
    deep = {"a": nested(MAX_DEPTH - 2)}
    write(tmp_path, {"endturn.json": {**profile, "stop_head": deep}})
    read = read_profile(tmp_path)
    assert read is not None
    write_profile(read, tmp_path)
    assert read_profile(tmp_path) == read
    assert read.stop_head == deep


@pytest.mark.parametrize("depth", [300, 900])
def test_a_config_that_could_not_be_written_again_is_refused(tmp_path: Path, depth: int) -> None:
    base = read_base(build_base("smollm2", tmp_path / "base", weights=False))
    path = write_raw(tmp_path / "raw", SWIFT)
    write(path, {"adapter_config.json": {**CONFIG, "x": nested(depth)}})
    with pytest.raises(AdapterError, match=r"adapter_config\.json: is not valid JSON"):
        write_converted(plan_conversion(inspect_adapter(path, base), "test"), tmp_path / "out")


@pytest.mark.parametrize("text", ["1", '"x"', "null", "[]", "[[1]]"])
def test_what_is_no_object_is_told_as_before(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(AdapterError, match="must hold a JSON object"):
        read_json_object(tmp_path / "x.json", AdapterError)
