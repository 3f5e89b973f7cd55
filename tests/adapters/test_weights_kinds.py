"""Kinds of LoRA the engine does not know: plain LoRA where that is exact, a merge, or a refusal that says what to do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adapters.weights.adapter_kinds
from adapters.checkpoint import read_checkpoint
from adapters.errors import CheckpointError
from adapters.weights.lora_tensors import read_lora
from adapters.weights.stored_tensor import load
from adapters.weights.weight_plan import write_weights

from .tiny_models import (
    HIDDEN,
    LAYERS,
    PROJECTIONS,
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

PREFIX = "base_model.model."
Q, DOWN = "model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"
Q_OUT = PROJECTIONS["self_attn.q_proj"][0]


def tensors_of(adapter: Path) -> dict[str, Array]:
    """The adapter's tensors by their names without prefix."""
    found = read_lora(read_checkpoint(adapter))
    return {f"{key.module}.{key.part}": load(t) for key, t in found.tensors.items()}


def change(adapter: Path, module: str, scaling: float = 2.0) -> Array:
    """B @ A times the scaling, [out, in]."""
    tensors = tensors_of(adapter)
    made: Array = scaling * (tensors[f"{module}.lora_B"] @ tensors[f"{module}.lora_A"])
    return made


def codes(made: Any) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in made.findings]


def assert_weight(
    weights: Mapping[str, Array], module: str, expected: Array, atol: float = 1e-5
) -> None:
    np.testing.assert_allclose(weights[f"{module}.weight"], expected, atol=atol)


def numbers(*shape: int, seed: int = 2) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_16", "olora", "corda"])
def test_the_initial_adapter_is_subtracted(tmp_path: Path, init: str) -> None:
    base = build_base(tmp_path / "base", weights=init != "pissa")
    raw = build_adapter(tmp_path / "raw", init_lora_weights=init, use_rslora=init == "olora")
    start = {
        f"{PREFIX}{name.removesuffix('.lora_A')}.lora_A.weight": numbers(*tensor.shape)
        for name, tensor in tensors_of(raw).items()
        if name.endswith("lora_A")
    }
    initial = build_adapter(tmp_path / "initial", tensors=start, lora_alpha=4)
    made = plan(base, raw, initial_adapter=initial)
    assert made.path == "rewritten"
    assert codes(made) == [("D6", "fixable")]
    assert made.rank == 8
    (tmp_path / "out").mkdir()
    write_weights(made, tmp_path / "out")
    config = read_json(tmp_path / "out" / "adapter_config.json")
    assert config["init_lora_weights"] is True
    if init != "pissa":
        scaling = 4.0 if init == "olora" else 2.0
        expected = effective(base)[f"{Q}.weight"] + change(raw, Q, scaling)
        assert_weight(effective(base, tmp_path / "out"), Q, expected - change(initial, Q, 1.0))


@pytest.mark.parametrize("init", ["pissa", "olora", "PiSSA"])
@pytest.mark.parametrize("module", [Q, DOWN])
def test_what_the_init_took_out_is_computed_from_the_base(
    tmp_path: Path, init: str, module: str
) -> None:
    """The reference is PEFT's own algebra: a full SVD or QR of the weight, cut to the rank."""
    base = build_base(tmp_path / "base")
    raw = build_adapter(tmp_path / "raw", init_lora_weights=init)
    weight = effective(base)[f"{module}.weight"].astype(np.float64)
    if init == "olora":
        q, r = np.linalg.qr(weight)
        taken = 2.0 * q[:, :4] @ r[:4]
    else:
        u, s, v = np.linalg.svd(weight, full_matrices=False)
        taken = (u[:, :4] * s[:4]) @ v[:4]
    found = served(base, plan(base, raw), tmp_path / "out")
    assert_weight(found, module, weight - taken + change(raw, module), atol=1e-4)


@pytest.mark.parametrize(
    ("init", "weights", "says"),
    [
        (
            "pissa",
            False,
            "--initial-adapter DIR, the adapter as it was before training; or a --base",
        ),
        ("pissa_niter_4", True, "--initial-adapter DIR, the adapter as it was before training"),
        ("corda", True, "--initial-adapter"),
        ("loftq", True, "belongs to its quantised base"),
    ],
)
def test_inits_that_cannot_be_undone_say_what_is_needed(
    tmp_path: Path, init: str, weights: bool, says: str
) -> None:
    base = build_base(tmp_path / "base", weights=weights)
    made = plan(base, build_adapter(tmp_path / "raw", init_lora_weights=init))
    assert codes(made) == [("D6", "refused")]
    assert says in made.findings[0].action


@pytest.mark.parametrize("init", [True, False, "gaussian", "eva", "orthogonal"])
def test_inits_that_leave_the_base_alone_stay(tmp_path: Path, init: object) -> None:
    base = build_base(tmp_path / "base")
    assert plan(base, build_adapter(tmp_path / "raw", init_lora_weights=init)).path == "as_is"


def test_an_initial_adapter_of_another_shape_is_an_error(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base")
    raw = build_adapter(tmp_path / "raw", init_lora_weights="corda")
    initial = build_adapter(tmp_path / "initial", targets=("k_proj",))
    with pytest.raises(CheckpointError, match="give the adapter's own start"):
        plan(base, raw, initial_adapter=initial)


def test_a_quantised_base_has_no_part_to_compute(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base")
    raw = build_adapter(tmp_path / "raw", init_lora_weights="olora")
    path = base / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b"F32", b"U32"))
    with pytest.raises(CheckpointError, match="no plain weight"):
        plan(base, raw)


@pytest.mark.parametrize("feature", ["use_dora", "layer_replication"])
def test_what_only_a_merge_removes_says_so(tmp_path: Path, feature: str) -> None:
    base = build_base(tmp_path / "base")
    fields: dict[str, Any] = {feature: True if feature == "use_dora" else [[0, 2]]}
    made = plan(base, build_adapter(tmp_path / "raw", **fields))
    assert made.path == "refused"
    assert codes(made) == [("D6", "refused")]
    assert f"{feature} = " in made.findings[0].evidence
    assert "--merge" in made.findings[0].action


@pytest.mark.parametrize("feature", ["alora_invocation_tokens", "kasa_config", "arrow_config"])
def test_what_is_no_change_of_weights_is_refused(tmp_path: Path, feature: str) -> None:
    base = build_base(tmp_path / "base")
    fields: dict[str, Any] = {feature: [1, 2]}
    raw = build_adapter(tmp_path / "raw", **fields)
    for merge in (False, True):
        made = plan(base, raw, merge=merge)
        assert made.path == "refused"
        assert "train again without it" in made.findings[0].action


def test_block_diagonal_factors_are_written_out(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base")
    a, b = numbers(4, HIDDEN), numbers(Q_OUT, 2)
    tensors = {f"{PREFIX}{Q}.lora_A.weight": a, f"{PREFIX}{Q}.lora_B.weight": b}
    blocks = {"nblocks": 2, "target_modules_bd_a": [], "target_modules_bd_b": ["q_proj"]}
    raw = build_adapter(tmp_path / "raw", targets=(), tensors=tensors, use_bdlora=blocks)
    whole = np.zeros((Q_OUT, 4), dtype=np.float32)
    whole[: Q_OUT // 2, :2], whole[Q_OUT // 2 :, 2:] = b[: Q_OUT // 2], b[Q_OUT // 2 :]
    expected = effective(base)[f"{Q}.weight"] + 2 * whole @ a
    assert_weight(served(base, plan(base, raw), tmp_path / "out"), Q, expected)


def test_group_pooled_factors_are_written_out(tmp_path: Path) -> None:
    """QALoRA's input is the mean of each group of features, times the number of groups."""
    base = build_base(tmp_path / "base")
    a, b = numbers(4, HIDDEN // 16), numbers(Q_OUT, 4)
    tensors = {f"{PREFIX}{Q}.lora_A.weight": a, f"{PREFIX}{Q}.lora_B.weight": b}
    raw = build_adapter(
        tmp_path / "raw", targets=(), tensors=tensors, use_qalora=True, qalora_group_size=16
    )
    found = served(base, plan(base, raw), tmp_path / "out")[f"{Q}.weight"]
    x = numbers(HIDDEN, seed=3)
    pooled = x.reshape(-1, 16).mean(axis=1) * (HIDDEN // 16)
    expected = effective(base)[f"{Q}.weight"] @ x + 2 * b @ (a @ pooled)
    np.testing.assert_allclose(found @ x, expected, atol=1e-4)


@pytest.mark.parametrize("rank_pattern", [None, {"q_proj": 600}])
def test_factors_of_more_rank_than_their_product_are_reduced(
    tmp_path: Path, rank_pattern: dict[str, int] | None
) -> None:
    base = build_base(tmp_path / "base")
    rank = 600 if rank_pattern is None else 4
    tensors = {f"{PREFIX}{Q}.lora_A.weight": numbers(600, HIDDEN)}
    tensors[f"{PREFIX}{Q}.lora_B.weight"] = numbers(Q_OUT, 600, seed=3) / np.float32(600)
    raw = build_adapter(
        tmp_path / "raw",
        targets=() if rank_pattern is None else ("k_proj",),
        rank=rank,
        tensors=tensors,
        rank_pattern=rank_pattern,
    )
    made = plan(base, raw)
    assert made.path == "rewritten"
    assert made.rank <= HIDDEN
    assert "their true rank" in made.changes[0]
    alpha = 2 * rank / 600
    expected = effective(base)[f"{Q}.weight"] + change(raw, Q, alpha)
    assert_weight(served(base, made, tmp_path / "out"), Q, expected)


def test_factors_of_true_rank_over_the_engines_are_cut_or_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.weights.adapter_kinds, "MAX_RANK", 8)
    base = build_base(tmp_path / "base")
    raw = build_adapter(tmp_path / "raw", rank=16)
    refused = plan(base, raw)
    assert codes(refused) == [("D6", "refused")]
    assert "r = 16, the engine takes 8" in refused.findings[0].evidence
    assert plan(base, raw, merge=True).path == "merge"
    made = plan(base, raw, max_rank=4)
    assert made.rank == 4
    values = np.linalg.svd(change(raw, Q), compute_uv=False)
    missed = float(np.sqrt((values[4:] ** 2).sum() / (values**2).sum()))
    found = served(base, made, tmp_path / "out")[f"{Q}.weight"] - effective(base)[f"{Q}.weight"]
    distance = np.linalg.norm(found - change(raw, Q)) / np.linalg.norm(change(raw, Q))
    assert distance == pytest.approx(missed, rel=1e-3)
    assert "which misses up to" in made.changes[0]


def test_an_output_layer_too_large_for_its_true_rank_is_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.weights.adapter_kinds, "MAX_FACTOR", 1000)
    base = build_base(tmp_path / "base")
    tensors = {f"{PREFIX}{Q}.lora_A.weight": numbers(600, HIDDEN)}
    tensors[f"{PREFIX}{Q}.lora_B.weight"] = numbers(Q_OUT, 600)
    raw = build_adapter(tmp_path / "raw", targets=(), rank=600, tensors=tensors)
    assert codes(plan(base, raw)) == [("D6", "refused")]


@pytest.mark.parametrize("mode", ["all", "lora_only"])
def test_biases_that_are_the_bases_are_left_out(tmp_path: Path, mode: str) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    weights = effective(base)
    name = f"{Q}.base_layer.bias" if mode == "lora_only" else f"{DOWN}.bias"
    bias = weights[f"{Q}.bias"] if mode == "lora_only" else np.zeros(HIDDEN, dtype=np.float32)
    raw = build_adapter(tmp_path / "raw", tensors={f"{PREFIX}{name}": bias}, bias=mode)
    made = plan(base, raw)
    assert made.path == "rewritten"
    assert_weight(served(base, made, tmp_path / "out"), Q, weights[f"{Q}.weight"] + change(raw, Q))
    assert read_json(tmp_path / "out" / "adapter_config.json")["bias"] == "none"


def test_a_bias_that_was_trained_is_merged_where_the_base_has_one(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    bias = numbers(Q_OUT)
    raw = build_adapter(
        tmp_path / "raw", tensors={f"{PREFIX}{Q}.base_layer.bias": bias}, bias="lora_only"
    )
    assert codes(plan(base, raw)) == [("D6", "refused")]
    found = served(base, plan(base, raw, merge=True), tmp_path / "out")
    np.testing.assert_array_equal(found[f"{Q}.bias"], bias)


@pytest.mark.parametrize("merge", [True, False])
def test_a_bias_the_base_has_no_place_for_is_refused(tmp_path: Path, merge: bool) -> None:
    base = build_base(tmp_path / "base", "llama")
    tensors = {f"{PREFIX}{Q}.base_layer.bias": numbers(Q_OUT)}
    made = plan(
        base, build_adapter(tmp_path / "raw", tensors=tensors, bias="lora_only"), merge=merge
    )
    assert made.path == "refused"
    assert "the base has no bias" in made.findings[0].action


@pytest.mark.parametrize("part", ["bias", "lora_bias", "norm"])
def test_whole_parts_cannot_be_compared_without_the_bases_weights(
    tmp_path: Path, part: str
) -> None:
    base = build_base(tmp_path / "base", "qwen2", weights=False)
    name = {
        "bias": f"{Q}.base_layer.bias",
        "lora_bias": f"{Q}.lora_B.bias",
        "norm": "model.norm.weight",
    }[part]
    size = HIDDEN if part == "norm" else Q_OUT
    raw = build_adapter(tmp_path / "raw", tensors={f"{PREFIX}{name}": numbers(size)})
    made = plan(base, raw)
    assert made.path == "refused"
    assert "--base with weights" in made.findings[0].action


def test_lora_biases(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    name = f"{PREFIX}{Q}.lora_B.bias"
    zero = {name: np.zeros(Q_OUT, dtype=np.float32)}
    dropped = plan(base, build_adapter(tmp_path / "zero", tensors=zero, lora_bias=True))
    assert dropped.path == "rewritten"
    raw = build_adapter(tmp_path / "raw", tensors={name: numbers(Q_OUT)}, lora_bias=True)
    assert codes(plan(base, raw)) == [("D6", "refused")]
    found = served(base, plan(base, raw, merge=True), tmp_path / "out")
    expected = effective(base)[f"{Q}.bias"] + 2 * numbers(Q_OUT)
    np.testing.assert_allclose(found[f"{Q}.bias"], expected, atol=1e-6)


def test_modules_saved_beside_the_lora(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    norm = effective(base)["model.norm.weight"]
    name = f"{PREFIX}model.norm.weight"
    same = build_adapter(tmp_path / "same", tensors={name: norm}, modules_to_save=["norm"])
    made = plan(base, same)
    assert made.path == "rewritten"
    served(base, made, tmp_path / "out")
    assert read_json(tmp_path / "out" / "adapter_config.json")["modules_to_save"] is None
    raw = build_adapter(tmp_path / "raw", tensors={name: norm + 1}, modules_to_save=["norm"])
    assert codes(plan(base, raw)) == [("D1", "refused")]
    found = served(base, plan(base, raw, merge=True), tmp_path / "merged")
    np.testing.assert_array_equal(found["model.norm.weight"], norm + 1)
    head = {f"{PREFIX}score.weight": numbers(2, HIDDEN)}
    made = plan(base, build_adapter(tmp_path / "score", tensors=head, modules_to_save=["score"]))
    assert made.path == "refused"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("base_model.model.", "base_model.model._fsdp_wrapped_module."),
        ("base_model.model.model.", "base_model.model._orig_mod.model."),
        (".lora_A.weight", ".lora_A.default.weight"),
        ("base_model.model.", ""),
    ],
)
def test_names_that_wrappers_left_are_mended(tmp_path: Path, old: str, new: str) -> None:
    base = build_base(tmp_path / "base")
    good = build_adapter(tmp_path / "good")
    names = {
        f"{PREFIX}{name.removesuffix(name[-7:])}.{name[-6:]}.weight": tensor
        for name, tensor in tensors_of(good).items()
    }
    renamed = {name.replace(old, new): tensor for name, tensor in names.items()}
    raw = build_adapter(tmp_path / "raw", targets=(), tensors=renamed)
    write_json(raw / "adapter_config.json", read_json(good / "adapter_config.json"))
    made = plan(base, raw)
    assert made.path == "rewritten"
    assert made.changes == ("tensors named as PEFT names them today",)
    assert_weight(
        served(base, made, tmp_path / "out"), Q, effective(base, good)[f"{Q}.weight"], atol=0
    )


def test_a_config_without_its_kind_gets_it(tmp_path: Path) -> None:
    """torchtune's early versions leave peft_type out: vLLM loads such an adapter, PEFT does not."""
    base = build_base(tmp_path / "base")
    raw = build_adapter(tmp_path / "raw")
    config = read_json(raw / "adapter_config.json")
    del config["peft_type"]
    write_json(raw / "adapter_config.json", config)
    served(base, plan(base, raw), tmp_path / "out")
    assert read_json(tmp_path / "out" / "adapter_config.json")["peft_type"] == "LORA"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"lora_alpha": None}, "lora_alpha must be a number"),
        ({"lora_alpha": 1e300}, "lora_alpha must be a number"),
        ({"alpha_pattern": ["x"]}, "must map modules"),
        ({"alpha_pattern": {"x": "4"}}, "must have a number"),
        ({"rank_pattern": {"(a+)+$": 4}}, "too complicated"),
        ({"alpha_pattern": {".*.*.*.*": 4}}, "too complicated"),
        ({"alpha_pattern": {"a" * 400: 4}}, "too complicated"),
        ({"alpha_pattern": {"[": 4}}, "is no pattern"),
    ],
)
def test_configs_that_are_no_lora_are_an_error(
    tmp_path: Path, fields: dict[str, Any], says: str
) -> None:
    base = build_base(tmp_path / "base")
    with pytest.raises(CheckpointError, match=says):
        plan(base, build_adapter(tmp_path / "raw", **fields))


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
@pytest.mark.parametrize("shards", [1, 3])
def test_replicated_layers_are_merged(
    tmp_path: Path, architecture: Architecture, shards: int
) -> None:
    base = build_base(tmp_path / "base", architecture, shards=shards)
    (base / "tokenizer.json").write_text("{}")
    (base / "pytorch_model.bin").write_bytes(b"other weights")
    a, b = numbers(4, HIDDEN), numbers(Q_OUT, 4)
    module = "model.layers.2.self_attn.q_proj"
    tensors = {f"{PREFIX}{module}.lora_A.weight": a, f"{PREFIX}{module}.lora_B.weight": b}
    raw = build_adapter(tmp_path / "raw", tensors=tensors, layer_replication=[[0, 2], [1, 2]])
    found = served(base, plan(base, raw, merge=True), tmp_path / "out")
    weights = effective(base)
    expected = weights["model.layers.1.self_attn.q_proj.weight"]
    assert_weight(found, module, expected + 2 * b @ a)
    assert_weight(
        found, "model.layers.1.self_attn.k_proj", weights["model.layers.1.self_attn.k_proj.weight"]
    )
    config = read_json(tmp_path / "out" / "config.json")
    assert config["num_hidden_layers"] == LAYERS + 1
    if architecture == "gemma3":
        assert config["layer_types"] == ["sliding_attention", "full_attention", "full_attention"]
    assert (tmp_path / "out" / "tokenizer.json").is_file()
    assert not (tmp_path / "out" / "pytorch_model.bin").exists()
    if shards > 1:
        index = read_json(tmp_path / "out" / "model.safetensors.index.json")["weight_map"]
        assert set(index) == set(found)


@pytest.mark.parametrize("tied", [True, False])
def test_dora_is_merged(tmp_path: Path, tied: bool) -> None:
    """Each output of W + s B A is scaled to the magnitude that was trained; an embedding's outputs are its columns."""
    base = build_base(tmp_path / "base", "qwen2", tied=tied)
    weights = effective(base)
    magnitudes = {Q: np.abs(numbers(Q_OUT)), "lm_head": np.abs(numbers(512))}
    columns = np.abs(numbers(HIDDEN))
    embedding_a, embedding_b = numbers(4, 512), numbers(HIDDEN, 4)
    tensors = {
        f"{PREFIX}lm_head.lora_A.weight": numbers(4, HIDDEN),
        f"{PREFIX}lm_head.lora_B.weight": numbers(512, 4),
        f"{PREFIX}model.embed_tokens.lora_embedding_A": embedding_a,
        f"{PREFIX}model.embed_tokens.lora_embedding_B": embedding_b,
        f"{PREFIX}model.embed_tokens.lora_magnitude_vector": columns,
        **{f"{PREFIX}{m}.lora_magnitude_vector": value for m, value in magnitudes.items()},
    }
    raw = build_adapter(tmp_path / "raw", tensors=tensors, use_dora=True)
    made = plan(base, raw, merge=True)
    assert made.path == "merge"
    found = served(base, made, tmp_path / "out")
    for module, magnitude in magnitudes.items():
        whole = weights[f"{module}.weight"] + change(raw, module)
        whole *= (magnitude / np.linalg.norm(whole, axis=1))[:, None]
        assert_weight(found, module, whole)
    whole = weights["model.embed_tokens.weight"] + 2 * (embedding_b @ embedding_a).T
    whole *= columns / np.linalg.norm(whole, axis=0)
    assert_weight(found, "model.embed_tokens", whole)
    assert read_json(tmp_path / "out" / "config.json")["tie_word_embeddings"] is False


def test_a_tied_model_stays_tied_where_nothing_parts_its_matrices(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2", tied=True, dtype="BF16")
    raw = build_adapter(tmp_path / "raw")
    found = served(base, plan(base, raw, merge=True), tmp_path / "out")
    assert read_json(tmp_path / "out" / "config.json")["tie_word_embeddings"] is True
    expected = effective(base)[f"{Q}.weight"] + change(raw, Q)
    np.testing.assert_allclose(found[f"{Q}.weight"], expected, rtol=2**-8)


@pytest.mark.parametrize("why", ["weights", "quantised", "experts", "transposed"])
def test_a_merge_that_is_not_possible_says_why(tmp_path: Path, why: str) -> None:
    base = build_base(tmp_path / "base", "qwen2", weights=why != "weights")
    tensors: dict[str, Array] = {}
    if why == "experts":
        module = f"{PREFIX}model.layers.0.mlp.experts.base_layer"
        tensors = {
            f"{module}.lora_A.weight": numbers(4, HIDDEN),
            f"{module}.lora_B.weight": numbers(6, 4),
        }
    if why == "quantised":
        path = base / "model.safetensors"
        path.write_bytes(path.read_bytes().replace(b"F32", b"U32"))
    raw = build_adapter(
        tmp_path / "raw", tensors=tensors, use_dora=True, fan_in_fan_out=why == "transposed"
    )
    made = plan(base, raw, merge=True)
    assert made.path == "refused"
    says = {
        "weights": "give a --base with weights",
        "quantised": "unquantised base",
        "experts": "merge it with PEFT",
        "transposed": "merge it with PEFT",
    }[why]
    assert any(says in finding.action for finding in made.findings)
    with pytest.raises(ValueError, match="refused"):
        write_weights(made, tmp_path)
