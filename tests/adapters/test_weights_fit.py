"""Adapters of another base, damaged ones and misnamed ones: refused, where vLLM would serve the base without a word."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.base_files import read_base_files
from adapters.checkpoint import read_checkpoint
from adapters.finding import Finding
from adapters.weights.base_fit import check_fits

from .tiny_models import (
    HEAD_DIM,
    HIDDEN,
    INTERMEDIATE,
    Array,
    build_adapter,
    build_base,
    read_json,
    write_json,
)

PREFIX = "base_model.model."


def fits(base: Path, adapter: Path) -> list[Finding]:
    return check_fits(read_checkpoint(adapter), read_base_files(base))


def pair(module: str, out: int, width: int, rank: int = 4) -> dict[str, Array]:
    return {
        f"{PREFIX}{module}.lora_A.weight": np.ones((rank, width), dtype=np.float32),
        f"{PREFIX}{module}.lora_B.weight": np.ones((out, rank), dtype=np.float32),
    }


@pytest.fixture(params=[True, False], ids=["weights", "config"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """With weights names come from their headers, without from config.json."""
    return build_base(tmp_path / "base", "qwen2", weights=request.param)


def test_an_adapter_of_this_base_fits(base: Path, tmp_path: Path) -> None:
    everything = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert fits(base, build_adapter(tmp_path / "raw", targets=everything)) == []


@pytest.mark.parametrize(
    "module",
    [
        "layers.0.self_attn.q_proj",
        "transformer.layers.0.self_attn.q_proj",
        "model.layers.7.self_attn.q_proj",
        "model.decoder.layers.0.self_attn.q_proj",
    ],
)
def test_modules_the_base_does_not_have_are_refused(
    base: Path, tmp_path: Path, module: str
) -> None:
    raw = build_adapter(tmp_path / "raw", tensors=pair(module, HIDDEN, HIDDEN))
    (found,) = fits(base, raw)
    assert (found.code, found.severity) == ("D7", "refused")
    assert module in found.evidence
    assert "Qwen2ForCausalLM does not have" in found.evidence
    assert "serves the base without a word" in found.plain_vllm


def test_many_strangers_are_named_by_a_few(base: Path, tmp_path: Path) -> None:
    tensors: dict[str, Array] = {}
    for layer in range(5):
        tensors |= pair(f"layers.{layer}.self_attn.q_proj", 4, 4)
    (found,) = fits(base, build_adapter(tmp_path / "raw", tensors=tensors))
    assert "and 2 more" in found.evidence


@pytest.mark.parametrize(
    ("module", "out", "width"),
    [
        ("model.layers.0.self_attn.k_proj", HEAD_DIM, HIDDEN + 8),
        ("model.layers.0.self_attn.o_proj", HIDDEN + 8, 2 * HEAD_DIM),
        ("model.layers.0.mlp.up_proj", INTERMEDIATE + 8, HIDDEN),
        ("model.layers.0.mlp.down_proj", HIDDEN, INTERMEDIATE + 8),
        ("lm_head", 512, HIDDEN + 8),
    ],
)
def test_wrong_shapes_are_refused(
    base: Path, tmp_path: Path, module: str, out: int, width: int
) -> None:
    (found,) = fits(base, build_adapter(tmp_path / "raw", tensors=pair(module, out, width)))
    assert f"{module}: LoRA for [{out}, {width}]" in found.evidence
    assert "check that this is the base" in found.action


def test_only_weights_know_how_many_heads_there_are(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "qwen2")
    tensors = pair("model.layers.0.self_attn.k_proj", HEAD_DIM + 8, HIDDEN)
    assert len(fits(base, build_adapter(tmp_path / "raw", tensors=tensors))) == 1


@pytest.mark.parametrize("field", [{"r": 8}, {"rank_pattern": {"q_proj": 2}}])
def test_another_rank_than_the_configs_is_refused(
    base: Path, tmp_path: Path, field: dict[str, Any]
) -> None:
    (found,) = fits(base, build_adapter(tmp_path / "raw", **field))
    assert "gives rank" in found.evidence


def test_half_a_lora_is_refused(base: Path, tmp_path: Path) -> None:
    name = f"{PREFIX}model.layers.0.self_attn.q_proj.lora_B.weight"
    (found,) = fits(base, build_adapter(tmp_path / "raw", without=(name,)))
    assert "only one half" in found.evidence


@pytest.mark.parametrize(
    "name", ["model.layers.0.self_attn.q_proj.lora_E", "prompt_encoder.embedding", "x.lora_A.other"]
)
def test_tensors_of_no_kind_of_lora_are_refused(base: Path, tmp_path: Path, name: str) -> None:
    tensors = {f"{PREFIX}{name}": np.ones((4, 4), dtype=np.float32)}
    found = fits(base, build_adapter(tmp_path / "raw", tensors=tensors))
    assert "of no kind of LoRA" in found[0].evidence


def test_experts_are_not_judged_by_name(base: Path, tmp_path: Path) -> None:
    tensors = pair("model.layers.0.mlp.experts.3.gate_proj", 8, 8)
    assert fits(base, build_adapter(tmp_path / "raw", tensors=tensors)) == []


def test_replicated_layers_are_not_beyond_the_base(base: Path, tmp_path: Path) -> None:
    tensors = pair("model.layers.3.self_attn.q_proj", 2 * HEAD_DIM, HIDDEN)
    raw = build_adapter(tmp_path / "raw", tensors=tensors, layer_replication=[[0, 2], [0, 2]])
    assert fits(base, raw) == []


def test_a_family_whose_names_are_not_known_is_judged_by_its_weights_only(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", weights=False)
    config = read_json(base / "config.json")
    write_json(base / "config.json", {**config, "model_type": "gpt_neox"})
    tensors = pair("gpt_neox.layers.0.attention.query_key_value", 3 * HIDDEN, HIDDEN)
    raw = build_adapter(tmp_path / "raw", targets=(), tensors=tensors)
    assert fits(base, raw) == []


def test_models_that_also_see_are_named_differently_over_versions(tmp_path: Path) -> None:
    """`language_model.model.layers` became `model.language_model.layers`; the engine maps one to the other."""
    base = build_base(tmp_path / "base", "qwen2")
    inner = read_json(base / "config.json")
    module = "model.language_model.layers.0.self_attn.q_proj"
    raw = build_adapter(tmp_path / "raw", targets=(), tensors=pair(module, 2 * HEAD_DIM, HIDDEN))
    assert len(fits(base, raw)) == 1
    write_json(base / "config.json", {"architectures": ["Some"], "text_config": inner})
    assert fits(base, raw) == []
