"""The base's weights by name: what embeds tokens, which rows no training moved."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.base_files import read_base_files
from adapters.errors import ModelFilesError
from adapters.weights.base_weights import (
    BaseWeights,
    needed_base_weights,
    read_base_weights,
    rows_digest,
    untrained_rows,
)
from adapters.weights.stored_tensor import of_values

from .tiny_models import HIDDEN, VOCABULARY, build_base, read_json, write_json, write_shards


def weights_of(path: Path) -> BaseWeights:
    return needed_base_weights(read_base_files(path), "test")


def build(path: Path, names: dict[str, int], **config: object) -> Path:
    """A base whose tensors are matrices of so many rows."""
    path.mkdir()
    write_json(path / "config.json", config)
    arrays = {n: of_values(np.ones((rows, 4), dtype=np.float32)) for n, rows in names.items()}
    write_shards(path, arrays, 1)
    return path


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("tied", [True, False])
def test_tensors_are_found_in_one_file_and_in_shards(
    tmp_path: Path, shards: int, tied: bool
) -> None:
    weights = weights_of(build_base(tmp_path / "base", tied=tied, shards=shards))
    assert weights.is_tied is tied
    assert weights.embedding == "model.embed_tokens"
    assert weights.head == ("model.embed_tokens" if tied else "lm_head")
    assert weights.num_rows == VOCABULARY
    assert weights.head_rows.shape == (VOCABULARY, HIDDEN)
    assert len(weights.tensors) == 20 + (not tied)


def test_a_base_without_weights_is_a_normal_case(tmp_path: Path) -> None:
    base = read_base_files(build_base(tmp_path / "base", weights=False))
    assert read_base_weights(base) is None
    with pytest.raises(ModelFilesError, match="needed to compare rows"):
        needed_base_weights(base, "compare rows")


@pytest.mark.parametrize(
    ("names", "config", "embedding", "head"),
    [
        ({"transformer.wte.weight": 5}, {}, "transformer.wte", "transformer.wte"),
        (
            {"gpt_neox.embed_in.weight": 5, "embed_out.weight": 5},
            {},
            "gpt_neox.embed_in",
            "embed_out",
        ),
        (
            {"model.tok_embeddings.weight": 5, "output.weight": 5},
            {},
            "model.tok_embeddings",
            "output",
        ),
        (
            {
                "model.language_model.embed_tokens.weight": 5,
                "model.visual.embed_tokens.weight": 9,
                "model.layers.3.embed_tokens.weight": 7,
                "mtp.lm_head.weight": 7,
                "lm_head.weight": 5,
            },
            {"text_config": {"tie_word_embeddings": False}},
            "model.language_model.embed_tokens",
            "lm_head",
        ),
        (
            {"model.embed_tokens.weight": 5, "lm_head.weight": 5},
            {"tie_word_embeddings": True},
            "model.embed_tokens",
            "model.embed_tokens",
        ),
    ],
)
def test_families_name_their_embeddings_differently(
    tmp_path: Path, names: dict[str, int], config: dict[str, object], embedding: str, head: str
) -> None:
    weights = weights_of(build(tmp_path / "base", names, **config))
    assert (weights.embedding, weights.head) == (embedding, head)


def test_weights_that_embed_nothing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match="no tensor of its weights is a token embedding"):
        weights_of(build(tmp_path / "base", {"encoder.weight": 3}))


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ({"weight_map": []}, "must map"),
        ({"weight_map": {"a": 3}}, "must map"),
        ({}, "must map"),
        ({"weight_map": {"a": "../model.safetensors"}}, "no file beside it"),
        ({"weight_map": {"a": "none.safetensors"}}, "is missing"),
    ],
)
def test_a_broken_index_is_an_error(tmp_path: Path, index: object, says: str) -> None:
    base = build_base(tmp_path / "base")
    write_json(base / "model.safetensors.index.json", index)
    with pytest.raises(ModelFilesError, match=says):
        weights_of(base)


def with_rows(path: Path, tied: bool, **matrices: NDArray[np.float32]) -> BaseWeights:
    path.mkdir()
    write_json(path / "config.json", {"tie_word_embeddings": tied})
    names = {"embedding": "model.embed_tokens.weight", "head": "lm_head.weight"}
    tensors = {names[name]: of_values(rows) for name, rows in matrices.items()}
    write_shards(path, tensors, 1)
    return weights_of(path)


def trained(rows: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).standard_normal((rows, 256)).astype(np.float32)


def test_rows_near_zero_are_untrained(tmp_path: Path) -> None:
    head, embedding = trained(20), trained(20)
    head[3] = 1e-17
    embedding[4] = 0
    weights = with_rows(tmp_path / "base", tied=False, head=head, embedding=embedding)
    assert untrained_rows(weights, range(20)) == {3, 4}
    assert untrained_rows(weights, [3, 5]) == {3}


def test_rows_that_are_alike_are_untrained_and_only_among_those_asked_for(tmp_path: Path) -> None:
    head = trained(20)
    head[[2, 5, 7]] = head[2] * [[1.0], [1.02], [0.97]] + 0.05 * trained(23)[20:]
    weights = with_rows(tmp_path / "base", tied=True, embedding=head)
    assert untrained_rows(weights, range(20)) == {2, 5, 7}
    assert untrained_rows(weights, [0, 1, 2, 3]) == frozenset()
    assert untrained_rows(weights, [2, 7, 400]) == {2, 7}


def test_trained_rows_of_synonyms_are_not_alike(tmp_path: Path) -> None:
    head = trained(20)
    head[6] = head[5] + 0.5 * trained(21)[20]
    weights = with_rows(tmp_path / "base", tied=True, embedding=head)
    assert untrained_rows(weights, range(20)) == frozenset()


def test_rows_like_those_of_no_token_are_untrained(tmp_path: Path) -> None:
    """Padding rows that kept their start: all of one length and pushed one way, though no two are alike."""
    head = 2 * trained(120) * np.random.default_rng(6).uniform(0.5, 2, (120, 1)).astype(np.float32)
    push = trained(121)[120] * 0.2
    head[80:] = push + 0.5 * trained(160)[120:]
    weights = with_rows(tmp_path / "base", tied=True, embedding=head)
    nameless = range(82, 120)
    found = untrained_rows(weights, range(82), nameless)
    assert set(nameless) <= found
    assert not found & set(range(80))
    assert untrained_rows(weights, range(82)) == frozenset()


def test_another_base_has_another_digest(tmp_path: Path) -> None:
    one = weights_of(build_base(tmp_path / "one"))
    again = weights_of(build_base(tmp_path / "again", shards=2))
    tied = weights_of(build_base(tmp_path / "tied", tied=True))
    assert rows_digest(one) == rows_digest(again)
    assert rows_digest(one) != rows_digest(tied)
    assert rows_digest(one) != rows_digest(one, [3])
    assert read_json(tmp_path / "one" / "config.json")["vocab_size"] == VOCABULARY
