"""int8 functions of one int8 value as tables, by the reference kernels' own arithmetic.

A function here takes the input's and the output's quantization and returns int64 [256]: the stored
output of each stored input from -128 to 127. Single precision is used where TFLM does. Sources:
TFLM's ``micro/kernels/<op>.cc`` and ``<op>_common.cc``, and the reference kernels that they call.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Quantization
from tinygen.lower import fixed_point
from tinygen.lower.requantize import Rescale, multiply_by_quantized_multiplier, quantize_multiplier

__all__ = [
    "STORED",
    "Table",
    "abs_table",
    "elu_is_certain",
    "elu_table",
    "hard_swish_table",
    "leaky_relu_table",
    "logistic_table",
    "relu6_table",
    "relu_table",
    "requantize_table",
    "saturate",
    "tanh_table",
]

Table = NDArray[np.int64]

# All stored int8 values, ascending.
STORED: Table = np.arange(-128, 128, dtype=np.int64)


def saturate(values: Table, low: int = -128, high: int = 127) -> Table:
    """Clamp to a range of stored values."""
    return np.clip(values, low, high)


def relu_table(source: Quantization, target: Quantization) -> Table:
    """RELU: a requantization clamped from below at the output's zero point."""
    scaled = multiply_by_quantized_multiplier(STORED - source.zero_point, _ratio(source, target))
    return saturate(scaled + target.zero_point, low=max(-128, target.zero_point))


def relu6_table(source: Quantization, target: Quantization) -> Table:
    """RELU6: clamps stored values in the input's quantization; TFLM doesn't look at the output's."""
    del target
    six = _round(np.float32(6.0) / np.float32(source.scale)) + source.zero_point
    return saturate(STORED, source.zero_point, max(-128, min(127, six)))


def leaky_relu_table(source: Quantization, target: Quantization, alpha: float) -> Table:
    """LEAKY_RELU; ``alpha`` may be negative, and is rounded as its magnitude."""
    x = STORED - source.zero_point
    slope = source.scale * alpha / target.scale
    negative = multiply_by_quantized_multiplier(x, quantize_multiplier(abs(slope)))
    positive = multiply_by_quantized_multiplier(x, _ratio(source, target))
    return saturate(np.where(x >= 0, positive, -negative if slope < 0 else negative) + target.zero_point)


def logistic_table(source: Quantization, target: Quantization) -> Table:
    """LOGISTIC: TFLM demands the output's zero point -128 and takes its scale for 1/256."""
    del target
    return _saturating(source, lambda x: fixed_point.divide_by_pot(fixed_point.logistic(x, 4), 23) - 128)


def tanh_table(source: Quantization, target: Quantization) -> Table:
    """TANH: TFLM takes the output's quantization for 1/128 and 0 without looking."""
    del target
    return _saturating(source, lambda x: fixed_point.divide_by_pot(fixed_point.tanh(x, 4), 24))


def hard_swish_table(source: Quantization, target: Quantization) -> Table:
    """HARD_SWISH, in 16-bit fixed point."""
    fine_scale = np.float32(1.0 / 128.0) * np.float32(source.scale)
    output = quantize_multiplier(float(fine_scale / np.float32(target.scale)))
    gate = quantize_multiplier(float(fine_scale / (np.float32(3.0) / np.float32(32768.0))))
    return np.array([_hard_swish(int(x) - source.zero_point, output, gate, target.zero_point) for x in STORED])


def requantize_table(
    source: Quantization, target: Quantization, *, stored: Table = STORED, low: int = -128, high: int = 127
) -> Table:
    """QUANTIZE of ``stored`` values to another quantization that stores ``low`` … ``high``."""
    factor = quantize_multiplier(source.scale / target.scale)
    scaled = multiply_by_quantized_multiplier(stored - source.zero_point, factor)
    return saturate(scaled + target.zero_point, low, high)


def abs_table(source: Quantization, target: Quantization) -> Table:
    """ABS."""
    magnitude = np.abs(STORED - source.zero_point)
    if np.float32(source.scale) != np.float32(target.scale):
        magnitude = multiply_by_quantized_multiplier(magnitude, _ratio(source, target))
    return saturate(magnitude + target.zero_point)


def elu_table(source: Quantization, target: Quantization) -> Table:
    """ELU: TFLM fills its own table in single precision."""
    return _elu(source, target, 0.0)


def elu_is_certain(source: Quantization, target: Quantization) -> bool:
    """Whether ``elu_table`` can't differ from the reference's by how its C library rounds ``expf``.

    The wheel calls glibc's, which is off by at most 0.502 units in the last place (of 2^-24): it rounds
    as exact arithmetic does unless the exact value lies within 2^-31 of a tie, relatively.
    """
    return all(np.array_equal(_elu(source, target, e), _elu(source, target, 0.0)) for e in (-(2.0**-31), 2.0**-31))


def _elu(source: Quantization, target: Quantization, relative_error: float) -> Table:
    inverse = np.float32(1.0) / np.float32(target.scale)

    def entry(stored: int) -> int:
        x = np.float32(source.scale) * np.float32(stored - source.zero_point)
        if x < 0:
            x = np.float32(math.exp(float(x)) * (1.0 + relative_error)) - np.float32(1.0)
        rescaled = np.float32(_round(x * inverse))
        return int(rescaled + np.float32(target.zero_point))

    return saturate(np.array([entry(int(x)) for x in STORED]))


def _ratio(source: Quantization, target: Quantization) -> Rescale:
    """The factor input scale / output scale."""
    return quantize_multiplier(source.scale / target.scale)


def _round(x: np.floating) -> int:
    """std::round: halves go away from zero."""
    magnitude = math.floor(abs(float(x)) + 0.5)
    return magnitude if x >= 0 else -magnitude


def _saturating(source: Quantization, function: Callable[[int], int]) -> Table:
    """``function`` of x in Q4, saturated to int8; beyond about 16 in either direction an int8's extremes."""
    mantissa, shift = math.frexp(source.scale * (1 << 27))
    factor = Rescale(int(mantissa * (1 << 31)), shift)  # exact: a float32 has 24 bits
    radius = (15 << 27) >> shift

    def entry(x: int) -> int:
        if abs(x) >= radius:
            return 127 if x > -radius else -128
        return function(int(multiply_by_quantized_multiplier(np.array(x), factor)))

    return saturate(np.array([entry(int(x) - source.zero_point) for x in STORED]))


def _hard_swish(x: int, output: Rescale, gate: Rescale, zero_point: int) -> int:
    """One value; ``gate`` scales x so that 3.0 becomes 1.0 in 15 fraction bits."""
    fine = x << 7
    value = _high_mul16(fine, _to_16_bits(output.multiplier))
    opening = fine
    if gate.shift > 0:
        opening = _saturate16(opening << (gate.shift - 1))
    opening = _high_mul16(opening, _to_16_bits(gate.multiplier))
    if gate.shift > 0:
        opening = _saturate16(opening << 1)
    elif gate.shift < 0:
        opening = _divide_by_pot16(opening, -gate.shift)
    opening = (opening + (1 << 15)) >> 1  # from [-1, 1] to [0, 1]
    product = opening * value
    truncated = product >> 15 if product >= 0 else -(-product >> 15)  # rounds towards zero, unlike the others
    shifted = _divide_by_pot16(truncated, -output.shift)
    return max(-128, min(127, _wrap16(shifted + zero_point)))


def _to_16_bits(multiplier: int) -> int:
    """The upper half of a 31-bit multiplier, rounded (DownScaleInt32ToInt16Multiplier)."""
    return min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1)


def _high_mul16(a: int, b: int) -> int:
    """SaturatingRoundingDoublingHighMul on int16; no caller multiplies the two smallest values."""
    return (a * b + (1 << 14)) >> 15


def _divide_by_pot16(x: int, exponent: int) -> int:
    """RoundingDivideByPOT on int16, whose mask wraps for exponents over 15."""
    mask = _wrap16((1 << exponent) - 1)
    threshold = (mask >> 1) + (x < 0)
    return _wrap16((x >> exponent) + ((x & mask) > threshold))


def _saturate16(x: int) -> int:
    return max(-(1 << 15), min((1 << 15) - 1, x))


def _wrap16(x: int) -> int:
    return ((x + (1 << 15)) & 0xFFFF) - (1 << 15)
