"""Kinds of LoRA after conversion, loaded by PEFT: what it computes is what it computed from the raw adapter.

No engine is started but to read vLLM's classes: plain LoRA on vLLM is proven beside this file.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.base_files import read_base_files
from adapters.checkpoint import read_checkpoint
from adapters.weights.base_overlay import write_overlay
from adapters.weights.embedding_lora import EMBEDDING_LORA
from adapters.weights.weight_plan import WeightOptions, plan_weights, write_weights
from tests.adapters.tiny_models import Architecture, build_base

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-4
# PEFT computes PiSSA's factors in float32: directions whose singular values lie close come out a little turned.
PISSA_TOLERANCE = 2e-3
LINEAR = ["q_proj", "down_proj"]
ROWS = {"embed_tokens": [3, 7], "lm_head": [7]}
SAVED = {"modules_to_save": ["embed_tokens", "lm_head"]}

# name: architecture, LoraConfig's arguments, the rest of the job, the options, the path it takes
KINDS: dict[str, tuple[Architecture, dict[str, Any], dict[str, Any], WeightOptions, str]] = {
    "pissa": ("qwen2", {"init_lora_weights": "pissa"}, {}, WeightOptions(), "rewritten"),
    "olora": ("qwen2", {"init_lora_weights": "olora"}, {}, WeightOptions(), "rewritten"),
    "olora-rows": (
        "llama",
        {"init_lora_weights": "olora", "use_rslora": True, "trainable_token_indices": [4, 5]},
        {},
        WeightOptions(),
        "embedding_lora",
    ),
    "patterns": (
        "llama",
        {
            "use_rslora": True,
            "rank_pattern": {"q_proj": 2, "embed_tokens": 3},
            "alpha_pattern": {"embed_tokens": 5},
            "target_modules": [*LINEAR, "embed_tokens"],
        },
        {},
        WeightOptions(),
        "rewritten",
    ),
    "regex": (
        "llama",
        {"target_modules": r".*layers\.1\..*q_proj", **SAVED},
        {"changed": ROWS},
        WeightOptions(),
        "embedding_lora",
    ),
    "layers": (
        "qwen3",
        {"layers_to_transform": [1], **SAVED},
        {"changed": ROWS},
        WeightOptions(),
        "embedding_lora",
    ),
    "tied": (
        "llama",
        {"target_modules": [*LINEAR, "embed_tokens"], "ensure_weight_tying": True},
        {},
        WeightOptions(),
        "rewritten",
    ),
    "grown-tokens": (
        "qwen2",
        {"trainable_token_indices": [4, 513]},
        {"resize": 520},
        WeightOptions(),
        "overlay",
    ),
    "grown-lora": (
        "llama",
        {"target_modules": [*LINEAR, "embed_tokens", "lm_head"]},
        {"resize": 520},
        WeightOptions(),
        "overlay",
    ),
    "rank": ("qwen2", {"r": 600, "lora_alpha": 600}, {}, WeightOptions(), "rewritten"),
    "bias": ("qwen2", {"bias": "all"}, {}, WeightOptions(merge=True), "merge"),
    "norm": ("qwen2", {"modules_to_save": ["norm"]}, {}, WeightOptions(), "rewritten"),
    "dora": (
        "gemma3",
        {"use_dora": True, "target_modules": [*LINEAR, "embed_tokens", "lm_head"]},
        {},
        WeightOptions(merge=True),
        "merge",
    ),
    "layer-replication": (
        "llama",
        {"layer_replication": [[0, 2], [1, 2]]},
        {},
        WeightOptions(merge=True),
        "merge",
    ),
}


@pytest.fixture(scope="module")
def distances(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float]]:
    """Path, and largest difference of a log-probability between raw and converted, of every kind on tied and untied."""
    root = tmp_path_factory.mktemp("kinds")
    raw: list[dict[str, Any]] = []
    for kind, (architecture, lora, job, _, _) in KINDS.items():
        for tied in (True, False):
            name = f"{kind}-{'tied' if tied else 'untied'}"
            base = build_base(root / f"{name}.base", architecture, tied=tied)
            arguments = {"r": 4, "lora_alpha": 8, "target_modules": LINEAR, **lora}
            files = {"base": str(base), "raw": str(root / f"{name}.raw")}
            raw.append({**files, "out": str(root / f"{name}.npz"), "lora": arguments, **job})
    _ask_peft(raw, root / "raw.json")
    converted, paths = [], {}
    for job in raw:
        name = Path(job["out"]).stem
        options = KINDS[name.rpartition("-")[0]][3]
        base_files = read_base_files(Path(job["base"]))
        plan = plan_weights(read_checkpoint(Path(job["raw"])), base_files, options)
        paths[name] = plan.path
        target = root / f"{name}.out"
        target.mkdir()
        write_weights(plan, target)
        served: dict[str, Any] = {"base": job["base"], "raw": str(target)}
        if plan.path == "merge":
            served = {"base": str(target), "raw": None}
        if plan.base_rows is not None:
            served["base"] = str(root / f"{name}.overlay")
            write_overlay(base_files, [(name, plan.base_rows)], Path(served["base"]))
        converted.append({**served, "out": str(root / f"{name}.out.npz")})
    _ask_peft(converted, root / "converted.json")
    return {
        name: (path, _distance(root / f"{name}.npz", root / f"{name}.out.npz"))
        for name, path in paths.items()
    }


def _ask_peft(jobs: list[dict[str, Any]], path: Path) -> None:
    path.write_text(json.dumps(jobs))
    script = [sys.executable, "-m", "tests.engine.weight_engines", "peft", str(path)]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def _distance(one: Path, other: Path) -> float:
    with np.load(one) as a, np.load(other) as b:
        return float(np.abs(a["logprobs"] - b["logprobs"]).max())


@pytest.mark.parametrize("tied", ["tied", "untied"])
@pytest.mark.parametrize("kind", KINDS)
def test_peft_computes_the_same_from_the_converted_adapter(
    distances: dict[str, tuple[str, float]], kind: str, tied: str
) -> None:
    path, distance = distances[f"{kind}-{tied}"]
    assert path == KINDS[kind][4]
    assert distance < (PISSA_TOLERANCE if kind == "pissa" else TOLERANCE), f"{distance:.2g}"


WALK = """
import json
from vllm.model_executor.models import registry
known = {}
backend = [n for n in registry._TRANSFORMERS_SUPPORTED_MODELS if n.endswith("ForCausalLM")]
for name in [*registry._TEXT_GENERATION_MODELS, *backend]:
    try:
        made = registry.ModelRegistry.models[name].load_model_cls()
    except Exception:
        continue
    takes = getattr(made, "embedding_modules", None) if getattr(made, "supports_lora", 0) else None
    known[name] = sorted(takes or ())
print(json.dumps(known))
"""


def test_the_table_of_classes_that_take_lora_on_embeddings_is_vllms_own() -> None:
    """Every text model class of the engine that can be imported here, and no other, is in the table as it is."""
    done = subprocess.run(
        [sys.executable, "-c", WALK], capture_output=True, text=True, check=True, cwd=ROOT
    )
    known: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    assert len(known) > 100
    embeddings = {"embed_tokens", "wte", "lm_head"}
    expected = {n: frozenset(takes) & embeddings for n, takes in known.items() if takes}
    assert {n: takes for n, takes in EMBEDDING_LORA.items() if n in known} == expected
