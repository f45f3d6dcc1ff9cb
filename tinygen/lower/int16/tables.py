"""The tables of TensorFlow Lite Micro's 16-bit SOFTMAX, LOGISTIC and TANH, made as its authors make them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["exp_table", "reciprocal_table", "sigmoid_table"]

_STEPS = 512

Single = NDArray[np.float32]


@cache
def exp_table() -> NDArray[np.int16]:
    """int16 [513]: exp(x) for x from -10 to 0, with 15 fraction bits. (InitializeLutForInt16)

    Single precision throughout, as in the reference; ``exp`` is rounded once from double precision.
    """
    return _table(np.float32(10.0) / np.float32(65535.0), 32767, lambda x: np.exp(x.astype(np.float64)))


@cache
def reciprocal_table() -> NDArray[np.int16]:
    """int16 [513]: 1 / (1 + x) for x from 0 to 1, with 15 fraction bits. (InitializeLutForInt16)"""
    return _table(np.float32(1.0) / np.float32(65535.0), -32768, lambda x: np.float32(1.0) / (np.float32(1.0) + x))


@cache
def sigmoid_table() -> NDArray[np.uint16]:
    """uint16 [256]: 65536 / (1 + exp(-i / 24)). (sigmoid_table_uint16)

    Each value is raised by half of what interpolation to the next misses in the middle; the last one is the limit.
    """

    def sigmoid(i: float) -> float:
        return 65536.0 / (1.0 + math.exp(-i / 24.0))

    missed = [sigmoid(i + 0.5) - (sigmoid(i) + sigmoid(i + 1)) / 2.0 for i in range(255)]
    return np.array([*(round(sigmoid(i) + m / 2.0) for i, m in enumerate(missed)), 65535], np.uint16)


def _table(scale: np.float32, zero_point: int, function: Callable[[Single], NDArray[np.floating]]) -> NDArray[np.int16]:
    """LUTPopulateInt16: 512 steps over all stored inputs, corrected by half of the error in the middle of each."""
    low, high = scale * np.float32(-32768 - zero_point), scale * np.float32(32767 - zero_point)
    unit = np.float32(2.0) / np.float32(65535.0)
    inverse = np.float32(65536.0) / (unit * np.float32(32767) - unit * np.float32(-32768))
    step = np.float32((high - low) / np.float32(_STEPS))
    two = np.float32(2.0)

    def scaled(x: Single) -> Single:
        return function(x).astype(np.float32) * inverse

    i = np.arange(_STEPS, dtype=np.float32)
    start, middle, following = scaled(low + i * step), scaled(low + i * step + step / two), scaled(low + (i + 1) * step)
    sample = _round(start)
    error = _round((following + sample) / two) - _round(middle)
    values = np.append(sample - _round(error / two), _round(scaled(np.array([high]))))
    return np.clip(values, -32768, 32767).astype(np.int16)


def _round(x: Single) -> Single:
    """std::round: halves go away from zero."""
    rounded: Single = np.copysign(np.floor(np.abs(x) + np.float32(0.5)), x).astype(np.float32)
    return rounded
