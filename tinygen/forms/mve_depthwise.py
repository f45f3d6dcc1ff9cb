"""3x3 depthwise convolutions on MVE, from a strip of four rows: form ``mve``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.depthwise import Window, mapping
from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.mve import plain
from tinygen.forms.packing import Filters, filters_of
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["MveDepthwise"]

HEADER = "mve/tg_mve_depthwise.h"
# Constants c of larger exponents could overflow.
LARGEST_EXPONENT = 22

# Channels that are pushed into the strip at a time; outputs of a vector with stride 2.
GROUP = 8
OUTPUTS = 4

# Counted in tg_mve_tiles.h and the compiler's output: four outputs with stride 1 and 2, a channel of a row or
# two besides, eight channels of a column of two rows, a column besides, all columns besides.
TILE_INSTRUCTIONS = 16
VECTOR_INSTRUCTIONS = 34
CHANNEL_INSTRUCTIONS = {1: 22, 2: 40}
GROUP_INSTRUCTIONS = 11
COLUMN_INSTRUCTIONS = 14
PUSH_INSTRUCTIONS = 60


@register
class MveDepthwise(Form):
    """3x3 windows of stride 1 or 2."""

    replaces: ClassVar = ("tg_depthwise_conv_2d",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        window = Window.of(call)
        if not target.mve or window is None or not _serves(window):
            return
        filters = filters_of(mapping(call.params, "filters"))
        if not plain(filters) or filters.exponent.max() > LARGEST_EXPONENT or filters.magnitude.max() >= 1 << 30:
            return
        params = _params(window, filters)
        strip = 4 * int(str(params["strip_channels"])) * int(str(params["columns"]))
        kernel, shared = _kernel(window, filters)
        yield Candidate(
            form="mve",
            calls=(
                replace(
                    call,
                    kernel=kernel,
                    header=HEADER,
                    sources=(f"mve/{kernel}.c", "mve/tg_mve_depthwise.c", *shared),
                    params=params,
                    scratch_bytes=strip + window.channels,
                    lead={0: _lead(window)},
                ),
            ),
            instructions=_instructions(window),
            reason="3x3, four outputs of a channel at a time",
        )


def _serves(window: Window) -> bool:
    kernel = window.kernel_height, window.kernel_width, window.dilation_height, window.dilation_width
    strides = window.stride_height, window.stride_width
    return kernel == (3, 3, 1, 1) and (strides == (2, 2) or (strides == (1, 1) and window.output_width >= 2))


def _kernel(window: Window, filters: Filters) -> tuple[str, tuple[str, ...]]:
    """The kernel, and the sources that it needs besides its own and the driver."""
    if window.stride_height == 2:
        return "tg_depthwise_3x3_stride_2_mve", ()
    relu = "_relu" if filters.low >= filters.zero_point else ""
    return f"tg_depthwise_3x3_mve{relu}", (f"mve/tg_mve_tiles{relu}.c", "mve/tg_mve_depthwise_pair.c")


def _params(window: Window, filters: Filters) -> dict[str, Param]:
    stride = window.stride_width
    outputs = window.output_width if stride == 1 else -(-window.output_width // OUTPUTS) * OUTPUTS
    columns = (outputs - 1) * stride + (3 if stride == 1 else 4)
    return {
        "batches": window.batches,
        "channels": window.channels,
        "input_height": window.input_height,
        "input_width": window.input_width,
        "output_height": window.output_height,
        "output_width": window.output_width,
        "pad_top": window.pad_top,
        "pad_left": window.pad_left,
        "columns": columns,
        "filled": min(window.input_width, columns - window.pad_left),
        "strip_channels": -(-window.channels // GROUP) * GROUP,
        "fill": window.fill,
        "output_min": filters.low,
        "output_max": filters.high,
        "stream": Constant("stream", _stream(filters)),
    }


def _stream(filters: Filters) -> NDArray[np.int32]:
    """[channels, 8] words as ``TG_MVE_DEPTHWISE_WORDS`` describes them."""
    count, e = filters.count, filters.exponent
    columns = np.zeros((count, 4, 4), np.int8)  # [channel][nothing and the filter's columns][row]
    columns[:, 1:, :3] = filters.weights.reshape(-1, 3, 3).transpose(0, 2, 1)
    constant = (1 << (e - 1)) + (filters.zero_point << e)
    factors = np.stack([filters.bias, filters.multiplier, constant, 24 - e], axis=1).astype(np.int32)
    return np.ascontiguousarray(np.concatenate([columns.reshape(count, -1).view(np.int32), factors], axis=1))


def _lead(window: Window) -> int:
    """``Call.lead`` of output rows that are written after all input rows up to the strip's last were read."""
    row_in = window.input_width * window.channels
    row_out = window.output_width * window.channels
    rows = 3 - window.stride_height
    steps = np.arange(-(-window.output_height // rows))
    written = np.minimum((steps + 1) * rows, window.output_height) * row_out
    read = np.clip(2 * steps + 4 - window.pad_top, 0, window.input_height) * row_in
    read[-1] = window.input_height * row_in
    worst = int((written - read).max())
    return max(worst, worst + (window.batches - 1) * window.image_growth, 0)


def _instructions(window: Window) -> int:
    stride = window.stride_height
    steps = -(-window.output_height // (3 - stride))
    groups = -(-window.channels // GROUP)
    push = window.input_width * (COLUMN_INSTRUCTIONS + GROUP_INSTRUCTIONS * groups) + PUSH_INSTRUCTIONS
    if stride == 1:
        outputs = TILE_INSTRUCTIONS * -(-window.output_width // 2)
    else:
        outputs = VECTOR_INSTRUCTIONS * -(-window.output_width // OUTPUTS)
    image = (steps + 1) * push + steps * window.channels * (CHANNEL_INSTRUCTIONS[stride] + outputs)
    return window.batches * image + 100
