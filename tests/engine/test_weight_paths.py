"""Converted weights on the real engine: the next token's log-probabilities are PEFT's own, by every path."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.base_files import read_base_files
from adapters.checkpoint import read_checkpoint
from adapters.weights.base_fit import check_fits
from adapters.weights.base_overlay import write_overlay
from adapters.weights.weight_plan import WeightOptions, WeightPlan, plan_weights, write_weights
from tests.adapters.tiny_models import LAYERS, PROJECTIONS, Architecture, build_adapter, build_base

from .weight_engines import INPUT_ROWS, OUTPUT_ROWS, PROMPTS

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
# float32 on both sides. The largest difference seen was 2.4e-5, where raw adapters move log-probabilities by 4 to 18.
TOLERANCE = 1e-4
LINEAR = [name.rsplit(".", 1)[-1] for name in PROJECTIONS]
RAW: dict[str, dict[str, Any]] = {
    "plain": {"lora": {"target_modules": ["q_proj", "down_proj"]}},
    "rows": {
        "lora": {
            "target_modules": ["q_proj", "down_proj"],
            "modules_to_save": ["embed_tokens", "lm_head"],
        },
        "changed": {"embed_tokens": INPUT_ROWS, "lm_head": OUTPUT_ROWS},
    },
    "tokens": {"lora": {"target_modules": ["q_proj"], "trainable_token_indices": [3, 9]}},
    # ms-swift's examples/train/base_to_chat/lora2.sh
    "swift": {"lora": {"target_modules": [*LINEAR, "embed_tokens", "lm_head"]}},
    "dora": {
        "lora": {"target_modules": [*LINEAR], "modules_to_save": ["lm_head"], "use_dora": True},
        "changed": {"lm_head": OUTPUT_ROWS},
    },
}
MODELS: list[tuple[Architecture, bool]] = [
    (architecture, tied)
    for architecture in ("llama", "qwen3", "qwen2", "gemma3")
    for tied in (True, False)
]
TAKES_EMBEDDING_LORA = ("llama", "qwen3")
Probabilities = NDArray[np.float64]


@dataclass
class Proof:
    """Directories of every model, and what PEFT and vLLM said: by (model, raw adapter) and by (job, adapter)."""

    root: Path
    truth: dict[tuple[str, str], Probabilities] = field(default_factory=dict)
    served: dict[tuple[str, str], Any] = field(default_factory=dict)
    plans: dict[tuple[str, str], WeightPlan] = field(default_factory=dict)

    def distance(self, job: str, adapter: str, model: str, raw: str) -> float:
        """Largest difference of a log-probability, over prompts and vocabulary."""
        served, truth = self.served[job, adapter], self.truth[model, raw]
        assert served.dtype.kind == "f", f"{job}: {adapter} was not served: {served}"
        return float(np.abs(served - truth).max())


def _model(architecture: str, tied: bool) -> str:
    return f"{architecture}-{'tied' if tied else 'untied'}"


def _run(command: str, jobs: list[dict[str, Any]], root: Path) -> None:
    path = root / f"{command}.json"
    path.write_text(json.dumps(jobs))
    script = [sys.executable, "-m", "tests.engine.weight_engines", command, str(path)]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    """Everything the tests below look at, made in three steps: PEFT, conversion, vLLM."""
    made = Proof(tmp_path_factory.mktemp("weights"))
    _ask_peft(made)
    jobs = [job for architecture, tied in MODELS for job in _convert(made, architecture, tied)]
    _run("vllm", jobs, made.root)
    for job in jobs:
        with np.load(job["out"]) as found:
            for name in found.files:
                made.served[Path(job["out"]).stem, name] = found[name]
    return made


def _ask_peft(made: Proof) -> None:
    jobs: list[dict[str, Any]] = []
    for architecture, tied in MODELS:
        model = _model(architecture, tied)
        base = build_base(made.root / model, architecture, tied=tied)
        kinds = {**RAW, "base": {"lora": None}}
        if architecture == "llama":
            kinds["grown"] = {"lora": {"target_modules": ["q_proj"]}, "resize": 520}
        for kind, content in kinds.items():
            raw = None if kind == "base" else str(made.root / f"{model}.{kind}")
            out = str(made.root / f"{model}.{kind}.npz")
            jobs.append({"base": str(base), "raw": raw, "out": out, **content})
    _run("peft", jobs, made.root)
    for job in jobs:
        model, kind = Path(job["out"]).stem.split(".")
        with np.load(job["out"]) as found:
            made.truth[model, kind] = found["logprobs"]


def _convert(made: Proof, architecture: Architecture, tied: bool) -> list[dict[str, Any]]:
    """Convert the raw adapters of one model, and say what the engine shall serve."""
    model = _model(architecture, tied)
    plain = str(made.root / f"{model}.plain")
    raw = [str(made.root / f"{model}.{kind}") for kind in ("rows", "tokens", "swift")]
    merged = _converted(made, model, "swift" if tied else "dora", WeightOptions(merge=True))
    jobs = [_job(made, f"{model}-merged", merged, [])]
    if architecture in TAKES_EMBEDDING_LORA:
        out = [_converted(made, model, kind) for kind in ("rows", "tokens", "swift")]
        misnamed = build_adapter(
            made.root / f"{model}.misnamed", targets=(), tensors=_misnamed_tensors()
        )
        served = [plain, *out, *raw[:2], str(misnamed)]
        jobs.append(_job(made, f"{model}-base", made.root / model, served))
        if "grown" in {kind for name, kind in made.truth if name == model}:
            grown = _converted(made, model, "grown")
            jobs.append(_job(made, f"{model}-grown", _overlay(made, model, "grown"), [grown]))
        return jobs
    rows = _converted(made, model, "rows")
    overlay = _overlay(made, model, "rows")
    return [*jobs, _job(made, f"{model}-overlay", overlay, [plain, rows, raw[0], raw[2]])]


def _misnamed_tensors() -> dict[str, NDArray[np.float32]]:
    """A LoRA whose names lack `model.`: no module of the base."""
    random = np.random.default_rng(2)
    shapes = {"lora_A": (4, PROJECTIONS["self_attn.q_proj"][1])}
    shapes["lora_B"] = (PROJECTIONS["self_attn.q_proj"][0], 4)
    return {
        f"base_model.model.layers.{layer}.self_attn.q_proj.{part}.weight": random.standard_normal(
            shape
        ).astype(np.float32)
        for layer in range(LAYERS)
        for part, shape in shapes.items()
    }


def _converted(made: Proof, model: str, kind: str, options: WeightOptions | None = None) -> Path:
    checkpoint = read_checkpoint(made.root / f"{model}.{kind}")
    plan = plan_weights(checkpoint, read_base_files(made.root / model), options or WeightOptions())
    target = made.root / f"{model}.{kind}-{plan.path}"
    target.mkdir()
    write_weights(plan, target)
    made.plans[model, kind if plan.path != "merge" else "merge"] = plan
    return target


def _overlay(made: Proof, model: str, kind: str) -> Path:
    target = made.root / f"{model}.{kind}-base"
    rows = made.plans[model, kind].base_rows
    write_overlay(read_base_files(made.root / model), [(kind, rows)], target)
    return target


def _job(made: Proof, name: str, model: Path, adapters: list[Any]) -> dict[str, Any]:
    out = str(made.root / f"{name}.npz")
    return {"model": str(model), "adapters": [str(a) for a in adapters], "out": out}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", TAKES_EMBEDDING_LORA)
@pytest.mark.parametrize(
    ("kind", "path"),
    [("rows", "embedding_lora"), ("tokens", "embedding_lora"), ("swift", "rewritten")],
)
def test_rows_as_lora_on_the_embeddings_serve_what_peft_computes(
    proof: Proof, architecture: str, tied: bool, kind: str, path: str
) -> None:
    model = _model(architecture, tied)
    assert proof.plans[model, kind].path == path
    distance = proof.distance(f"{model}-base", f"{model}.{kind}-{path}", model, kind)
    assert distance < TOLERANCE, f"{model} {kind}: {distance:.2g}"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ["qwen2", "gemma3"])
def test_rows_in_an_overlay_serve_what_peft_computes(
    proof: Proof, architecture: str, tied: bool
) -> None:
    model = _model(architecture, tied)
    distance = proof.distance(f"{model}-overlay", f"{model}.rows-overlay", model, "rows")
    assert distance < TOLERANCE, f"{model}: {distance:.2g}"


@pytest.mark.parametrize("tied", [True, False])
def test_a_larger_vocabulary_in_an_overlay_serves_what_peft_computes(
    proof: Proof, tied: bool
) -> None:
    model = _model("llama", tied)
    distance = proof.distance(f"{model}-grown", f"{model}.grown-overlay", model, "grown")
    assert distance < TOLERANCE, f"{model}: {distance:.2g}"


@pytest.mark.parametrize(("architecture", "tied"), MODELS)
def test_merged_models_serve_what_peft_computes(
    proof: Proof, architecture: str, tied: bool
) -> None:
    """Tied: ms-swift's recipe, LoRA on all linear modules and both embeddings. Untied: DoRA and rows of the output layer."""
    model = _model(architecture, tied)
    distance = proof.distance(f"{model}-merged", "model", model, "swift" if tied else "dora")
    assert distance < TOLERANCE, f"{model}: {distance:.2g}"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ["qwen2", "gemma3"])
def test_an_unrelated_adapter_on_an_overlay_changes_only_where_the_rows_are(
    proof: Proof, architecture: str, tied: bool
) -> None:
    """Prompts without changed ids, and ids whose output row is the base's, are as on the plain base."""
    model = _model(architecture, tied)
    served, truth = proof.served[f"{model}-overlay", f"{model}.plain"], proof.truth[model, "plain"]
    others = [i for i in range(served.shape[1]) if i not in OUTPUT_ROWS]
    untouched = [not set(prompt) & set(INPUT_ROWS) for prompt in PROMPTS]
    assert 0 < sum(untouched) < len(PROMPTS)
    # Differences of log-probabilities leave the common normaliser out, which does change.
    relative = (served - truth)[:, others]
    relative = relative - relative[:, :1]
    assert np.abs(relative[untouched]).max() < TOLERANCE
    assert np.abs(relative[np.invert(untouched)]).max() > 0.1
    assert np.abs((served - truth)[:, OUTPUT_ROWS]).max() > 0.1


@pytest.mark.parametrize(("architecture", "tied"), MODELS)
def test_plain_vllm_refuses_the_raw_adapters(proof: Proof, architecture: str, tied: bool) -> None:
    model = _model(architecture, tied)
    takes = architecture in TAKES_EMBEDDING_LORA
    job = f"{model}-{'base' if takes else 'overlay'}"
    for kind in ("rows", "tokens") if takes else ("rows", "swift"):
        assert "Error" in str(proof.served[job, f"{model}.{kind}"]), kind


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", TAKES_EMBEDDING_LORA)
def test_plain_vllm_serves_the_base_for_names_that_match_nothing_and_endturn_refuses_them(
    proof: Proof, architecture: str, tied: bool
) -> None:
    model = _model(architecture, tied)
    assert proof.distance(f"{model}-base", f"{model}.misnamed", model, "base") < TOLERANCE
    checkpoint = read_checkpoint(proof.root / f"{model}.misnamed")
    findings = check_fits(checkpoint, read_base_files(proof.root / model))
    assert [finding.severity for finding in findings] == ["refused"]
    assert "layers.0.self_attn.q_proj" in findings[0].evidence
