"""Weights, biases and factors as the DSP micro-kernels read them, and the proof that they may.

A layer's filters become one stream of words, pair of filters by pair of filters, in the order of use;
``firmware/kernels/conv_gemm/tg_conv_gemm.h`` describes it from the kernels' side. What is written here
about rounding uses these names: a sum ``s`` with its bias, a factor ``m * 2^(-31 - e)``, and TFLM's two
roundings, S = floor(s * m / 2^31 + 1/2), then S / 2^e to nearest with ties away from zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Array, Constant, Param
from tinygen.lower.requantize import Rescale, multiply_by_quantized_multiplier

__all__ = ["Filters", "Packed", "filters_of", "general_factors", "int16_stream", "pack_int16", "pack_pair8"]

Ints = NDArray[np.int64]

# The immediate shift in tg_gemm_int16's short form; of all exponents up to 11, none needs more than the
# int16 weights give: 127 * 2^(1 + 12 - e) fits for e >= 6, where layers of usual depth lie.
SHORT_SHIFT = 12
# Larger exponents could overflow the rounding constant, and leave nothing of any sum but a sign.
LARGEST_EXPONENT = 22


@dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """The filters of a layer and what becomes of their sums.

    Attributes:
        weights: [filters, depth].
        bias: [filters], with the input's zero point folded in.
        multiplier, exponent: [filters]; the factor is multiplier * 2^(-31 - exponent).
        zero_point, low, high: of the output.
        smallest, largest: [filters], what a sum can be for int8 inputs.
    """

    weights: Ints
    bias: Ints
    multiplier: Ints
    exponent: Ints
    zero_point: int
    low: int
    high: int
    smallest: Ints
    largest: Ints

    @property
    def count(self) -> int:
        return int(self.weights.shape[0])

    @property
    def magnitude(self) -> Ints:
        """The largest absolute value of each sum."""
        return np.maximum(np.abs(self.smallest), np.abs(self.largest))


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A layer for one of the micro-kernels.

    Attributes:
        stream: words.
        requantize: the field of ``tg_gemm_t``; it selects or parametrizes the kernel's requantization.
        constants: of each filter in the order of the stream, where they lie apart from it.
    """

    stream: NDArray[np.int32]
    requantize: int
    constants: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))


def filters_of(params: Mapping[str, Param]) -> Filters:
    """The filters of a portable call, from the fields of its ``tg_filters_t``."""
    channels = params["channels"]
    assert isinstance(channels, Mapping)
    weights = _values(params["weights"])
    count = weights.shape[0]
    weights = weights.reshape(count, -1)
    bias = _values(channels["bias"]).reshape(-1)
    multiplier = np.broadcast_to(_values(channels["multiplier"]), (count,)).copy()
    exponent = -np.broadcast_to(_values(channels["shift"]), (count,))
    low, high, zero_point = (int(str(params[f"output_{name}"])) for name in ("min", "max", "zero_point"))
    smallest = np.minimum(weights * -128, weights * 127).sum(axis=1) + bias
    largest = np.maximum(weights * -128, weights * 127).sum(axis=1) + bias
    filters = Filters(weights, bias, multiplier, exponent, zero_point, low, high, smallest, largest)
    _normalize_constant(filters)
    return filters


def _normalize_constant(filters: Filters) -> None:
    """Filters whose output never changes, whatever their factors, make it in a way that every form can pack.

    With the multiplier 2^30 and the exponent 1, a bias of 4 n yields n.
    """
    for i in range(filters.count):
        if filters.magnitude[i] << max(-int(filters.exponent[i]), 0) >= 1 << 31:
            continue
        ends = np.array([filters.smallest[i], filters.largest[i]])
        rescale = Rescale(int(filters.multiplier[i]), -int(filters.exponent[i]))
        outputs = multiply_by_quantized_multiplier(ends, rescale) + filters.zero_point
        low, high = np.clip(outputs, filters.low, filters.high)
        if low == high:
            filters.weights[i] = 0
            filters.bias[i] = filters.smallest[i] = filters.largest[i] = 4 * (int(low) - filters.zero_point)
            filters.multiplier[i], filters.exponent[i] = 1 << 30, 1


def pack_int16(filters: Filters, order: Ints) -> Packed | None:
    """The stream of ``tg_gemm_int16``; ``None`` if the layer misses its preconditions.

    Args:
        order: for each value of a column its place in a filter, -1 where the column holds none.
    """
    return _pack_short(filters, order) or _pack_general(filters, order)


def _pack_short(filters: Filters, order: Ints) -> Packed | None:
    """Sums are scaled by 2^(1+d), d = 12 - e, so that one immediate shift serves all filters.

    The high word of s * 2^(1+d) * m is floor(2^d * s * m / 2^31); with 2^(d-1) added, its bits from d on
    are S. Adding 2^(e-1) at that place and shifting by e is the second rounding with ties up, which
    differs from ties away only where S < 0; and there the output is the lower limit in either case, if
    that is not below the zero point. e = 0 has no second rounding; a negative e multiplies before.
    """
    exponent = np.maximum(filters.exponent, 0)
    spare = SHORT_SHIFT - exponent
    scale = 1 + SHORT_SHIFT - filters.exponent
    if filters.low < filters.zero_point or (spare < 1).any() or (scale > 16).any():
        return None
    weights = filters.weights << scale[:, None]
    if not _fits(weights, 16) or (filters.magnitude << scale >= 1 << 31).any():
        return None
    constant = (
        (1 << (spare - 1)) + np.where(exponent > 0, 1 << (SHORT_SHIFT - 1), 0) + (filters.zero_point << SHORT_SHIFT)
    )
    factors = np.stack([filters.multiplier, constant], axis=1)
    return Packed(int16_stream(weights, filters.bias << scale, factors, order), 0)


def general_factors(filters: Filters) -> Ints | None:
    """Multiplier, constant and exponent of each filter, for twice the sums; ``None`` if a filter has none.

    The rounded high word of 2 s * m is S. The second rounding adds 2^(e-1), or one less where the sum is
    negative, and shifts by e; with e > 0 that is ties away from zero.
    """
    if not _plain_exponents(filters) or (filters.magnitude >= 1 << 30).any():
        return None
    constant = (1 << (filters.exponent - 1)) + (filters.zero_point << filters.exponent)
    return np.stack([filters.multiplier, constant, filters.exponent], axis=1)


def _pack_general(filters: Filters, order: Ints) -> Packed | None:
    factors = general_factors(filters)
    if factors is None:
        return None
    return Packed(int16_stream(2 * filters.weights, 2 * filters.bias, factors, order), 1)


def _plain_exponents(filters: Filters) -> bool:
    return bool(((filters.exponent >= 1) & (filters.exponent <= LARGEST_EXPONENT)).all())


def int16_stream(weights: Ints, bias: Ints, factors: Ints, order: Ints) -> NDArray[np.int32]:
    """For each pair: its biases twice, the steps, the factors of both."""
    pairs = pair_order(len(weights))
    steps = words_of_halves(_ordered(weights, order))  # [filters, steps, 2]
    blocks = (
        np.concatenate([bias[pairs], bias[pairs]], axis=1),
        steps[pairs].transpose(0, 2, 1, 3).reshape(len(pairs), -1),
        factors[pairs].reshape(len(pairs), -1),
    )
    return _int32(np.concatenate(blocks, axis=1).reshape(-1))


def pack_pair8(filters: Filters, order: Ints) -> Packed | None:
    """The stream of ``tg_gemm_pair8``; ``None`` if the layer misses its preconditions.

    The second filter of a pair is told from the first as long as its sums have 24 bits, and the biases
    share their words with the exponents.
    """
    if not _plain_exponents(filters):
        return None
    unbiased = np.maximum(np.abs(filters.smallest - filters.bias), np.abs(filters.largest - filters.bias))
    if max(unbiased.max(), filters.magnitude.max(), np.abs(filters.bias).max()) >= 1 << 23:
        return None
    pairs = pair_order(filters.count)
    both = filters.weights[pairs[:, 0]] + 256 * filters.weights[pairs[:, 1]]
    if not _fits(both, 16):
        return None
    stream = words_of_halves(_ordered(both, order))
    constants = np.stack([filters.multiplier, filters.bias * 256 + filters.exponent - 1], axis=-1)[pairs]
    return Packed(_int32(stream.reshape(-1)), 2 * filters.zero_point + 1, _int32(constants.reshape(-1)))


def pair_order(count: int) -> Ints:
    """Which filters make pairs, [pairs, 2]: neighbours; of an odd number the last two make one more."""
    first = np.minimum(np.arange(0, count, 2), count - 2)
    return np.stack([first, first + 1], axis=1).astype(np.int64)


def words_of_halves(values: Ints) -> Ints:
    """Four values k0 k1 k2 k3 a step as words (k0, k2), (k1, k3): [..., 4 n] to [..., n, 2]."""
    k = values.reshape(*values.shape[:-1], -1, 4) & 0xFFFF
    return np.stack([k[..., 0] | (k[..., 2] << 16), k[..., 1] | (k[..., 3] << 16)], axis=-1)


def _ordered(weights: Ints, order: Ints) -> Ints:
    """Weights in the order of a column; 0 where it holds none."""
    return np.where(order >= 0, weights[:, order], 0)


def _fits(values: Ints, bits: int) -> bool:
    return bool(values.min() >= -(1 << (bits - 1)) and values.max() < 1 << (bits - 1))


def _int32(words: Ints) -> NDArray[np.int32]:
    """The low 32 bits."""
    return (words & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def _values(param: Param) -> Ints:
    assert isinstance(param, Constant)
    data: Array = param.data
    return np.asarray(data).astype(np.int64)
