"""Changed rows in every form PEFT writes, and the way each takes to the engine: what is served is what was trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adapters.weights.embedding_lora
import adapters.weights.token_rows
from adapters.errors import CheckpointError, ModelFilesError
from adapters.weights.weight_plan import WeightPlan, write_weights

from .tiny_models import (
    HIDDEN,
    VOCABULARY,
    Architecture,
    Array,
    build_adapter,
    build_base,
    effective,
    plan,
    read_json,
    served,
    write_json,
)

EMBEDDING, HEAD = "model.embed_tokens", "lm_head"
PREFIX = "base_model.model."
INPUT_IDS, OUTPUT_IDS = [3, 7, 500], [7, 11]
SAVED: Mapping[str, Any] = {"modules_to_save": ["embed_tokens", "lm_head"]}


def rows(count: int, seed: int = 9) -> Array:
    return np.random.default_rng(seed).standard_normal((count, HIDDEN)).astype(np.float32)


def trained(base: Path, ids: list[int], seed: int = 9, matrix: str = EMBEDDING) -> Array:
    """A matrix of the base with these rows set."""
    whole = effective(base)[f"{matrix}.weight"].copy()
    whole[ids] = rows(len(ids), seed)
    return whole


def assert_rows(
    weights: Mapping[str, Array], embedding: Array | None = None, head: Array | None = None
) -> None:
    for module, expected in ((EMBEDDING, embedding), (HEAD, head)):
        if expected is not None:
            np.testing.assert_allclose(weights[f"{module}.weight"], expected, atol=2e-6)


def codes(made: WeightPlan) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in made.findings]


@pytest.fixture(params=["llama", "qwen2", "qwen3", "gemma3"])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return request.param  # type: ignore[no-any-return]  # pytest types it as Any


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("merge", [True, False])
def test_saved_embeddings(
    tmp_path: Path, architecture: Architecture, tied: bool, merge: bool
) -> None:
    """modules_to_save copies a matrix: in a tied base too, each matrix gets its own rows."""
    base = build_base(tmp_path / "base", architecture, tied=tied, shards=2)
    embedding, head = trained(base, INPUT_IDS), trained(base, OUTPUT_IDS, 8, HEAD)
    tensors = {f"{PREFIX}{EMBEDDING}.weight": embedding, f"{PREFIX}{HEAD}.weight": head}
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors, **SAVED), merge=merge)
    takes = architecture in ("llama", "qwen3")
    assert made.path == ("merge" if merge else "embedding_lora" if takes else "overlay")
    assert codes(made) == [("D1", "fixable")]
    assert made.trained_ids == set(OUTPUT_IDS)
    assert made.needs_base_rows is (made.path == "overlay")
    assert_rows(served(base, made, tmp_path / "out"), embedding, head)


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_rows_of_half_precision_are_compared_at_that_precision(tmp_path: Path, dtype: str) -> None:
    """A bfloat16 base saved in float32 or bfloat16 has changed where training changed it, not where rounding did."""
    base = build_base(tmp_path / "base", "qwen2", dtype=dtype)
    for raw_dtype in ("F32", "BF16"):
        tensors = {f"{PREFIX}{EMBEDDING}.weight": trained(base, INPUT_IDS)}
        raw = build_adapter(tmp_path / raw_dtype, tensors=tensors, dtype=raw_dtype, **SAVED)
        made = plan(base, raw)
        assert made.base_rows is not None
        assert made.base_rows.matrices["embed_tokens"].ids == tuple(INPUT_IDS)


@pytest.mark.parametrize("name", ["modules_to_save.weight", "modules_to_save.default.weight"])
def test_old_spellings_are_read_and_leftovers_dropped(tmp_path: Path, name: str) -> None:
    base = build_base(tmp_path / "base")
    whole = trained(base, INPUT_IDS)
    tensors = {
        f"{PREFIX}{EMBEDDING}.{name}": whole,
        f"{PREFIX}{EMBEDDING}.original_module.weight": effective(base)[f"{EMBEDDING}.weight"],
    }
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors, modules_to_save=[EMBEDDING]))
    assert made.path == "embedding_lora"
    assert_rows(served(base, made, tmp_path / "out"), whole, effective(base)[f"{HEAD}.weight"])


@pytest.mark.parametrize("tied", [True, False])
def test_saved_embeddings_that_training_left_alone(tmp_path: Path, tied: bool) -> None:
    base = build_base(tmp_path / "base", "qwen2", tied=tied)
    weights = effective(base)
    tensors = {
        f"{PREFIX}{module}.weight": weights[f"{module}.weight"] for module in (EMBEDDING, HEAD)
    }
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors, **SAVED))
    assert made.path == "rewritten"
    assert made.changes == ("copies of the base's own rows left out",)
    assert_rows(
        served(base, made, tmp_path / "out"),
        weights[f"{EMBEDDING}.weight"],
        weights[f"{HEAD}.weight"],
    )
    config = read_json(tmp_path / "out" / "adapter_config.json")
    assert config["modules_to_save"] is None


@pytest.mark.parametrize("tied", [True, False])
def test_trainable_tokens_of_the_embedding_are_the_output_layers_too_where_it_is_tied(
    tmp_path: Path, architecture: Architecture, tied: bool
) -> None:
    base = build_base(tmp_path / "base", architecture, tied=tied)
    tensors = {f"{PREFIX}{EMBEDDING}.token_adapter.trainable_tokens_delta": rows(3)}
    raw = build_adapter(tmp_path / "raw", tensors=tensors, trainable_token_indices=INPUT_IDS)
    made = plan(base, raw)
    assert codes(made) == [("D4", "fixable")]
    assert made.trained_ids == (set(INPUT_IDS) if tied else set())
    whole = trained(base, INPUT_IDS)
    head = whole if tied else effective(base)[f"{HEAD}.weight"]
    assert_rows(served(base, made, tmp_path / "out"), whole, head)


@pytest.mark.parametrize("tied", [True, False])
def test_trainable_tokens_of_both_matrices(
    tmp_path: Path, architecture: Architecture, tied: bool
) -> None:
    base = build_base(tmp_path / "base", architecture, tied=tied)
    tensors = {
        f"{PREFIX}{EMBEDDING}.token_adapter.trainable_tokens_delta": rows(3),
        f"{PREFIX}{HEAD}.token_adapter.trainable_tokens_delta.default": rows(2, 8),
    }
    indices = {"embed_tokens": INPUT_IDS, "lm_head": OUTPUT_IDS}
    raw = build_adapter(tmp_path / "raw", tensors=tensors, trainable_token_indices=indices)
    made = plan(base, raw)
    assert_rows(
        served(base, made, tmp_path / "out"),
        trained(base, INPUT_IDS),
        trained(base, OUTPUT_IDS, 8, HEAD),
    )


def test_trainable_tokens_that_training_left_alone_take_no_rank(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base")
    values = rows(3)
    values[1] = effective(base)[f"{EMBEDDING}.weight"][7]
    tensors = {f"{PREFIX}{EMBEDDING}.token_adapter.trainable_tokens_delta": values}
    raw = build_adapter(tmp_path / "raw", tensors=tensors, trainable_token_indices=INPUT_IDS)
    assert plan(base, raw).changes == ("2 rows (3, 500) of embed_tokens as LoRA of rank 2",)


@pytest.mark.parametrize(
    "indices",
    [None, [3, 7], [3, 7, 7], [3, 7, VOCABULARY], [3, 7, -1], {"lm_head": [3, 7, 9]}, "x"],
)
def test_token_ids_that_do_not_fit_the_rows_are_an_error(tmp_path: Path, indices: object) -> None:
    base = build_base(tmp_path / "base")
    tensors = {f"{PREFIX}{EMBEDDING}.token_adapter.trainable_tokens_delta": rows(3)}
    raw = build_adapter(tmp_path / "raw", tensors=tensors, trainable_token_indices=indices)
    with pytest.raises(CheckpointError, match="3 different ids below 512"):
        plan(base, raw)


def lora(seed: int = 4, scale: float = 0.2, size: int = VOCABULARY) -> tuple[Array, Array]:
    """[rank, vocabulary] and [width, rank], as of an embedding."""
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((4, size)), random.standard_normal((HIDDEN, 4))
    return (scale * a).astype(np.float32), b.astype(np.float32)


def embedding_tensors(a: Array, b: Array) -> dict[str, Array]:
    return {f"{PREFIX}{EMBEDDING}.lora_embedding_A": a, f"{PREFIX}{EMBEDDING}.lora_embedding_B": b}


def head_tensors(a: Array, b: Array) -> dict[str, Array]:
    """The same change of the output layer: the factors the other way round."""
    return {f"{PREFIX}{HEAD}.lora_A.weight": b.T, f"{PREFIX}{HEAD}.lora_B.weight": a.T}


def copies(base: Path, **changed: Array) -> dict[str, Array]:
    weights = effective(base)
    return {
        f"{PREFIX}{EMBEDDING}.base_layer.weight": changed.get(
            "embedding", weights[f"{EMBEDDING}.weight"]
        ),
        f"{PREFIX}{HEAD}.base_layer.weight": changed.get("head", weights[f"{HEAD}.weight"]),
    }


TARGETS: Mapping[str, Any] = {"target_modules": ["q_proj", "down_proj", "embed_tokens", "lm_head"]}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("merge", [True, False])
def test_lora_on_both_embeddings(
    tmp_path: Path, architecture: Architecture, tied: bool, merge: bool
) -> None:
    """ms-swift's recipe. Where the class takes no such LoRA, and few ids were seen in training, they are rows."""
    base = build_base(tmp_path / "base", architecture, tied=tied)
    (a, b), (c, d) = lora(), lora(5)
    unseen = [i for i in range(VOCABULARY) if i not in INPUT_IDS]
    a[:, unseen] = 0
    raw = build_adapter(
        tmp_path / "raw",
        tensors={**embedding_tensors(a, b), **head_tensors(c, d), **copies(base)},
        **TARGETS,
    )
    made = plan(base, raw, merge=merge)
    assert codes(made) == [("D2", "fixable")]
    takes = architecture in ("llama", "qwen3")
    assert made.path == ("merge" if merge else "rewritten" if takes else "overlay")
    assert made.trained_ids == set(range(VOCABULARY))
    weights = effective(base)
    assert_rows(
        served(base, made, tmp_path / "out"),
        weights[f"{EMBEDDING}.weight"] + 2 * (b @ a).T,
        weights[f"{HEAD}.weight"] + 2 * (d @ c).T,
    )


def test_lora_that_changes_the_whole_output_layer_can_only_be_merged_where_the_class_takes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.weights.embedding_lora, "MAX_LISTED_ROWS", 100)
    base = build_base(tmp_path / "base", "qwen2")
    raw = build_adapter(tmp_path / "raw", tensors=head_tensors(*lora()), **TARGETS)
    made = plan(base, raw)
    assert made.path == "refused"
    assert codes(made) == [("D2", "refused")]
    assert "the engine takes no LoRA there" in made.findings[0].action
    assert "--merge" in made.findings[0].action
    assert plan(base, raw, merge=True).path == "merge"


def test_lora_and_changed_rows_of_one_matrix_join(tmp_path: Path) -> None:
    """Trained rows below a LoRA: the LoRA's own change stays as it is, in its own numbers."""
    base = build_base(tmp_path / "base")
    a, b = lora()
    changed = copies(
        base, embedding=trained(base, INPUT_IDS), head=trained(base, OUTPUT_IDS, 8, HEAD)
    )
    configs: list[dict[str, Any]] = [{}, {"use_rslora": True}, {"rank_pattern": {".*tokens": 4}}]
    for at, fields in enumerate(configs):
        raw = build_adapter(
            tmp_path / f"raw{at}",
            tensors={**embedding_tensors(a, b), **changed},
            **TARGETS,
            alpha_pattern={"embed_tokens": 5},
            **fields,
        )
        made = plan(base, raw)
        assert made.path == "embedding_lora"
        assert made.rank == 7
        scaling = 5 / (2 if fields == {"use_rslora": True} else 4)
        assert_rows(
            served(base, made, tmp_path / f"out{at}"),
            trained(base, INPUT_IDS) + scaling * (b @ a).T,
            trained(base, OUTPUT_IDS, 8, HEAD),
        )


def test_lora_and_changed_rows_of_one_matrix_are_rows_together_where_the_class_takes_no_lora(
    tmp_path: Path,
) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    (a, b), (c, d) = lora(), lora(5)
    a[:, 20:] = 0
    c[:, :490] = 0
    embedding, head = trained(base, INPUT_IDS), trained(base, OUTPUT_IDS, 8, HEAD)
    raw = build_adapter(
        tmp_path / "raw",
        tensors={
            **embedding_tensors(a, b),
            **head_tensors(c, d),
            **copies(base, embedding=embedding, head=head),
        },
        **TARGETS,
    )
    made = plan(base, raw)
    assert made.base_rows is not None
    assert made.base_rows.matrices["embed_tokens"].ids == (*range(20), 500)
    assert made.base_rows.matrices["lm_head"].ids == (7, 11, *range(490, 512))
    assert_rows(
        served(base, made, tmp_path / "out"), embedding + 2 * (b @ a).T, head + 2 * (d @ c).T
    )


@pytest.mark.usefixtures("few_rows_are_many")
@pytest.mark.parametrize("merge", [True, False])
def test_trained_tokens_of_a_matrix_that_changed_as_a_whole(tmp_path: Path, merge: bool) -> None:
    """PEFT sets the rows of trainable_token_indices in the matrix it loaded before."""
    base = build_base(tmp_path / "base")
    whole = effective(base)[f"{EMBEDDING}.weight"] + (lora()[1] @ lora()[0]).T
    values = rows(3)
    values[0] = effective(base)[f"{EMBEDDING}.weight"][3]
    tensors = {
        f"{PREFIX}{EMBEDDING}.token_adapter.base_layer.weight": whole,
        f"{PREFIX}{EMBEDDING}.token_adapter.trainable_tokens_delta": values,
    }
    raw = build_adapter(tmp_path / "raw", tensors=tensors, trainable_token_indices=INPUT_IDS)
    made = plan(base, raw, merge=merge, max_rank=8)
    expected = whole.copy()
    expected[INPUT_IDS] = values
    found = served(base, made, tmp_path / "out")[f"{EMBEDDING}.weight"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.usefixtures("few_rows_are_many")
def test_a_whole_matrix_below_a_lora_that_the_class_does_not_take_can_only_be_merged(
    tmp_path: Path,
) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    whole = effective(base)[f"{EMBEDDING}.weight"] + 1
    raw = build_adapter(
        tmp_path / "raw",
        tensors={**embedding_tensors(*lora()), **copies(base, embedding=whole)},
        **TARGETS,
    )
    assert plan(base, raw, max_rank=8).path == "refused"
    found = served(base, plan(base, raw, merge=True), tmp_path / "out")
    a, b = lora()
    assert_rows(found, whole + 2 * (b @ a).T)


def test_an_output_layer_saved_alone_in_a_base_that_names_it_otherwise(tmp_path: Path) -> None:
    """The other matrix' module is named by the base where the adapter has none of it."""
    base = build_base(tmp_path / "base", tied=True)
    name = f"{PREFIX}{HEAD}.base_layer.weight"
    whole = trained(base, INPUT_IDS)
    raw = build_adapter(tmp_path / "raw", tensors={**head_tensors(*lora()), name: whole}, **TARGETS)
    a, b = lora()
    found = served(base, plan(base, raw), tmp_path / "out")
    assert_rows(found, whole, whole + 2 * (b @ a).T)


def test_copies_below_the_lora_of_a_tied_base_are_one_parameter(tmp_path: Path) -> None:
    """PEFT copies `embed_tokens.base_layer.weight` into the parameter that the output layer shares."""
    base = build_base(tmp_path / "base", tied=True)
    whole = trained(base, INPUT_IDS)
    name = f"{PREFIX}{EMBEDDING}.base_layer.weight"
    raw = build_adapter(
        tmp_path / "raw", tensors={**embedding_tensors(*lora(scale=0)), name: whole}, **TARGETS
    )
    assert_rows(served(base, plan(base, raw), tmp_path / "out"), whole, whole)


def test_one_matrix_saved_in_a_tied_base_leaves_the_other(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2", tied=True)
    weights = effective(base)
    tensors = {f"{PREFIX}{HEAD}.weight": trained(base, OUTPUT_IDS, 8, HEAD)}
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors, modules_to_save=["lm_head"]))
    assert_rows(
        served(base, made, tmp_path / "out"),
        weights[f"{EMBEDDING}.weight"],
        trained(base, OUTPUT_IDS, 8, HEAD),
    )


def test_tied_on_purpose_is_both(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2", tied=True)
    whole = trained(base, INPUT_IDS)
    raw = build_adapter(
        tmp_path / "raw",
        tensors={f"{PREFIX}{EMBEDDING}.weight": whole},
        modules_to_save=["embed_tokens"],
        ensure_weight_tying=True,
    )
    assert_rows(served(base, plan(base, raw), tmp_path / "out"), whole, whole)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("merge", [True, False])
def test_a_larger_vocabulary(
    tmp_path: Path, architecture: Architecture, tied: bool, merge: bool
) -> None:
    base = build_base(tmp_path / "base", architecture, tied=tied)
    embedding = np.concatenate([trained(base, [5]), rows(8, 3)])
    head = embedding if tied else np.concatenate([trained(base, [5], 8, HEAD), rows(8, 2)])
    tensors = {f"{PREFIX}{EMBEDDING}.weight": embedding, f"{PREFIX}{HEAD}.weight": head}
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors), merge=merge)
    assert made.path == ("merge" if merge else "overlay")
    assert codes(made) == [("D3", "fixable")]
    assert "520 rows, the base has 512" in made.findings[0].evidence
    assert_rows(served(base, made, tmp_path / "out"), embedding, head)
    where = tmp_path / ("out" if merge else "out.base")
    assert read_json(where / "config.json")["vocab_size"] == 520
    assert read_json(where / "config.json")["tie_word_embeddings"] is tied


def test_a_larger_vocabulary_with_lora_on_it(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base")
    a, b = lora(size=520)
    embedding = np.concatenate([effective(base)[f"{EMBEDDING}.weight"], rows(8, 3)])
    head = np.concatenate([effective(base)[f"{HEAD}.weight"], rows(8, 2)])
    tensors = {**embedding_tensors(a, b), **copies(base, embedding=embedding, head=head)}
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors, **TARGETS))
    assert made.path == "overlay"
    assert codes(made) == [("D2", "fixable"), ("D3", "fixable")]
    assert_rows(served(base, made, tmp_path / "out"), embedding + 2 * (b @ a).T, head)


def test_new_ids_that_only_one_matrix_has_are_refused(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base")
    grown = np.concatenate([effective(base)[f"{EMBEDDING}.weight"], rows(8, 3)])
    made = plan(
        base, build_adapter(tmp_path / "raw", tensors={f"{PREFIX}{EMBEDDING}.weight": grown})
    )
    assert codes(made) == [("D3", "refused")]
    assert "lm_head has no rows for the new ids" in made.findings[0].action


def test_lora_for_more_ids_than_there_are_is_refused(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    tensors = embedding_tensors(*lora(size=520))
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors, **TARGETS))
    assert codes(made) == [("D2", "refused")]
    assert "has a LoRA for 520 ids, the base has 512" in made.findings[0].action


def test_a_vocabulary_without_the_bases_padding_is_the_bases(tmp_path: Path) -> None:
    """resize_token_embeddings(len(tokenizer)) cuts the padding rows off; the engine wants a LoRA for all ids."""
    base = build_base(tmp_path / "base")
    a, b = lora(size=500)
    c, d = lora(5, size=500)
    weights = effective(base)
    tensors = {
        **embedding_tensors(a, b),
        **head_tensors(c, d),
        **copies(
            base,
            embedding=weights[f"{EMBEDDING}.weight"][:500],
            head=weights[f"{HEAD}.weight"][:500],
        ),
    }
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors, **TARGETS))
    assert made.path == "rewritten"
    padding = np.zeros((12, HIDDEN), dtype=np.float32)
    assert_rows(
        served(base, made, tmp_path / "out"),
        weights[f"{EMBEDDING}.weight"] + np.concatenate([2 * (b @ a).T, padding]),
        weights[f"{HEAD}.weight"] + np.concatenate([2 * (d @ c).T, padding]),
    )


@pytest.fixture
def few_rows_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters.weights.token_rows, "MAX_LISTED_ROWS", 1)


@pytest.mark.usefixtures("few_rows_are_many")
@pytest.mark.parametrize("tied", [True, False])
def test_a_matrix_trained_as_a_whole(
    tmp_path: Path, architecture: Architecture, tied: bool
) -> None:
    base = build_base(tmp_path / "base", architecture, tied=tied)
    head = effective(base)[f"{HEAD}.weight"] + (lora()[1] @ lora()[0]).T
    raw = build_adapter(tmp_path / "raw", tensors={f"{PREFIX}{HEAD}.weight": head}, **SAVED)
    refused = plan(base, raw)
    takes = architecture in ("llama", "qwen3")
    assert codes(refused) == [("D1", "refused")]
    assert "512 rows of lm_head changed, which is the whole matrix" in refused.findings[0].action
    assert "--merge" in refused.findings[0].action
    assert ("--max-rank" in refused.findings[0].action) is takes
    merged = plan(base, raw, merge=True)
    embedding = effective(base)[f"{EMBEDDING}.weight"]
    assert_rows(served(base, merged, tmp_path / "out"), embedding, head)
    approximated = plan(base, raw, max_rank=4)
    assert approximated.path == ("embedding_lora" if takes else "refused")
    if takes:
        # The change has rank 4: the best approximation is the change.
        found = served(base, approximated, tmp_path / "approximated")
        np.testing.assert_allclose(found[f"{HEAD}.weight"], head, atol=1e-4)


@pytest.mark.usefixtures("few_rows_are_many")
@pytest.mark.parametrize("matrix", [EMBEDDING, HEAD])
def test_an_approximation_says_what_it_misses(tmp_path: Path, matrix: str) -> None:
    base = build_base(tmp_path / "base")
    original = effective(base)[f"{matrix}.weight"]
    change = rows(VOCABULARY) * np.geomspace(1, 0.01, HIDDEN, dtype=np.float32)
    tensors = {f"{PREFIX}{matrix}.weight": original + change}
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors, **SAVED), max_rank=8)
    found = served(base, made, tmp_path / "out")[f"{matrix}.weight"] - original
    values = np.linalg.svd(change, compute_uv=False)
    best = float(np.sqrt((values[8:] ** 2).sum() / (values**2).sum()))
    missed = float(np.linalg.norm(found - change) / np.linalg.norm(change))
    assert missed == pytest.approx(best, rel=1e-3)
    assert f"LoRA of rank 8, missing {best:.2%} of the change" in made.changes[0]
    assert f"at most {np.abs(found - change).max():.2g} in one number" in made.changes[0]


def test_rows_that_need_more_rank_than_there_is_go_into_the_base(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", vocabulary=600)
    whole = rows(600)
    tensors = {f"{PREFIX}{EMBEDDING}.weight": whole}
    made = plan(base, build_adapter(tmp_path / "raw", tensors=tensors, **SAVED))
    assert made.path == "overlay"
    assert_rows(served(base, made, tmp_path / "out"), whole)


@pytest.mark.parametrize("merge", [True, False])
def test_a_class_that_ties_for_good_cannot_have_two_matrices(tmp_path: Path, merge: bool) -> None:
    base = build_base(tmp_path / "base", "gemma3", tied=True)
    config = read_json(base / "config.json")
    write_json(base / "config.json", {**config, "architectures": ["Gemma2ForCausalLM"]})
    tensors = {f"{PREFIX}{EMBEDDING}.weight": trained(base, INPUT_IDS)}
    raw = build_adapter(tmp_path / "raw", tensors=tensors, **SAVED)
    made = plan(base, raw, merge=merge)
    assert codes(made) == [("D1", "refused")]
    assert "ties the two matrices" in made.findings[0].action
    tokens = {f"{PREFIX}{EMBEDDING}.token_adapter.trainable_tokens_delta": rows(3)}
    both = build_adapter(tmp_path / "both", tensors=tokens, trainable_token_indices=INPUT_IDS)
    made = plan(base, both, merge=merge)
    whole = trained(base, INPUT_IDS)
    assert_rows(served(base, made, tmp_path / "out"), whole, whole)


@pytest.mark.parametrize("kind", ["saved", "tokens", "lora"])
def test_without_the_bases_weights_rows_cannot_be_compared(tmp_path: Path, kind: str) -> None:
    base = build_base(tmp_path / "base", "qwen2", weights=False)
    tensors: dict[str, Array] = {
        "saved": {f"{PREFIX}{EMBEDDING}.weight": rows(VOCABULARY)},
        "tokens": {f"{PREFIX}{EMBEDDING}.token_adapter.trainable_tokens_delta": rows(3)},
        "lora": embedding_tensors(*lora()),
    }[kind]
    raw = build_adapter(tmp_path / "raw", tensors=tensors, trainable_token_indices=INPUT_IDS)
    made = plan(base, raw)
    assert made.path == "refused"
    assert "--base with weights" in made.findings[0].action
    assert made.base_weights is None


def test_lora_that_the_class_takes_needs_no_weights(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "llama", weights=False)
    raw = build_adapter(tmp_path / "raw", tensors=embedding_tensors(*lora()), **TARGETS)
    assert plan(base, raw).path == "as_is"


def test_a_vocabulary_larger_than_the_engine_takes_gets_no_lora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.weights.embedding_lora, "MAX_VOCABULARY", 511)
    base = build_base(tmp_path / "base", "llama")
    raw = build_adapter(tmp_path / "raw", tensors=embedding_tensors(*lora()), **TARGETS)
    assert plan(base, raw).path == "overlay"


@pytest.mark.parametrize("dtype", ["F32", "I32"])
def test_rows_of_another_width_or_kind_are_an_error(tmp_path: Path, dtype: str) -> None:
    base = build_base(tmp_path / "base", "llama")
    values = np.zeros((VOCABULARY, HIDDEN - 1), dtype=np.float32)
    raw = build_adapter(tmp_path / "raw", tensors={f"{PREFIX}{EMBEDDING}.weight": values}, **SAVED)
    if dtype == "I32":
        path = raw / "adapter_model.safetensors"
        path.write_bytes(path.read_bytes().replace(b"F32", b"I32"))
    with pytest.raises(CheckpointError, match="the base's has rows of 64"):
        plan(base, raw)


def test_quantised_rows_of_the_base_are_an_error(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "llama")
    path = base / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b"F32", b"U32"))
    tensors = {f"{PREFIX}{EMBEDDING}.weight": rows(VOCABULARY)}
    with pytest.raises(ModelFilesError, match="quantised"):
        plan(base, build_adapter(tmp_path / "raw", tensors=tensors, **SAVED))


@pytest.mark.parametrize("kind", ["plain", "lora", "overlay"])
def test_a_converted_adapter_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    base = build_base(tmp_path / "base", "qwen2" if kind == "overlay" else "llama")
    tensors = (
        {} if kind == "plain" else {f"{PREFIX}{HEAD}.weight": trained(base, OUTPUT_IDS, 8, HEAD)}
    )
    made = plan(
        base, build_adapter(tmp_path / "raw", tensors=tensors, **(SAVED if tensors else {}))
    )
    served(base, made, tmp_path / "out")
    again = plan(base, tmp_path / "out")
    assert again.path == ("overlay" if kind == "overlay" else "as_is")
    assert not again.findings
    assert not again.changes
    assert again.trained_ids == made.trained_ids
    (tmp_path / "again").mkdir()
    write_weights(again, tmp_path / "again")
    for file in (tmp_path / "out").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("fields", "targets"),
    [
        ({"target_modules": ["q_proj"]}, ["q_proj", "embed_tokens"]),
        ({"target_modules": r".*\.1\..*q_proj"}, None),
        ({"target_modules": ["q_proj"], "layers_to_transform": [0, 1]}, None),
        ({"target_modules": ["q_proj"], "exclude_modules": ["embed_tokens"]}, None),
    ],
)
def test_the_config_targets_what_has_a_lora(
    tmp_path: Path, fields: dict[str, Any], targets: list[str] | None
) -> None:
    """A pattern or a choice of layers would leave the embedding out; names in full do not."""
    base = build_base(tmp_path / "base")
    tensors = {f"{PREFIX}{EMBEDDING}.weight": trained(base, INPUT_IDS)}
    raw = build_adapter(tmp_path / "raw", targets=("q_proj",), tensors=tensors, **SAVED)
    write_json(raw / "adapter_config.json", {**read_json(raw / "adapter_config.json"), **fields})
    served(base, plan(base, raw), tmp_path / "out")
    config = read_json(tmp_path / "out" / "adapter_config.json")
    layers = [f"model.layers.{layer}.self_attn.q_proj" for layer in (0, 1)]
    assert config["target_modules"] == (targets or [EMBEDDING, *layers])
    assert not config.get("layers_to_transform")
    assert not config.get("exclude_modules")
