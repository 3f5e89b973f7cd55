"""Which files of a model or an adapter are wanted, by their names. Pickles run code: they are never fetched or unpacked."""

from pathlib import PurePosixPath

# As huggingface_hub takes patterns.
SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.txt")
WEIGHTS = ("*.safetensors",)
_WANTED = frozenset(pattern.removeprefix("*") for pattern in (*SMALL_FILES, *WEIGHTS))
_PICKLED = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})
# What macOS adds to an archive; hidden files are left out too.
_APPLE_FOLDER = "__MACOSX"


def is_wanted(path: PurePosixPath) -> bool:
    """Whether the file belongs to an adapter."""
    hidden = any(part.startswith(".") or part == _APPLE_FOLDER for part in path.parts)
    return path.suffix in _WANTED and not hidden


def is_weights(path: PurePosixPath) -> bool:
    """Whether it holds tensors that may be read."""
    return path.suffix == ".safetensors"


def is_pickled(path: PurePosixPath) -> bool:
    """Whether it looks like weights that can run code."""
    return path.suffix in _PICKLED
