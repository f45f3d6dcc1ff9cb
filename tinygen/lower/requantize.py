"""TFLite's fixed-point rescaling, exactly as TensorFlow Lite Micro prepares it.

A real factor becomes ``multiplier * 2^(shift - 31)`` with a multiplier in [2^30, 2^31); at run time
the C runtime's ``tg_requantize`` applies it with TFLM's two roundings. Sources: TFLM's
``quantization_util.cc`` (QuantizeMultiplier), ``kernel_util.cc`` (activation ranges), gemmlowp's
fixedpoint.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Tensor

__all__ = [
    "Activation",
    "Rescale",
    "activation_range",
    "multiply_by_quantized_multiplier",
    "quantize_multiplier",
]


class Activation(IntEnum):
    """The schema's fused activations."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


# The fused activations that TFLM's int8 kernels clamp to.
CLAMPING = frozenset({Activation.NONE, Activation.RELU, Activation.RELU_N1_TO_1, Activation.RELU6})


@dataclass(frozen=True, slots=True)
class Rescale:
    """A factor as ``multiplier * 2^(shift - 31)``; a positive shift is to the left."""

    multiplier: int
    shift: int


def quantize_multiplier(factor: float) -> Rescale:
    """Split a real factor (a double) into a 31-bit multiplier and a shift, as QuantizeMultiplier does."""
    if factor == 0.0:
        return Rescale(0, 0)
    mantissa, shift = math.frexp(factor)
    multiplier = _round_half_away(mantissa * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    return Rescale(0, 0) if shift < -31 else Rescale(multiplier, shift)


def _round_half_away(x: float) -> int:
    """std::round: halves go away from zero."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def multiply_by_quantized_multiplier(x: NDArray[np.int64], rescale: Rescale) -> NDArray[np.int64]:
    """What ``tg_requantize`` computes, on int32 values held in int64 arrays.

    SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT: two roundings, both to nearest, the
    first with ties up, the second with ties away from zero.
    """
    left, right = max(rescale.shift, 0), max(-rescale.shift, 0)
    product = (x << left).astype(np.int32).astype(np.int64) * rescale.multiplier
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    high = np.where(total >= 0, total >> 31, -((-total) >> 31))  # C's division truncates
    mask = (1 << right) - 1
    remainder = high & mask
    threshold = (mask >> 1) + (high < 0)
    return (high >> right) + (remainder > threshold)


def activation_range(activation: int, output: Tensor) -> tuple[int, int]:
    """Stored values to which a fused activation clamps (CalculateActivationRangeQuantized).

    Args:
        activation: the schema's ``fused_activation_function``, one of ``CLAMPING``.
        output: int8 tensor with per-tensor quantization.
    """
    assert output.quantization is not None
    limits = np.iinfo(output.dtype.value)
    scale, zero_point = np.float32(output.quantization.scale), output.quantization.zero_point

    def quantize(real: float) -> int:
        return zero_point + _round_half_away(float(np.float32(real) / scale))

    low, high = int(limits.min), int(limits.max)
    match Activation(activation):
        case Activation.RELU:
            low = max(low, quantize(0.0))
        case Activation.RELU6:
            low, high = max(low, quantize(0.0)), min(high, quantize(6.0))
        case Activation.RELU_N1_TO_1:
            low, high = max(low, quantize(-1.0)), min(high, quantize(1.0))
        case _:
            pass
    return low, high
