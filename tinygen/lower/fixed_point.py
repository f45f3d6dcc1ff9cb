"""Fixed-point functions, bit for bit as TensorFlow Lite Micro's reference kernels compute them.

Numbers are Python integers that hold an int32: "Qm" has m integer bits, one sign bit and 31 - m
fraction bits. Used offline only, to fill tables. Source: gemmlowp's ``fixedpoint.h``.
"""

from __future__ import annotations

__all__ = [
    "INT32_MAX",
    "INT32_MIN",
    "divide_by_pot",
    "exp_on_negative_values",
    "high_mul",
    "logistic",
    "tanh",
]

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1

_EXP_MINUS_EIGHTH = 1895147668  # Q0, exp(-1/8)
_ONE_THIRD = 715827883  # Q0
_48_OVER_17 = 1515870810  # Q2
_MINUS_32_OVER_17 = -1010580540  # Q2
_ONE_Q2 = 1 << 29

# exp(-2^k) in Q0 for k = -2 … 4.
_EXP_OF_POWERS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242}


def high_mul(a: int, b: int) -> int:
    """Product of two Q0 numbers, to nearest, ties up (SaturatingRoundingDoublingHighMul)."""
    if a == b == INT32_MIN:
        return INT32_MAX
    return (a * b + (1 << 30)) >> 31


def divide_by_pot(x: int, exponent: int) -> int:
    """x / 2^exponent, to nearest, ties away from zero (RoundingDivideByPOT)."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def exp_on_negative_values(x: int, integer_bits: int) -> int:
    """exp(x) in Q0 of x <= 0 in Q``integer_bits``, at most 5.

    x is split into multiples of 1/4, whose factors come from a table, and a rest in [-1/4, 0).
    """
    if x == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (x & (quarter - 1)) - quarter
    result = _exp_on_last_quarter(_shift_left(rest, integer_bits))
    multiples = rest - x
    for power, factor in _EXP_OF_POWERS.items():
        if integer_bits > power and multiples & (1 << (fraction_bits + power)):
            result = high_mul(result, factor)
    return result


def logistic(x: int, integer_bits: int) -> int:
    """1 / (1 + exp(-x)) in Q0 of x in Q``integer_bits``."""
    if x == 0:
        return 1 << 30
    positive = _shift_left(_newton(exp_on_negative_values(-abs(x), integer_bits)), 1)
    return positive if x > 0 else INT32_MAX - positive


def tanh(x: int, integer_bits: int) -> int:
    """tanh(x) in Q0 of x in Q``integer_bits``: (1 - e) / (1 + e) with e = exp(-2 |x|)."""
    if x == 0:
        return 0
    # One more integer bit for the same bits doubles x.
    magnitude = _shift_left(_newton(exp_on_negative_values(-abs(x), integer_bits + 1)) - _ONE_Q2, 2)
    return magnitude if x > 0 else -magnitude


def _shift_left(x: int, exponent: int) -> int:
    """x * 2^exponent, saturated (SaturatingRoundingMultiplyByPOT)."""
    return min(max(x << exponent, INT32_MIN), INT32_MAX)


def _exp_on_last_quarter(x: int) -> int:
    """exp(x) of x in [-1/4, 0), all Q0: four terms of Taylor's series around -1/8."""
    y = x + (1 << 28)
    y2 = high_mul(y, y)
    y3 = high_mul(y2, y)
    y4 = high_mul(y2, y2)
    tail = divide_by_pot(high_mul(divide_by_pot(y4, 2) + y3, _ONE_THIRD) + y2, 1)
    return _EXP_MINUS_EIGHTH + high_mul(_EXP_MINUS_EIGHTH, y + tail)


def _newton(x: int) -> int:
    """2 / (1 + x) in Q2 of x in [0, 1) in Q0: three steps of Newton's method on a linear first guess."""
    half = (x + (1 << 31)) >> 1
    guess = _48_OVER_17 + high_mul(half, _MINUS_32_OVER_17)
    for _ in range(3):
        guess += _shift_left(high_mul(guess, _ONE_Q2 - high_mul(half, guess)), 2)
    return guess
