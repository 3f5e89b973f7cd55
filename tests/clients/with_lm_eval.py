"""EleutherAI's harness, by its own command, on tasks that need no network: answers over chat and text, and log-likelihoods.

The second argument is the model's directory: local-completions wants the tokenizer.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .calls import API_KEY, BASE_URL, MODEL, make

NUM_DOCUMENTS = 6


def evaluate(task: str, model: str, endpoint: str, *flags: str, **more: str) -> dict[str, Any]:
    """The task's metrics, and how many documents went into them."""
    arguments = {"model": MODEL, "base_url": f"{BASE_URL}/{endpoint}", "num_concurrent": "2"}
    arguments |= {"max_retries": "1", **more}
    given = ",".join(f"{name}={value}" for name, value in arguments.items())
    with tempfile.TemporaryDirectory() as out:
        command = ["lm_eval", "run", "--model", model, "--model_args", given, "--tasks", task]
        command += ["--include_path", str(Path(__file__).parent / "lm_eval_tasks")]
        command += ["--output_path", f"{out}/results.json", *flags]
        # As the documentation says of keys; the rest keeps it off the network.
        environment = {**os.environ, "OPENAI_API_KEY": API_KEY, "HF_HUB_OFFLINE": "1"}
        environment |= {"HF_DATASETS_OFFLINE": "1", "HF_HOME": out}
        done = subprocess.run(
            [str(Path(sys.executable).parent / command[0]), *command[1:]],
            check=False,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        [written] = Path(out).glob("results*.json")
        results: dict[str, Any] = json.loads(written.read_text())
    assert results["n-samples"][task]["effective"] == NUM_DOCUMENTS
    metrics: dict[str, Any] = results["results"][task]
    return metrics


def local_chat_completions() -> None:
    found = evaluate(
        "capitals_said", "local-chat-completions", "chat/completions", "--apply_chat_template"
    )
    # Even this model knows some.
    assert found["exact_match,first_city"] > 0


def local_completions() -> None:
    found = evaluate("capitals_said", "local-completions", "completions", tokenizer=sys.argv[2])
    assert 0 <= found["exact_match,first_city"] <= 1


def local_completions_loglikelihood() -> None:
    found = evaluate("capitals_chosen", "local-completions", "completions", tokenizer=sys.argv[2])
    assert found["acc,none"] > 0


if __name__ == "__main__":
    make("lm-eval", [local_chat_completions, local_completions, local_completions_loglikelihood])
