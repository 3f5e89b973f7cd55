"""Each client's script, in the clients' environment, against one server with SmolLM2-Instruct. `make clients` prepares and runs them.

What was called, by which version, is told at the end.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.runaway import VLLM_COMMAND
from tests.engine.conftest import API_KEY, ROOT, Process
from tests.engine.smollm2 import NAME, smollm2_model

from .conftest import CALLS

HERE = Path(__file__).parent
BIN = HERE / ".venv" / "bin"
TIMEOUT_S = 280
NUM_PROMPTS = 8

pytestmark = pytest.mark.timeout(TIMEOUT_S + 20)


def run(*command: str, **environment: str) -> str:
    """What the command wrote; it has to end well."""
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=TIMEOUT_S,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


def tell(config: pytest.Config, output: str) -> None:
    lines = [line for line in output.splitlines() if line.startswith('{"client":')]
    assert lines, "no call was made"
    config.stash.setdefault(CALLS, []).extend(json.loads(line) for line in lines)


@pytest.mark.parametrize("client", ["litellm", "langchain", "instructor", "pydantic_ai", "lm_eval"])
def test_python(client: str, smollm2: Process, pytestconfig: pytest.Config) -> None:
    python = str(BIN / "python")
    module = f"tests.clients.with_{client}"
    tell(pytestconfig, run(python, "-m", module, smollm2.url, str(smollm2_model())))


def test_node(smollm2: Process, pytestconfig: pytest.Config) -> None:
    script = str(HERE / "with_openai_node.mjs")
    tell(pytestconfig, run(str(BIN / "node"), script, smollm2.url))


@pytest.mark.parametrize(
    ("backend", "endpoint"), [("openai-chat", "chat/completions"), ("openai", "completions")]
)
def test_vllm_bench_serve(
    backend: str,
    endpoint: str,
    smollm2: Process,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    script = tmp_path / "bench_serve.py"
    script.write_text(VLLM_COMMAND)
    flags = ["--backend", backend, "--base-url", smollm2.url, "--endpoint", f"/v1/{endpoint}"]
    flags += ["--model", NAME, "--tokenizer", str(smollm2_model()), "--dataset-name", "random"]
    flags += ["--num-prompts", str(NUM_PROMPTS), "--random-input-len", "32", "--seed", "0"]
    flags += ["--random-output-len", "16", "--ignore-eos", "--save-result"]
    flags += ["--result-dir", str(tmp_path), "--result-filename", "result.json"]
    environment = {"OPENAI_API_KEY": API_KEY, "VLLM_TARGET_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}
    run(sys.executable, str(script), "bench", "serve", *flags, **environment)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["completed"] == NUM_PROMPTS
    assert result["total_output_tokens"] == 16 * NUM_PROMPTS
    told = {"client": "vllm bench serve", "version": "0.32.0", "call": backend}
    pytestconfig.stash.setdefault(CALLS, []).append(told)
