"""Low-rank algebra on matrices that are read in blocks: the true rank of a LoRA, and the best approximation of a change."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .lora_tensors import Pair
from .stored_tensor import Rows, load, of_rows, of_values, row_blocks

# Singular values below this share of the largest are what float32 rounding leaves of a zero.
RANK_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Approximation:
    """A pair with scaling 1 and what it misses: `error` is the Frobenius norm of the rest as a share of the whole's,
    `worst` the largest single number of the rest where that was computed."""

    pair: Pair
    error: float
    worst: float | None = None


def reduce_rank(pair: Pair, scaling: float, max_rank: int | None = None) -> Approximation:
    """The pair at its true rank, or cut to `max_rank` by truncated SVD, the best there is.

    Two QR decompositions bring B @ A to a matrix as small as the rank.
    """
    q_b, r_b = np.linalg.qr(load(pair.b).astype(np.float64))
    q_a, r_a = np.linalg.qr(load(pair.a).astype(np.float64).T)
    u, values, v = np.linalg.svd(r_b @ r_a.T * scaling)
    rank = max(1, int((values > RANK_TOLERANCE * values[0]).sum()))
    if max_rank is not None:
        rank = min(rank, max_rank)
    root = np.sqrt(values[:rank])
    b = (q_b @ (u[:, :rank] * root)).astype(np.float32)
    a = ((root[:, None] * v[:rank]) @ q_a.T).astype(np.float32)
    whole = float(np.linalg.norm(values))
    error = float(np.linalg.norm(values[rank:])) / whole if whole else 0.0
    return Approximation(pair=Pair(of_values(a), of_values(b)), error=error)


def approximate_rows(
    difference: Callable[[range], Rows], num_rows: int, width: int, rank: int
) -> Approximation:
    """The best `rank` approximation b @ a of a tall matrix, given in blocks of rows.

    The right singular vectors come from its Gram matrix [width, width], so memory does not grow with the rows. Read
    twice: for the vectors, and for the largest error.
    """
    gram = np.zeros((width, width))
    for block in row_blocks(width, num_rows):
        wide = difference(block).astype(np.float64)
        gram += wide.T @ wide
    values, vectors = np.linalg.eigh(gram)
    a = np.ascontiguousarray(vectors[:, ::-1][:, :rank].T).astype(np.float32)
    worst = 0.0
    for block in row_blocks(width, num_rows):
        rows = difference(block)
        worst = max(worst, float(np.abs(rows - (rows @ a.T) @ a).max(initial=0.0)))
    total = float(np.maximum(values, 0.0).sum())
    missed = float(np.maximum(values[: width - rank], 0.0).sum())
    b = of_rows((num_rows, rank), lambda block: difference(block) @ a.T)
    error = float(np.sqrt(missed / total)) if total else 0.0
    return Approximation(pair=Pair(of_values(a), b), error=error, worst=worst)
