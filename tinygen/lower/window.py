"""Sliding windows: padding, positions, and how far an output may run over its own input.

Convolution, depthwise convolution and pooling visit an image by the same windows; TFLM computes their
padding in ``padding.h``. A transposed convolution borrows its padding from the convolution that it
transposes. Where a pass has folded a PAD into a convolution, the options ``pad_top``, ``pad_bottom``,
``pad_left`` and ``pad_right`` say the padding in place of ``padding``; no model file has those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Op, Tensor

__all__ = ["Axis", "Layout", "Padding", "axes", "check_axes", "lead", "option", "padding_around", "padding_before"]

# Products of these fit the kernels' int32; a window that reaches further is a mistake in the file.
MAX_REACH_BYTES = 1 << 28
# Overlap is of no use to an output of more pixels: it would not fit anyway.
MAX_LEAD_WINDOWS = 1 << 20
NOWHERE = 1 << 40

Indices = NDArray[np.int64]


class Padding(IntEnum):
    """The schema's paddings."""

    SAME = 0
    VALID = 1


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial dimension of a window and of the image that it visits.

    Attributes:
        size: input positions.
        outputs: windows.
        kernel: taps of a window.
        stride, dilation: input positions from window to window, and from tap to tap.
        pad: positions by which the first window begins before the input.
    """

    size: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    pad: int

    @property
    def reach(self) -> int:
        """Input positions from a window's first tap to its last, both included."""
        return _reach(self.kernel, self.dilation)

    @property
    def inside(self) -> bool:
        """Whether no tap of any window lies in the padding."""
        return self.pad == 0 and (self.outputs - 1) * self.stride + self.reach <= self.size

    def starts(self) -> Indices:
        """The first input position that each window reads; ``NOWHERE`` if all its taps lie in the padding."""
        origin = np.arange(self.outputs, dtype=np.int64) * self.stride - self.pad
        skipped = np.maximum(-(origin // self.dilation), 0)
        first = origin + skipped * self.dilation
        return np.where((skipped < self.kernel) & (first < self.size), first, NOWHERE)


def option(op: Op, name: str, default: int) -> int:
    """An integer option of an operator, or the schema's default if its table is absent."""
    return int(str(op.options.get(name, default)))


def padding_before(padding: int, size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Positions that TFLM pads before the input: half of what is missing, rounded down."""
    return _around(padding, size, kernel, stride, dilation)[0]


def axes(op: Op, source: Tensor, kernel: tuple[int, int], target: Tensor) -> tuple[Axis, Axis]:
    """Height and width of a checked operator's windows.

    Args:
        source, target: input and output, NHWC.
        kernel: height and width of a window, in taps.
    """
    pads = padding_around(op, source, kernel)
    height, width = (
        Axis(size, outputs, taps, stride, dilation, before)
        for size, outputs, taps, stride, dilation, (before, _) in zip(
            source.shape[1:3], target.shape[1:3], kernel, *_steps(op), pads, strict=True
        )
    )
    return height, width


def padding_around(op: Op, source: Tensor, kernel: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Positions padded before and after the input's rows, and before and after its columns."""
    if "pad_top" in op.options:
        top, bottom, left, right = (option(op, f"pad_{side}", 0) for side in ("top", "bottom", "left", "right"))
        return (top, bottom), (left, right)
    padding = option(op, "padding", Padding.SAME)
    rows, columns = (_around(padding, *axis) for axis in zip(source.shape[1:3], kernel, *_steps(op), strict=True))
    return rows, columns


def check_axes(op: Op, source: Tensor, kernel: tuple[int, int], target: Tensor) -> Iterator[str]:
    """Padding, strides, dilations and window are sound, and the output has the shape that they give.

    Both tensors must have four dimensions.
    """
    padding = option(op, "padding", Padding.SAME)
    strides, dilations = _steps(op)
    if padding not in tuple(Padding):
        yield f"padding {padding} is neither SAME nor VALID"
        return
    for what, (rows, columns) in (("stride", strides), ("dilation", dilations), ("window", kernel)):
        if rows < 1 or columns < 1:
            yield f"{what} {rows}x{columns} is not positive"
            return
    reach = [_reach(k, d) for k, d in zip(kernel, dilations, strict=True)]
    if max(reach) * source.shape[3] * max(source.shape[2], 1) > MAX_REACH_BYTES:
        yield f"a window that reaches over {reach[0]}x{reach[1]} pixels is too large for a microcontroller"
        return
    if "pad_top" in op.options:
        sizes = [
            size + sum(pads) for size, pads in zip(source.shape[1:3], padding_around(op, source, kernel), strict=True)
        ]
        padding = Padding.VALID
    else:
        sizes = list(source.shape[1:3])
    expected = tuple(
        _outputs(padding, size, taps, stride, dilation)
        for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    )
    if (source.shape[0], *expected) != target.shape[:3]:
        yield (
            f"the output's shape is {list(target.shape)} where batch {source.shape[0]} and "
            f"{expected[0]}x{expected[1]} pixels follow from the options; convert the model again"
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """How the channels of a pixel are read and written.

    Attributes:
        groups: parts of the channels that are read, then written, one after the other.
        inputs, outputs: channels of a group.
        held: the kernel reads a group's window until it has written the group's last channel;
            otherwise all reading precedes all writing.
    """

    groups: int
    inputs: int
    outputs: int
    held: bool


def lead(batches: int, height: Axis, width: Axis, layout: Layout) -> dict[int, int]:
    """``Call.lead`` of a kernel with one input: how early its output must begin to overwrite it safely.

    The kernel writes pixels, groups and channels in ascending order. When output byte w is written, the
    first r(w) input bytes are no longer needed; the smallest safe distance is the maximum of
    w + 1 - r(w) over all w, but at least 0. It is linear in the batch and in the group, so their ends
    tell the maximum.

    Returns:
        The distance in bytes for input 0; nothing for images that no microcontroller could hold.
    """
    if height.outputs * width.outputs > MAX_LEAD_WINDOWS:
        return {}
    channels_in, channels_out = layout.groups * layout.inputs, layout.groups * layout.outputs
    image_in = height.size * width.size * channels_in
    image_out = height.outputs * width.outputs * channels_out
    pixels = height.starts()[:, None] * width.size + width.starts()[None, :]
    start = np.minimum(pixels.reshape(-1) * channels_in, image_in)
    later = np.minimum.accumulate(np.append(start[1:], image_in)[::-1])[::-1]
    written = np.arange(start.size, dtype=np.int64) * channels_out
    worst = max(
        int((end - needed).max())
        for group in {0, max(layout.groups - 2, 0), layout.groups - 1}
        for end, needed in _writes(group, written, start, later, layout)
    )
    return {0: max(worst, worst + (batches - 1) * (image_out - image_in), 0)}


def _writes(
    group: int, written: Indices, start: Indices, later: Indices, layout: Layout
) -> Iterator[tuple[Indices, Indices]]:
    """For each pixel (w + 1, r(w)) of the last byte of a group, and of the last one that has less to read.

    Args:
        written, start: first output byte of each pixel, first input byte of its window.
        later: first input byte that windows of later pixels read.
    """
    end = written + (group + 1) * layout.outputs
    last = group == layout.groups - 1
    yield end, later if last else np.minimum(start + (group + 1) * layout.inputs, later)
    if layout.held and layout.outputs > 1:
        yield end - 1, np.minimum(start + group * layout.inputs, later)


def _reach(kernel: int, dilation: int) -> int:
    return (kernel - 1) * dilation + 1


def _around(padding: int, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Half of what is missing, rounded down, before the input; the rest behind it."""
    outputs = _outputs(padding, size, kernel, stride, dilation)
    missing = max((outputs - 1) * stride + _reach(kernel, dilation) - size, 0)
    return missing // 2, missing - missing // 2


def _outputs(padding: int, size: int, kernel: int, stride: int, dilation: int) -> int:
    if padding == Padding.SAME:
        return -(-size // stride)
    return max(size + stride - _reach(kernel, dilation), 0) // stride


def _steps(op: Op) -> tuple[tuple[int, int], tuple[int, int]]:
    """Strides and dilations, height first."""
    strides = option(op, "stride_h", 0), option(op, "stride_w", 0)
    dilations = option(op, "dilation_h_factor", 1), option(op, "dilation_w_factor", 1)
    return strides, dilations
