"""Biases and factors of output channels in few bits, unpacked before any kernel that reads them.

``firmware/kernels/weights/tg_unpack_channels.h`` describes the encoding from the kernels' side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import frexp

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.decoding import Decoder, Path, behind_decoder
from tinygen.forms.form import Candidate
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["SUFFIX", "with_packed_channels"]

Ints = NDArray[np.int64]

# Of the form's name.
SUFFIX = "+channels"
KERNEL = "tg_unpack_channels"
HEADER, SOURCES = f"weights/{KERNEL}.h", (f"weights/{KERNEL}.c",)

# Of a float32; of a multiplier, which is at least 2^30.
FRACTION_BITS, PLAIN_BITS = 23, 30
MOST_BITS = 30  # of any field
MOST_CHANNELS = (1 << 16) - 1
# 2^32 times the scale is tried so far above and below: the nearest one may round some multiplier the wrong way.
NEIGHBOURS = (0, 1, -1, 2, -2)

# Counted in tg_unpack_channels.c (Cortex-M4, -Os).
CHANNEL_INSTRUCTIONS = 80
CALL_INSTRUCTIONS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """The constants of a kernel's channels, in its order.

    Attributes:
        fields: where the kernel's pointers to them are, and how far each leads behind the first unpacked byte.
        paired: whether the kernel reads words of ``tg_gemm_pair8``.
    """

    bias: Ints
    multiplier: Ints
    shift: Ints
    fields: Mapping[Path, int]
    paired: bool

    @property
    def bytes(self) -> int:
        """Unpacked."""
        return len(self.bias) * (8 if self.paired else 9)


@dataclass(frozen=True, slots=True, eq=False)
class Fractions:
    """Factors as floats times a scale that they share.

    Attributes:
        scale: 2^32 times the scale.
        bits: of a fraction.
        fractions: [channels].
        shift: [channels], that of the factor if the product with the scale was not doubled, else one more.
    """

    scale: int
    bits: int
    fractions: Ints
    shift: Ints


def with_packed_channels(candidate: Candidate, graph: Graph) -> Candidate | None:
    """The candidate with its channels' constants packed; ``None`` if it has none, or others than can be."""
    if len(candidate.calls) != 1:
        return None
    (call,) = candidate.calls
    channels = _channels_of((call.parts or (call,))[-1].params)
    decoder = _decoder(channels, _scale(call, graph)) if channels else None
    if channels is None or decoder is None:
        return None
    count = len(channels.bias)
    return replace(
        candidate,
        form=f"{candidate.form}{SUFFIX}",
        calls=(behind_decoder(call, decoder),),
        instructions=candidate.instructions + CALL_INSTRUCTIONS + CHANNEL_INSTRUCTIONS * count,
        reason=", ".join(filter(None, (candidate.reason, f"{_bits(decoder)} bits for bias and factor of a channel"))),
    )


def _channels_of(params: Mapping[str, Param], path: Path = ()) -> Channels | None:
    """The first ``tg_channels_t`` with a factor for each channel, or constants of ``tg_gemm_pair8``, in a struct."""
    for name, value in params.items():
        here = (*path, name)
        if name == "constants" and isinstance(value, Constant) and value.data.size:
            words = np.asarray(value.data).reshape(-1, 2).astype(np.int64)
            return Channels(words[:, 1] >> 8, words[:, 0], -1 - (words[:, 1] & 0xFF), {here: 0}, paired=True)
        if isinstance(value, Mapping):
            found = _arrays_of(value, here) if name == "channels" else _channels_of(value, here)
            if found is not None:
                return found
    return None


def _arrays_of(channels: Mapping[str, Param], path: Path) -> Channels | None:
    arrays = [channels[name] for name in ("bias", "multiplier", "shift")]
    bias, multiplier, shift = (
        np.asarray(a.data).reshape(-1).astype(np.int64) for a in arrays if isinstance(a, Constant)
    )
    if channels["step"] != 1 or len(bias) != len(multiplier):
        return None
    size = 4 * len(bias)
    places = {(*path, "bias"): 0, (*path, "multiplier"): size, (*path, "shift"): 2 * size}
    return Channels(bias, multiplier, shift, places, paired=False)


def _scale(call: Call, graph: Graph) -> Fraction | None:
    """What the scales of the weights are multiplied by in the factors."""
    ends = [graph.tensors[views[0].tensor].quantization for views in (call.inputs, call.outputs)]
    return Fraction(ends[0].scale) / Fraction(ends[1].scale) if ends[0] and ends[1] else None


def _decoder(channels: Channels, scale: Fraction | None) -> Decoder | None:
    packed = next(_fractions(channels, scale), None)
    bias_bits = 1 + max(int(b).bit_length() for b in np.where(channels.bias < 0, ~channels.bias, channels.bias))
    if packed is None or bias_bits > MOST_BITS or len(channels.bias) > MOST_CHANNELS:
        return None
    lowest = int(packed.shift.min())
    shift_bits = int(packed.shift.max() - lowest).bit_length()
    bias = channels.bias + (1 << (bias_bits - 1))
    fields = [(packed.fractions, packed.bits), (packed.shift - lowest, shift_bits), (bias, bias_bits)]
    params: dict[str, Param] = {
        "codes": Constant("codes", _stream(fields)),
        "scale_fraction": np.uint32(packed.scale & 0xFFFFFFFF),
        "scale": np.uint8(packed.scale >> 32),
        "fraction_bits": np.uint8(packed.bits),
        "shift_bits": np.uint8(shift_bits),
        "bias_bits": np.uint8(bias_bits),
        "shift": np.int8(lowest),
        "paired": np.uint8(channels.paired),
        "count": np.uint16(len(channels.bias)),
    }
    return Decoder(KERNEL, HEADER, SOURCES, params, channels.bytes, channels.fields)


def _bits(decoder: Decoder) -> int:
    return sum(int(str(decoder.params[f"{name}_bits"])) for name in ("fraction", "shift", "bias"))


def _fractions(channels: Channels, scale: Fraction | None) -> Iterator[Fractions]:
    """The ways to make exactly these factors, the smallest first; none if one of them is 0."""
    if channels.multiplier.min() < 1 << PLAIN_BITS:
        return
    if scale is not None:
        _, exponent = frexp(scale)
        nearest = round(scale * Fraction(2) ** (FRACTION_BITS + 17 - exponent))  # between 2^39 and 2^40
        for fixed in (nearest + n for n in NEIGHBOURS):
            yield from _as_floats(channels, fixed, FRACTION_BITS)
    yield from _as_floats(channels, 2 << 32, PLAIN_BITS)


def _as_floats(channels: Channels, scale: int, bits: int) -> Iterator[Fractions]:
    """By the nearest floats, if unpacking yields the factors again."""
    multiplier = channels.multiplier.astype(object)  # products of 64 bits
    floats = ((multiplier << 33) + scale // 2) // scale
    doubled = floats >> (bits + 1) > 0
    floats = np.where(doubled, ((multiplier << 32) + scale // 2) // scale, floats)
    fractions = floats - (1 << bits)
    if not ((fractions >= 0) & (fractions < 1 << bits)).all():
        return
    product = floats * scale
    if ((product >> 63 == 0) == doubled).all() and (((product << doubled) >> 32) + 1 >> 1 == multiplier).all():
        yield Fractions(scale, bits, fractions.astype(np.int64), channels.shift + doubled.astype(np.int64))


def _stream(fields: Sequence[tuple[Ints, int]]) -> NDArray[np.uint32]:
    """The fields of each channel side by side, from the lowest bit on; a word follows that where the last begins."""
    bits = np.concatenate([(values[:, None] >> np.arange(width)) & 1 for values, width in fields], axis=1).reshape(-1)
    words = (bits.size - fields[-1][1]) // 32 + 2
    return np.packbits(np.pad(bits, (0, 32 * words - bits.size)).astype(np.uint8), bitorder="little").view(np.uint32)
