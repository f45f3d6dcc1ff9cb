"""Depthwise convolutions with windows of any kind on DSP instructions.

Form ``taps`` has its filters widened in flash, ``taps_int8`` widens them to scratch memory.

``tg_depthwise_taps.h`` describes the kernel and the layout of its stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.depthwise import Window, int8_params, mapping, shortened
from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.packing import Filters, filters_of
from tinygen.ir import Call, Constant, Graph, Param
from tinygen.lower.window import Axis, Layout, lead

__all__ = ["DepthwiseTaps"]

Ints = NDArray[np.int64]

# Exponents of the general requantization, see tg_depthwise_taps.h.
EXPONENTS = range(1, 23)

# Counted in tg_depthwise_windows.c (Cortex-M4): eight taps, a group besides, its general requantization; a window
# besides, and one at the border of the image, which finds its taps first.
EIGHT_INSTRUCTIONS = 59
GROUP_INSTRUCTIONS = 29
GENERAL_INSTRUCTIONS = 9
WINDOW_INSTRUCTIONS = 12
BORDER_INSTRUCTIONS = 120
BORDER_TAP_INSTRUCTIONS = 14
ROW_INSTRUCTIONS = 110
# A channel's part of the stream in tg_depthwise_taps_int8.c, and each tap of it.
MAKE_INSTRUCTIONS = 70
MAKE_TAP_INSTRUCTIONS = 10


@register
class DepthwiseTaps(Form):
    """Four channels of a window at a time, read where they lie."""

    replaces: ClassVar = ("tg_depthwise_conv_2d",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        window = Window.of(call)
        if not target.dsp or window is None or window.channels < 4:
            return
        filters = filters_of(mapping(call.params, "filters"))
        short = shortened(filters)
        if short is not None:
            filters, scale = short.filters, short.scale
            factors = np.stack([filters.multiplier, short.rounding], axis=1)
        elif _general(filters):
            scale = np.ones(filters.count, np.int64)
            rounding = (1 << (filters.exponent - 1)) + (filters.zero_point << filters.exponent)
            factors = np.stack([filters.multiplier, rounding, filters.exponent], axis=1)
        else:
            return
        stream = _stream(filters.weights << scale[:, None], filters.bias << scale, factors)
        height, width = _axes(window)
        top, bottom = _inner(height)
        left, right = _inner(width)
        geometry: dict[str, Param] = {
            **{name: getattr(window, name) for name in Window.__slots__},
            "inner_top": top,
            "inner_bottom": bottom,
            "inner_left": left,
            "inner_right": right,
            "output_min": filters.low,
            "output_max": filters.high,
            "group_words": stream.shape[1],
            "general": 0 if short is not None else 1,
        }
        scratch = 2 * 4 * (_by_eight(filters.weights.shape[1]) + 2) + window.channels
        ways: list[tuple[str, dict[str, Param], int, int]] = [
            ("taps", {"geometry": geometry, "stream": Constant("stream", stream.reshape(-1))}, 0, 0)
        ]
        if short is None or short.plain:
            made = MAKE_INSTRUCTIONS + MAKE_TAP_INSTRUCTIONS * filters.weights.shape[1]
            fields = {"geometry": geometry, **int8_params(filters)}
            ways.append(("taps_int8", fields, stream.nbytes, made * window.channels))
        for form, fields, made_bytes, make in ways:
            yield Candidate(
                form=form,
                calls=(
                    replace(
                        call,
                        kernel=f"tg_depthwise_{form}",
                        header="depthwise/tg_depthwise_taps.h",
                        sources=(
                            f"depthwise/tg_depthwise_{form}.c",
                            "depthwise/tg_depthwise_windows.c",
                            "depthwise/tg_depthwise_windows_of.c",
                        ),
                        params=fields,
                        scratch_bytes=made_bytes + scratch,
                        lead=lead(window.batches, height, width, _layout(window.channels)),
                    ),
                ),
                instructions=make + _instructions(window, (bottom - top) * (right - left), short is None),
                reason="any window, four channels" + ("" if short is None else ", short requantization"),
            )


def _general(filters: Filters) -> bool:
    """Whether the doubled sums and the rounding of each channel fit."""
    plain = filters.exponent.min() >= EXPONENTS.start and filters.exponent.max() < EXPONENTS.stop
    return bool(plain and filters.magnitude.max() < 1 << 30)


def _axes(window: Window) -> tuple[Axis, Axis]:
    w = window
    height = Axis(w.input_height, w.output_height, w.kernel_height, w.stride_height, w.dilation_height, w.pad_top)
    width = Axis(w.input_width, w.output_width, w.kernel_width, w.stride_width, w.dilation_width, w.pad_left)
    return height, width


def _inner(axis: Axis) -> tuple[int, int]:
    """The windows without a tap in the padding, from the first to behind the last."""
    first = -(-axis.pad // axis.stride)
    end = min((axis.size - axis.reach + axis.pad) // axis.stride + 1, axis.outputs)
    return (first, end) if first < end else (0, 0)


def _layout(channels: int) -> Layout:
    """Groups read what they write; left-over channels make the last group read channels a second time."""
    if channels % 4:
        return Layout(1, channels, channels, held=True)
    return Layout(channels // 4, 4, 4, held=False)


def _by_eight(taps: int) -> int:
    """Taps in the unrolled loop; one more follows."""
    return max((taps + 6) // 8 * 8, 8)


def _stream(weights: Ints, bias: Ints, factors: Ints) -> NDArray[np.int32]:
    """[groups, words] as ``tg_depthwise_taps.h`` describes them."""
    channels, taps = weights.shape
    start = np.minimum(np.arange(0, channels, 4), channels - 4)
    members = start[:, None] + np.arange(4)  # [groups, 4]
    filled = np.pad(weights, ((0, 0), (0, _by_eight(taps) + 1 - taps))) & 0xFFFF
    pairs = filled[:, 0:-1:2] | filled[:, 1:-1:2] << 16  # [channels, pairs]
    last = filled[:, -1]
    blocks = (
        bias[members],
        pairs[members].transpose(0, 2, 1).reshape(len(members), -1),
        last[members[:, :2]] | last[members[:, 2:]] << 16,
        factors[members].reshape(len(members), -1),
    )
    return (np.concatenate(blocks, axis=1) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def _instructions(window: Window, inner: int, general: bool) -> int:
    """Of one inference; ``inner`` windows lie inside the image."""
    taps = window.kernel_height * window.kernel_width
    windows = window.output_height * window.output_width
    groups = -(-window.channels // 4)
    each = EIGHT_INSTRUCTIONS * _by_eight(taps) // 8 + GROUP_INSTRUCTIONS + general * GENERAL_INSTRUCTIONS
    alone = BORDER_INSTRUCTIONS + BORDER_TAP_INSTRUCTIONS * taps
    image = windows * (groups * each + WINDOW_INSTRUCTIONS) + (windows - inner) * alone
    left_over = windows * 80 if window.channels % 4 else 0
    return window.batches * (image + left_over + window.output_height * ROW_INSTRUCTIONS)
