"""What PiSSA and OLoRA take out of a base weight before training, computed from that weight: the part B0 @ A0.

PEFT recomputes it whenever such an adapter is loaded (peft/tuners/lora/layer.py, pissa_init and olora_init).
"""

import functools

import numpy as np

from .lora_tensors import Pair
from .stored_tensor import Rows, Tensor, of_rows, read_rows, row_blocks


def computes(init: str) -> bool:
    """Whether the part is a function of the weight alone; CorDA's needs data, PiSSA's fast form is random."""
    return init in ("pissa", "olora")


def initial_part(weight: Tensor, rank: int, init: str) -> Pair:
    """B0 @ A0 of a weight [out, in], with scaling 1, computed when it is read."""
    find = _principal if init == "pissa" else _leading

    @functools.cache
    def factors() -> tuple[Rows, Rows]:
        return find(weight, rank)

    def part(which: int, shape: tuple[int, int]) -> Tensor:
        def rows(block: range) -> Rows:
            return factors()[which][block.start : block.stop]

        return of_rows(shape, rows)

    return Pair(part(0, (rank, weight.shape[1])), part(1, (weight.shape[0], rank)))


def _principal(weight: Tensor, rank: int) -> tuple[Rows, Rows]:
    """(A0, B0) of the largest `rank` singular directions, from the Gram matrix of the shorter side."""
    out, width = weight.shape
    if width <= out:
        gram = np.zeros((width, width))
        for block in row_blocks(width, out):
            wide = read_rows(weight, block).astype(np.float64)
            gram += wide.T @ wide
        right = np.linalg.eigh(gram)[1][:, ::-1][:, :rank].astype(np.float32)
        left = [read_rows(weight, block) @ right for block in row_blocks(width, out)]
        return np.ascontiguousarray(right.T), np.concatenate(left)
    whole = read_rows(weight, range(out))
    gram = np.zeros((out, out))
    for first in range(0, width, out):
        wide = whole[:, first : first + out].astype(np.float64)
        gram += wide @ wide.T
    up = np.linalg.eigh(gram)[1][:, ::-1][:, :rank].astype(np.float32)
    return up.T @ whole, np.ascontiguousarray(up)


def _leading(weight: Tensor, rank: int) -> tuple[Rows, Rows]:
    """(A0, B0) of a QR decomposition cut to `rank`: the projection on the first `rank` columns."""
    out, width = weight.shape
    first = [read_rows(weight, block)[:, :rank] for block in row_blocks(width, out)]
    q = np.linalg.qr(np.concatenate(first).astype(np.float64))[0].astype(np.float32)
    a = np.zeros((q.shape[1], width), dtype=np.float32)
    for block in row_blocks(width, out):
        a += q[block.start : block.stop].T @ read_rows(weight, block)
    return a, q
