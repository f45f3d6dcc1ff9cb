"""3x3 depthwise convolutions of stride 1 on DSP instructions, from strips of unpacked rows.

Forms ``int16``, ``int8`` and ``int8_cached`` differ in how the filters lie in flash: 36 bytes a channel, or 18
of which the 36 are made in RAM, four channels at a time or all of them. Other windows are in
``depthwise_taps.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.packing import Filters, filters_of
from tinygen.ir import Call, Constant, Graph, Param
from tinygen.lower.requantize import Rescale, multiply_by_quantized_multiplier

__all__ = ["DepthwiseStrip", "Shortened", "Window", "int8_params", "mapping", "shortened", "stream_of"]

Ints = NDArray[np.int64]
HEADER = "depthwise/tg_depthwise.h"

# TG_DEPTHWISE_SHIFT, and the exponents that it serves: 8-bit weights times 2^(1 + shift - e) fit in int16.
SHIFT = 10
EXPONENTS = range(3, SHIFT)
# TG_DEPTHWISE_CHANNEL_WORDS.
CHANNEL_WORDS = 9
# Sums of a channel that are tried one by one, when a factor is to be replaced by a coarser one.
MAX_TRIED_SUMS = 1 << 22


@dataclass(frozen=True, slots=True)
class Window:
    """The geometry of a portable depthwise call."""

    batches: int
    channels: int
    input_height: int
    input_width: int
    output_height: int
    output_width: int
    kernel_height: int
    kernel_width: int
    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    pad_top: int
    pad_left: int
    fill: int

    @classmethod
    def of(cls, call: Call) -> Window | None:
        """``None`` if an input channel has several output channels."""
        scan, patch = _numbers(call.params, "scan"), _numbers(call.params, "patch")
        channels, multiplier = int(str(call.params["inputs"])), int(str(call.params["multiplier"]))
        if multiplier != 1:
            return None
        depth = _numbers(call.params, "filters")["depth"]
        return cls(
            batches=scan["batches"],
            channels=channels,
            input_height=patch["input_height"],
            input_width=patch["input_row_bytes"] // channels,
            output_height=scan["output_height"],
            output_width=scan["output_width"],
            kernel_height=patch["rows"],
            kernel_width=depth // patch["rows"],
            stride_height=scan["stride_rows"],
            stride_width=scan["stride_bytes"] // channels,
            dilation_height=patch["row_step"],
            dilation_width=1 if patch["pieces"] == 1 else patch["piece_step"] // channels,
            pad_top=-scan["first_row"],
            pad_left=-scan["first_byte"] // channels,
            fill=patch["fill"],
        )

    @property
    def image_growth(self) -> int:
        """Bytes by which an image's output is larger than its input."""
        return (self.output_height * self.output_width - self.input_height * self.input_width) * self.channels


@dataclass(frozen=True, slots=True, eq=False)
class Shortened:
    """A layer whose exponents all are in ``EXPONENTS``.

    Attributes:
        rounding: [channels], what is added before the last shift.
    """

    filters: Filters
    rounding: Ints

    @property
    def scale(self) -> Ints:
        """1 + d: how far filters and biases are shifted to the left."""
        return 1 + SHIFT - self.filters.exponent

    @property
    def plain(self) -> bool:
        """Whether the rounding follows from the exponents."""
        return bool((self.rounding == _rounding(self.filters.exponent, self.filters.zero_point)).all())

    @property
    def fits(self) -> bool:
        """Whether exponents, filters and sums have the sizes that the kernels need."""
        exponent = self.filters.exponent
        if exponent.min() < EXPONENTS.start or exponent.max() >= EXPONENTS.stop:
            return False
        weights = self.filters.weights << self.scale[:, None]
        halves = weights.min() >= -(1 << 15) and weights.max() < 1 << 15
        return bool(halves and (self.filters.magnitude << self.scale < 1 << 31).all())


def shortened(filters: Filters) -> Shortened | None:
    """The same layer as the two-instruction requantization of ``tg_depthwise.h`` needs it.

    A channel whose output never changes becomes a constant, and one with a larger exponent gets a coarser
    factor, if there is one that rescales every sum that the channel can have as before. ``None`` if the
    layer has other channels, or a lower limit below its zero point.
    """
    if filters.low < filters.zero_point:
        return None
    if (filters.magnitude << np.maximum(-filters.exponent, 0) >= 1 << 31).any():
        return None
    fields = ("weights", "bias", "multiplier", "exponent", "smallest", "largest")
    filters = replace(filters, **{name: getattr(filters, name).copy() for name in fields})
    rounding = _rounding(np.clip(filters.exponent, 0, SHIFT - 1), filters.zero_point)
    for i in range(filters.count):
        low, high = _outputs(filters, i, np.array([filters.smallest[i], filters.largest[i]]))
        if low == high:
            filters.weights[i], filters.multiplier[i], filters.exponent[i] = 0, 1 << 30, SHIFT - 1
            filters.bias[i] = (int(low) - filters.zero_point) << SHIFT
            filters.smallest[i] = filters.largest[i] = filters.bias[i]
            rounding[i] = _rounding(filters.exponent[i], filters.zero_point)
        elif filters.exponent[i] >= SHIFT:
            coarse = _coarser(filters, i)
            if coarse is None:
                return None
            filters.multiplier[i], filters.exponent[i] = coarse.multiplier, SHIFT - 1
            for values in (filters.bias, filters.smallest, filters.largest):
                values[i] += coarse.offset
            rounding[i] = coarse.rounding
    short = Shortened(filters, rounding)
    return short if short.fits else None


def _rounding(exponent: Ints, zero_point: int) -> Ints:
    """2^(d - 1) + 2^(SHIFT - 1) + zero point * 2^SHIFT."""
    return np.asarray((1 << (SHIFT - 1 - exponent)) + (1 << (SHIFT - 1)) + (zero_point << SHIFT))


def _outputs(filters: Filters, channel: int, sums: Ints) -> Ints:
    """The stored outputs of a channel's sums."""
    rescale = Rescale(int(filters.multiplier[channel]), -int(filters.exponent[channel]))
    outputs = multiply_by_quantized_multiplier(sums, rescale) + filters.zero_point
    return np.clip(outputs, filters.low, filters.high)


@dataclass(frozen=True, slots=True)
class Coarse:
    """A factor of exponent ``SHIFT - 1``, applied to the sum plus an offset."""

    multiplier: int
    rounding: int
    offset: int


def _coarser(filters: Filters, channel: int) -> Coarse | None:
    """Short arithmetic that rescales each sum of a channel as its own factor does.

    An output is at least v from some sum t(v) on, with both arithmetics; the coarse one gets there at
    c(v) = ceil(((v - zero point) * 2^SHIFT + zero point * 2^SHIFT - rounding) * 2^30 / multiplier). If all
    c(v) - t(v) are equal, an offset of that size makes them the same. Roundings other than the plain one
    move the fractions before the ceiling; one of some hundred usually fits.
    """
    smallest, largest = int(filters.smallest[channel]), int(filters.largest[channel])
    if largest - smallest >= MAX_TRIED_SUMS:
        return None
    outputs = _outputs(filters, channel, np.arange(smallest, largest + 1, dtype=np.int64))
    steps = np.flatnonzero(np.diff(outputs))
    if (np.diff(outputs) > 1).any():
        return None
    reached = smallest + 1 + steps  # t(v)
    values = outputs[steps + 1]
    first = int(filters.multiplier[channel]) >> (int(filters.exponent[channel]) - (SHIFT - 1))
    plain = int(_rounding(np.int64(SHIFT - 1), filters.zero_point))  # type: ignore[arg-type]
    roundings = plain + np.array(sorted(range(-4096, 4096), key=abs))
    for multiplier in range(first - 2, first + 4):
        offsets = -((roundings[:, None] - (values << SHIFT)[None, :]) * (1 << 30) // multiplier) - reached
        same = np.flatnonzero(offsets.min(axis=1) == offsets.max(axis=1))
        if same.size:
            return Coarse(multiplier, int(roundings[same[0]]), int(offsets[same[0], 0]))
    return None


def stream_of(short: Shortened) -> NDArray[np.int32]:
    """[channels, 9] words as ``TG_DEPTHWISE_CHANNEL_WORDS`` describes them."""
    filters, scale = short.filters, short.scale
    w = (filters.weights << scale[:, None]).reshape(-1, 3, 3) & 0xFFFF  # [channel][row][column]
    pairs = np.stack([w[:, 0] | w[:, 1] << 16, w[:, 1] | w[:, 2] << 16], axis=-1).reshape(-1, 6)
    factors = np.stack([filters.multiplier, short.rounding, filters.bias << scale], axis=1)
    words = np.concatenate([pairs, factors], axis=1)
    return (words & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


@register
class DepthwiseStrip(Form):
    """3x3 windows of stride 1."""

    replaces: ClassVar = ("tg_depthwise_conv_2d",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        window = Window.of(call)
        if not target.dsp or window is None or not _strip_serves(window):
            return
        short = shortened(filters_of(mapping(call.params, "filters")))
        if short is None:
            return
        stream: dict[str, Param] = {"stream": Constant("stream", stream_of(short))}
        channels = window.channels
        ways = [("int16", "int16", stream, 0, 0)]
        if short.plain:
            int8, steps = int8_params(short.filters), -(-window.output_height // 2)
            ways.append(("int8", "int8", {"at_once": 4, **int8}, 4, MAKE_INSTRUCTIONS * steps * window.batches))
            ways.append(("int8_cached", "int8", {"at_once": channels, **int8}, channels, MAKE_INSTRUCTIONS))
        for form, name, params, made, make in ways:
            yield Candidate(
                form=form,
                calls=(
                    replace(
                        call,
                        kernel=f"tg_depthwise_3x3_{name}",
                        header=HEADER,
                        sources=(
                            f"depthwise/tg_depthwise_3x3_{name}.c",
                            "depthwise/tg_depthwise_rows.c",
                            "depthwise/tg_depthwise_strip.c",
                        ),
                        params={"strip": _strip_params(window, short.filters), **params},
                        scratch_bytes=made * 4 * CHANNEL_WORDS + _strip_bytes(window),
                        lead={0: _strip_lead(window)},
                    ),
                ),
                instructions=_strip_instructions(window) + make * channels,
                reason="3x3 of stride 1, two rows x four channels",
            )


def _strip_serves(window: Window) -> bool:
    kernel = window.kernel_height, window.kernel_width, window.stride_height, window.stride_width
    return (
        kernel == (3, 3, 1, 1)
        and (window.dilation_height, window.dilation_width) == (1, 1)
        and window.channels >= 4
        and window.output_width >= 2
        and window.pad_top in (0, 1)
        and window.pad_left in (0, 1)
        and window.input_width + window.pad_left <= window.output_width + 2
    )


def _strip_params(window: Window, filters: Filters) -> dict[str, Param]:
    return {
        "batches": window.batches,
        "channels": window.channels,
        "input_height": window.input_height,
        "input_width": window.input_width,
        "output_height": window.output_height,
        "output_width": window.output_width,
        "pad_top": window.pad_top,
        "pad_left": window.pad_left,
        "fill": window.fill,
        "output_min": filters.low,
        "output_max": filters.high,
    }


def int8_params(filters: Filters) -> dict[str, Param]:
    """One factor for all channels where the layer has one, and where no channel had to be changed."""
    factors = np.unique(np.stack([filters.multiplier, filters.exponent], axis=1), axis=0)
    count = 1 if len(factors) == 1 else filters.count
    return {
        "output_zero_point": filters.zero_point,
        "weights": Constant("weights", filters.weights.astype(np.int8)),
        "channels": {
            "bias": Constant("bias", filters.bias.astype(np.int32)),
            "multiplier": Constant("multiplier", filters.multiplier[:count].astype(np.int32)),
            "shift": Constant("shift", (-filters.exponent[:count]).astype(np.int8)),
            "step": 1 if count > 1 else 0,
        },
    }


def _groups(window: Window) -> int:
    return -(-window.channels // 4)


def _strip_bytes(window: Window) -> int:
    """See ``tg_depthwise_strip.c``."""
    saved = 16 * _groups(window) * window.input_width
    return 24 + 32 * (window.output_width + 2) + saved + window.channels


def _strip_lead(window: Window) -> int:
    """``Call.lead`` of output rows 2p and 2p + 1, written group by group, each after input rows r and
    r + 1 of the group, r = 2p + 2 - pad_top, have been read; above them nothing is needed any more."""
    row_in = window.input_width * window.channels
    row_out = window.output_width * window.channels
    first = np.arange(0, window.output_height, 2)
    rows = np.minimum(first + 2, window.output_height)
    read = np.clip(first + 2 - window.pad_top, 0, window.input_height) * row_in
    done = np.clip(first + 4 - window.pad_top, 0, window.input_height) * row_in
    done[-1] = window.input_height * row_in
    worst = int((rows * row_out - done).max())
    if _groups(window) > 1:
        # All groups but the last write as far into the last pixel as the next group still reads in the first.
        ahead = np.where(read < window.input_height * row_in, rows * row_out - window.channels - read, 0)
        worst = max(worst, int(ahead.max()))
    return max(worst, worst + (window.batches - 1) * window.image_growth, 0)


# Counted in tg_depthwise_rows.c (Cortex-M4) and measured around it: a packed column; two columns and one of
# two output rows, and of one; a channel and a group besides; a step of all groups; the stream of a channel.
COLUMN_INSTRUCTIONS = 16
PAIR_INSTRUCTIONS = 47
SINGLE_INSTRUCTIONS = 23
ROW_PAIR_INSTRUCTIONS = 28
ROW_SINGLE_INSTRUCTIONS = 13
CHANNEL_INSTRUCTIONS = 9
GROUP_INSTRUCTIONS = 17
STEP_INSTRUCTIONS = 110
MAKE_INSTRUCTIONS = 84


def _strip_instructions(window: Window) -> int:
    """Of one inference with a stream that is there."""
    pairs, single = divmod(window.output_width, 2)
    two_rows = CHANNEL_INSTRUCTIONS + PAIR_INSTRUCTIONS * pairs + SINGLE_INSTRUCTIONS * single
    one_row = CHANNEL_INSTRUCTIONS + ROW_PAIR_INSTRUCTIONS * pairs + ROW_SINGLE_INSTRUCTIONS * single
    steps, last = divmod(window.output_height, 2)
    pack = _groups(window) * (GROUP_INSTRUCTIONS + COLUMN_INSTRUCTIONS * window.input_width) + STEP_INSTRUCTIONS
    image = (1 + steps + last) * pack + window.channels * (steps * two_rows + last * one_row)
    return window.batches * image + 100


def mapping(params: Mapping[str, Param], name: str) -> Mapping[str, Param]:
    """A nested struct of a call's parameters."""
    inner = params[name]
    assert isinstance(inner, Mapping)
    return inner


def _numbers(params: Mapping[str, Param], name: str) -> dict[str, int]:
    return {key: value for key, value in mapping(params, name).items() if isinstance(value, int)}
