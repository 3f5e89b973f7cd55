"""A base with rows of its own: what is written and what is linked, who may share it, who may not be served on it."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from adapters.base_files import read_base_files
from adapters.errors import CheckpointError, ConversionError, ModelFilesError
from adapters.weights.base_overlay import overlay_conflict, read_overlay, write_overlay
from adapters.weights.base_rows import (
    ROWS_FILE,
    BaseRows,
    RowValues,
    read_base_rows,
    read_rows_file,
    write_rows_file,
)
from adapters.weights.base_weights import needed_base_weights, rows_digest
from adapters.weights.stored_tensor import Tensor, of_values, write_tensors
from adapters.weights.weight_plan import base_digest

from .tiny_models import (
    HIDDEN,
    VOCABULARY,
    Array,
    build_adapter,
    build_base,
    effective,
    plan,
    read_json,
    write_json,
)

SHARD = "model-00001-of-00003.safetensors"


def row_values(*ids: int, seed: int = 1) -> RowValues:
    random = np.random.default_rng(seed)
    return RowValues(ids, random.standard_normal((len(ids), HIDDEN)).astype(np.float32))


def overlay(base: Path, target: Path, *rows: BaseRows | None, allow: bool = False) -> Path:
    named = [(f"adapter-{at}", item) for at, item in enumerate(rows)]
    write_overlay(read_base_files(base), named, target, allow_unchanged=allow)
    return target


def changed(base: Path, listed: RowValues, matrix: str) -> Array:
    whole = effective(base)[matrix].copy()
    whole[list(listed.ids)] = listed.values
    return whole


def test_only_the_touched_shard_is_written_and_the_rest_is_linked(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2", shards=3)
    (base / "tokenizer.json").write_text("{}")
    (base / "pytorch_model.bin").write_bytes(b"other weights")
    (base / "original").mkdir()
    listed = row_values(3, 400)
    made = overlay(base, tmp_path / "over", BaseRows({"lm_head": listed}))
    index = read_json(base / "model.safetensors.index.json")["weight_map"]
    for file in sorted(set(index.values())):
        linked = os.path.samestat((base / file).stat(), (made / file).stat())
        assert linked is (file != index["lm_head.weight"])
    assert sorted(file.name for file in made.iterdir()) == [
        "config.json",
        "endturn_overlay.json",
        "endturn_overlay.rows",
        "generation_config.json",
        *sorted(set(index.values())),
        "model.safetensors.index.json",
        "tokenizer.json",
    ]
    # A small file is a copy: changing it leaves the base alone.
    (made / "tokenizer.json").write_text("[]")
    assert (base / "tokenizer.json").read_text() == "{}"
    found = effective(made)
    expected = {**effective(base), "lm_head.weight": changed(base, listed, "lm_head.weight")}
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_files_are_linked_by_name_where_hard_links_are_not_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refuse)
    base = build_base(tmp_path / "base", "qwen2", shards=3)
    made = overlay(base, tmp_path / "over", BaseRows({"lm_head": row_values(3)}))
    assert any(file.is_symlink() for file in made.iterdir())
    assert effective(made).keys() == effective(base).keys()


@pytest.mark.parametrize("shards", [1, 3])
def test_a_tied_base_gets_a_second_matrix_where_the_two_differ(tmp_path: Path, shards: int) -> None:
    base = build_base(tmp_path / "base", "qwen2", tied=True, shards=shards)
    listed = row_values(3, 4)
    made = overlay(base, tmp_path / "over", BaseRows({"lm_head": listed}))
    assert read_json(made / "config.json")["tie_word_embeddings"] is False
    found = effective(made)
    assert np.array_equal(found["lm_head.weight"], changed(base, listed, "lm_head.weight"))
    assert np.array_equal(
        found["model.embed_tokens.weight"], effective(base)["model.embed_tokens.weight"]
    )
    if shards > 1:
        index = read_json(made / "model.safetensors.index.json")["weight_map"]
        assert index["lm_head.weight"] == index["model.embed_tokens.weight"]


def test_a_tied_base_stays_tied_where_both_have_the_same_rows(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2", tied=True)
    listed = row_values(3, 4)
    made = overlay(base, tmp_path / "over", BaseRows({"lm_head": listed, "embed_tokens": listed}))
    assert read_json(made / "config.json")["tie_word_embeddings"] is True
    assert np.array_equal(
        effective(made)["lm_head.weight"], changed(base, listed, "lm_head.weight")
    )


def test_the_language_models_part_of_a_config_is_changed(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2", tied=True)
    inner = read_json(base / "config.json")
    write_json(base / "config.json", {"architectures": ["Some"], "text_config": inner})
    listed = row_values(3, VOCABULARY)
    made = overlay(base, tmp_path / "over", BaseRows({"lm_head": listed}))
    config = read_json(made / "config.json")
    assert config["text_config"]["vocab_size"] == VOCABULARY + 1
    assert config["text_config"]["tie_word_embeddings"] is False
    assert config["tie_word_embeddings"] is False
    assert "vocab_size" not in config


def test_rows_are_rounded_to_the_bases_precision(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2", dtype="BF16")
    listed = row_values(3)
    made = overlay(base, tmp_path / "over", BaseRows({"lm_head": listed}))
    found = effective(made)["lm_head.weight"][3]
    assert not np.array_equal(found, listed.values[0])
    np.testing.assert_allclose(found, listed.values[0], rtol=2**-8)


def test_adapters_with_the_same_rows_share_an_overlay(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    one, same = (BaseRows({"lm_head": row_values(3, 4)}) for _ in range(2))
    assert one.digest == same.digest
    made = overlay(base, tmp_path / "over", one, same)
    found = read_overlay(made)
    assert found is not None
    assert found.adapters == ("adapter-0", "adapter-1")
    assert found.rows.digest == one.digest
    assert overlay_conflict(made, "again", same) is None


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (
            {"lm_head": row_values(3, 4)},
            {"lm_head": row_values(3, 4, seed=2)},
            "adapter-0 and adapter-1 want different rows of lm_head: 3, 4",
        ),
        (
            {"lm_head": row_values(3, 4)},
            {"lm_head": row_values(3)},
            "only one of adapter-0 and adapter-1 changes these rows of lm_head: 4",
        ),
        (
            {"lm_head": row_values(3)},
            {"lm_head": row_values(3), "embed_tokens": row_values(*range(20))},
            "embed_tokens: 0, 1, 2, 3, 4, 5, 6, 7 and 12 more",
        ),
        ({"lm_head": row_values(3)}, None, "only one of"),
    ],
)
def test_adapters_that_want_different_rows_are_named_with_the_ids(
    tmp_path: Path,
    one: dict[str, RowValues],
    other: dict[str, RowValues] | None,
    says: str,
) -> None:
    """A row that an adapter left as the base has it is a value too."""
    base = build_base(tmp_path / "base", "qwen2")
    first = BaseRows(one)  # type: ignore[arg-type]  # a table of plain names
    second = None if other is None else BaseRows(other)  # type: ignore[arg-type]  # as above
    with pytest.raises(ConversionError, match=says):
        overlay(base, tmp_path / "over", first, second)
    assert not (tmp_path / "over").exists()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_unchanged_rows_may_differ_where_that_is_allowed(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    both = row_values(3, 4)
    one = BaseRows({"lm_head": RowValues((3,), both.values[:1])})
    other = BaseRows({"lm_head": RowValues((4,), both.values[1:])})
    made = overlay(base, tmp_path / "over", one, other, None, allow=True)
    assert np.array_equal(effective(made)["lm_head.weight"], changed(base, both, "lm_head.weight"))
    with pytest.raises(ConversionError, match="want different rows"):
        overlay(
            base, tmp_path / "no", one, BaseRows({"lm_head": row_values(3, seed=8)}), allow=True
        )


def test_an_overlay_without_rows_is_the_plain_base(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    with pytest.raises(ConversionError, match="no adapter changes a row"):
        overlay(base, tmp_path / "over", None)


def test_an_existing_target_is_not_replaced(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    with pytest.raises(ConversionError, match="exists"):
        overlay(base, base, BaseRows({"lm_head": row_values(3)}))


def test_an_overlay_is_not_made_of_an_overlay(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    made = overlay(base, tmp_path / "over", BaseRows({"lm_head": row_values(3)}))
    with pytest.raises(ConversionError, match="is an overlay already"):
        overlay(made, tmp_path / "again", BaseRows({"lm_head": row_values(4)}))


def test_an_overlay_needs_the_bases_weights(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2", weights=False)
    with pytest.raises(ModelFilesError, match="needed to write an overlay"):
        overlay(base, tmp_path / "over", BaseRows({"lm_head": row_values(3)}))


def test_who_may_be_served_on_which_base(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    rows = BaseRows({"lm_head": row_values(3, 4)})
    other = BaseRows({"lm_head": row_values(3, 4, seed=2)})
    made = overlay(base, tmp_path / "over", rows)
    assert overlay_conflict(base, "plain", None) is None
    assert overlay_conflict(made, "mine", rows) is None
    assert "needs rows of lm_head: 3, 4" in str(overlay_conflict(base, "mine", rows))
    assert "want different rows of lm_head: 3, 4" in str(overlay_conflict(made, "other", other))
    assert "only one of" in str(overlay_conflict(made, "plain", None))
    assert overlay_conflict(made, "plain", None, allow_unchanged=True) is None
    assert overlay_conflict(made, "other", other, allow_unchanged=True) is not None


def test_an_overlay_has_the_plain_bases_digest(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    made = overlay(base, tmp_path / "over", BaseRows({"lm_head": row_values(0, 8, 16)}))
    files = read_base_files(made)
    weights = needed_base_weights(files, "test")
    plain = rows_digest(needed_base_weights(read_base_files(base), "test"))
    assert rows_digest(weights) != plain
    assert base_digest(files, weights) == plain


def test_raw_rows_are_not_compared_with_an_overlay(tmp_path: Path) -> None:
    """What another adapter changed would pass for the base's own."""
    base = build_base(tmp_path / "base", "qwen2")
    made = overlay(base, tmp_path / "over", BaseRows({"lm_head": row_values(3)}))
    whole = effective(base)["lm_head.weight"]
    raw = build_adapter(
        tmp_path / "raw",
        tensors={"base_model.model.lm_head.weight": whole},
        modules_to_save=["lm_head"],
    )
    refused = plan(made, raw)
    assert refused.path == "refused"
    assert f"convert the adapter for {base}" in refused.findings[0].action
    assert plan(made, build_adapter(tmp_path / "plain")).path == "as_is"


@pytest.mark.parametrize(
    "content", [{}, {"base": "b"}, {"base": "b", "base_weights": "w", "vocab_size": "x"}]
)
def test_a_broken_description_is_an_error(tmp_path: Path, content: dict[str, str]) -> None:
    write_rows_file(BaseRows({"lm_head": row_values(3)}), tmp_path / "endturn_overlay.rows")
    write_json(tmp_path / "endturn_overlay.json", content)
    with pytest.raises(ModelFilesError, match="no overlay's description"):
        read_overlay(tmp_path)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = BaseRows({"lm_head": row_values(3, 400), "embed_tokens": row_values(7)})
    assert read_base_rows(tmp_path) is None
    write_rows_file(rows, tmp_path / ROWS_FILE)
    found = read_base_rows(tmp_path)
    assert found is not None
    assert found.digest == rows.digest
    assert found.matrices["lm_head"].equals(rows.matrices["lm_head"])
    assert not found.matrices["lm_head"].equals(rows.matrices["embed_tokens"])


def ids(*numbers: int) -> Tensor:
    raw = struct.pack(f"<{len(numbers)}q", *numbers)
    return Tensor(dtype="I64", shape=(len(numbers),), pieces=(raw,))


@pytest.mark.parametrize(
    ("listed", "count"), [(ids(4, 3), 2), (ids(3, 3), 2), (ids(-1, 3), 2), (ids(3), 2), (ids(), 0)]
)
def test_rows_that_do_not_fit_their_ids_are_an_error(
    tmp_path: Path, listed: Tensor, count: int
) -> None:
    values = of_values(np.zeros((count, 4), dtype=np.float32))
    write_tensors(tmp_path / "f", {"lm_head.ids": listed, "lm_head.rows": values})
    with pytest.raises(CheckpointError):
        read_rows_file(tmp_path / "f")


def test_rows_that_lie_outside_the_adapter_are_an_error(tmp_path: Path) -> None:
    write_rows_file(BaseRows({"lm_head": row_values(3)}), tmp_path / "elsewhere")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / ROWS_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="link out of the directory"):
        read_base_rows(tmp_path / "adapter")
