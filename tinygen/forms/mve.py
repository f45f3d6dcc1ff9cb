"""Filters as the MVE kernels read them: blocks of four, by vectors of sixteen int8.

``firmware/kernels/mve/`` describes the layouts from the kernels' side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.packing import Filters

__all__ = ["BLOCK", "VECTOR", "pack_blocks", "plain", "vectors"]

Ints = NDArray[np.int64]

# Bytes of a vector, filters of a block.
VECTOR = 16
BLOCK = 4
# Shifts that the kernels serve: by 0 there is no second rounding, which they would correct all the same.
EXPONENTS = range(1, 32)


def plain(filters: Filters) -> bool:
    """Whether every factor shifts to the right only, and no sum wraps around: see ``tg_mve_output``."""
    exponents = filters.exponent.min() >= EXPONENTS.start and filters.exponent.max() < EXPONENTS.stop
    return bool(exponents and (filters.magnitude < 1 << 31).all())


def vectors(depth: int) -> int:
    """How many vectors hold so many bytes."""
    return -(-depth // VECTOR)


def pack_blocks(filters: Filters) -> NDArray[np.int32]:
    """The ``stream`` of ``tg_mve_gemm_t``: bias, weights by vectors, multiplier and shift of each block."""
    count, depth = filters.weights.shape
    blocks = -(-count // BLOCK)
    weights = np.zeros((blocks * BLOCK, vectors(depth) * VECTOR), np.int8)
    weights[:count, :depth] = filters.weights
    by_vector = np.ascontiguousarray(weights.reshape(blocks, BLOCK, -1, VECTOR).transpose(0, 2, 1, 3))
    words = (
        _block_words(filters.bias),
        by_vector.reshape(blocks, -1).view(np.int32),
        _block_words(filters.multiplier),
        _block_words(-filters.exponent).astype(np.int8).view(np.int32),
    )
    return np.ascontiguousarray(np.concatenate(words, axis=1).reshape(-1))


def _block_words(values: Ints) -> NDArray[np.int32]:
    """[blocks, 4], the last value repeated to a whole block."""
    return np.pad(values, (0, -len(values) % BLOCK), mode="edge").astype(np.int32).reshape(-1, BLOCK)
