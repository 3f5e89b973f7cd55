"""The base model's weights by name, without loading them: which tensors embed tokens, and which rows no training moved.

A base directory without weights is a normal case: converting reads them only where a step needs them.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base_files import BaseFiles
from ..errors import ModelFilesError
from ..json_file import read_json_object
from .stored_tensor import Rows, Tensor, open_tensors, read_rows

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
MAX_INDEX_BYTES = 64 << 20
# Last part of the input embedding's and the output layer's module names, over the families.
EMBEDDING_NAMES = ("embed_tokens", "word_embeddings", "wte", "embed_in", "tok_embeddings")
HEAD_NAMES = ("lm_head", "embed_out", "output_layer", "output")
# Towers and draft layers embed other things than the model's own tokens.
FOREIGN = ("visual", "vision", "audio", "mtp", "talker", "code2wav")

# Largest number of a row that counts as never trained; Unsloth's fix_untrained_tokens uses the same bound.
NEAR_ZERO = 1e-16
# Rows of tokens that never occur get one and the same gradient at every step, away from every hidden state, and weight
# decay wears off what they started as: they end close together (Land and Bartolo, "Fishing for Magikarp", 2024), where
# two trained rows are about as far apart as they are long. A distance is a share of the longer of two rows.
NEAR_DUPLICATE = 0.3
MIN_REFERENCES = 16
SAMPLED_ROWS = 64
DISTANCES_AT_ONCE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseWeights:
    """Every tensor by name. `embedding` and `head` are module names; `head` is the embedding's where the two are tied."""

    base: BaseFiles
    tensors: Mapping[str, Tensor]
    embedding: str
    head: str

    @property
    def is_tied(self) -> bool:
        return self.head == self.embedding

    @property
    def embedding_rows(self) -> Tensor:
        """The input embedding, [vocabulary, width]."""
        return self.tensors[f"{self.embedding}.weight"]

    @property
    def head_rows(self) -> Tensor:
        """The output layer, [vocabulary, width]."""
        return self.tensors[f"{self.head}.weight"]

    @property
    def num_rows(self) -> int:
        """Rows of the vocabulary, padding included."""
        return self.embedding_rows.shape[0]


def read_base_weights(base: BaseFiles) -> BaseWeights | None:
    """The headers of the base's weights, None where its directory holds none.

    Raises:
        ModelFilesError: a file is broken or missing, or no tensor embeds tokens.
    """
    tensors: dict[str, Tensor] = {}
    for file in _files(base.path):
        tensors |= open_tensors(base.path / file, ModelFilesError)
    if not tensors:
        return None
    embedding = _find(tensors, EMBEDDING_NAMES)
    if embedding is None:
        raise ModelFilesError(base.path, "no tensor of its weights is a token embedding")
    head = _find(tensors, HEAD_NAMES)
    tied = is_tied(base.config)
    if head is None or tied:
        head = embedding
    return BaseWeights(base=base, tensors=tensors, embedding=embedding, head=head)


def needed_base_weights(base: BaseFiles, why: str) -> BaseWeights:
    """The base's weights, where a step cannot do without.

    Raises:
        ModelFilesError: they are not there; the message says what they are needed for.
    """
    weights = read_base_weights(base)
    if weights is None:
        raise ModelFilesError(
            base.path,
            f"holds no safetensors weights; they are needed to {why}; give a --base with weights",
        )
    return weights


def is_tied(config: Mapping[str, Any]) -> bool | None:
    """What config.json says of input and output embedding being one; None where it says nothing."""
    for part in (config, config.get("text_config")):
        if isinstance(part, dict) and isinstance(part.get("tie_word_embeddings"), bool):
            return bool(part["tie_word_embeddings"])
    return None


def untrained_rows(
    weights: BaseWeights, ids: Sequence[int], nameless: Sequence[int] = ()
) -> frozenset[int]:
    """Those of `ids` and `nameless` whose rows no training moved.

    A row is untrained where it is near zero in the embedding or the output layer; where its output row lies close to that
    of another of these ids, so give every special one; or where its length and its direction are within what the
    `nameless` show, the padding rows that stand for no token.

    Raises:
        AdapterError: a file cannot be read.
    """
    known = sorted(i for i in {*ids, *nameless} if i < weights.num_rows)
    output = read_rows(weights.head_rows, known)
    untrained = _near_zero(output) | _has_near_duplicate(output)
    if not weights.is_tied:
        untrained |= _near_zero(read_rows(weights.embedding_rows, known))
    reference = np.isin(known, list(nameless))
    if reference.sum() >= MIN_REFERENCES:
        untrained |= _is_like(output, output[reference])
    return frozenset(i for i, is_untrained in zip(known, untrained, strict=True) if is_untrained)


def rows_digest(weights: BaseWeights, ids: Iterable[int] = ()) -> str:
    """sha256 over sampled rows of the vocabulary and over the rows `ids`, of both embeddings: tells one base from another.

    Raises:
        AdapterError: a file cannot be read.
    """
    step = max(1, weights.num_rows // SAMPLED_ROWS)
    chosen = sorted({*range(0, weights.num_rows, step), *(i for i in ids if i < weights.num_rows)})
    digest = hashlib.sha256(np.asarray(chosen, dtype="<i8").tobytes())
    for tensor in (weights.embedding_rows, weights.head_rows):
        digest.update(read_rows(tensor, chosen).astype("<f4").tobytes())
    return digest.hexdigest()


def _files(path: Path) -> list[str]:
    index = path / INDEX_FILE
    if not index.is_file():
        return [WEIGHTS_FILE] if (path / WEIGHTS_FILE).is_file() else []
    names = read_json_object(index, ModelFilesError, max_bytes=MAX_INDEX_BYTES, follow_links=True)
    files = names.get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(file, str) for file in files.values()):
        raise ModelFilesError(index, "weight_map must map tensor names to files")
    for file in set(files.values()):
        if Path(file).name != file:
            raise ModelFilesError(index, f"weight_map: {file!r:.80} is no file beside it")
        if not (path / file).is_file():
            raise ModelFilesError(index, f"weight_map: {file} is missing")
    return sorted(set(files.values()))


def _find(tensors: Mapping[str, Tensor], names: Sequence[str]) -> str | None:
    """The module of the shortest name that ends in one of `names` and has a matrix."""
    modules = [
        name.removesuffix(".weight")
        for name, tensor in tensors.items()
        if name.endswith(".weight") and len(tensor.shape) == 2 and _is_main(name, names)
    ]
    return min(modules, key=lambda module: (module.count("."), len(module)), default=None)


def _is_main(name: str, names: Sequence[str]) -> bool:
    """Whether a module is called one of `names` and lies in no layer, tower or draft model."""
    *outer, last, _ = name.split(".")
    return last in names and not any(part.isdigit() or part in FOREIGN for part in outer)


def _near_zero(rows: Rows) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.abs(rows).max(axis=1, initial=0.0) <= NEAR_ZERO
    return found


def _has_near_duplicate(rows: Rows) -> NDArray[np.bool_]:
    found = np.zeros(len(rows), dtype=bool)
    wide = rows.astype(np.float64)
    squares = (wide**2).sum(axis=1)
    for first in range(0, len(rows), DISTANCES_AT_ONCE):
        block = slice(first, first + DISTANCES_AT_ONCE)
        longer = np.maximum(squares[block, None], squares[None, :])
        distances = squares[block, None] + squares[None, :] - 2 * wide[block] @ wide.T
        close = distances <= NEAR_DUPLICATE**2 * longer
        at = np.arange(len(close))
        close[at, first + at] = False
        found[block] = close.any(axis=1)
    return found


def _is_like(rows: Rows, reference: Rows) -> NDArray[np.bool_]:
    """Whether the length of a row, and its angle to the mean of `reference`, are within those of `reference`."""
    mean = reference.mean(axis=0, dtype=np.float64)

    def measure(some: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lengths = np.linalg.norm(some.astype(np.float64), axis=1)
        scale = np.maximum(lengths * np.linalg.norm(mean), np.finfo(np.float64).tiny)
        return lengths, (some @ mean) / scale

    lengths, cosines = measure(reference)
    length, cosine = measure(rows)
    found: NDArray[np.bool_] = (lengths.min() <= length) & (length <= lengths.max())
    found &= cosine >= cosines.min()
    return found
