"""TRANSPOSE_CONV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Call, Constant, Graph, Op, Step, Tensor, View
from tinygen.lower import checks
from tinygen.lower.channels import bias_values
from tinygen.lower.filters import (
    SOURCES,
    check_filters,
    filter_params,
    fold_zero_point,
    patch_params,
    scan_params,
)
from tinygen.lower.operator import Operator, register
from tinygen.lower.window import Axis, Padding, option, padding_before

__all__ = ["TransposeConv"]

# Beyond this, strides and sums of positions leave what the kernels count in.
MAX_STRIDE = 1 << 15

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Phase:
    """Output positions that are equal modulo the stride: a convolution of stride 1 (``tg_phase_t``).

    Attributes:
        taps: kernel positions that they meet, in the order of rising input positions.
        first: first input position of the first window.
        outputs: output positions in this phase.
    """

    taps: tuple[int, ...]
    first: int
    outputs: int


@register
class TransposeConv(Operator):
    """A transposed convolution: inputs are output shape, weights [outputs, height, width, inputs], input, bias.

    Output position o meets kernel position k where o + pad - k is a multiple s * i of the stride, with
    input position i. Positions o that are equal modulo s meet the same kernel positions, so each such
    phase is a plain convolution over a part of the weights, which are stored phase by phase.
    """

    kinds: ClassVar = ("TRANSPOSE_CONV",)

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        reasons = list(check_filters(op, graph, source=2, axis=0))
        reasons += checks.constant("output shape", graph.optional_input(op, 0))
        yield from reasons
        if reasons:
            return
        source, weights, target = graph.input(op, 2), graph.input(op, 1), graph.output(op)
        shape = graph.input(op, 0).data
        assert shape is not None
        if tuple(shape.reshape(-1).tolist()) != target.shape:
            yield f"output shape {shape.reshape(-1).tolist()} for an output of shape {list(target.shape)}"
        if weights.shape[3] != source.shape[3]:
            yield f"weights of shape {list(weights.shape)} for {source.shape[3]} input channels"
        if source.shape[0] != target.shape[0]:
            yield f"batch {source.shape[0]} becomes batch {target.shape[0]}"
        yield from _check_geometry(op)

    def macs(self, op: Op, graph: Graph) -> int:
        outputs, *window, _ = graph.input(op, 1).shape
        return graph.input(op, 2).elements * outputs * int(np.prod(window))

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, weights, target = graph.input(op, 2), graph.input(op, 1), graph.output(op)
        assert weights.data is not None
        rows, columns = _phases(op, weights, target)
        outputs, _, _, inputs = weights.shape
        bias = bias_values(graph.optional_input(op, 3), outputs)
        parts = [weights.data[:, list(y.taps)][:, :, list(x.taps)].astype(np.int8) for y in rows for x in columns]
        folded = np.concatenate([fold_zero_point(bias, source, part) for part in parts])
        layout = np.concatenate([part.reshape(-1) for part in parts])
        height, width = (Axis(size, 0, 0, 1, 1, 0) for size in source.shape[1:3])
        row_bytes = target.shape[2] * outputs
        yield Call(
            op=op.index,
            kernel="tg_transpose_conv",
            header="conv/tg_conv.h",
            sources=("conv/tg_transpose_conv.c", "conv/tg_conv_2d.c", *SOURCES),
            inputs=(View(graph.input_index(op, 2)),),
            outputs=(View(op.outputs[0]),),
            params={
                "conv": {
                    "scan": scan_params(source.shape[0], height, width, inputs)
                    | {"stride_rows": 1, "stride_bytes": inputs},
                    "patch": patch_params(source, height, width, inputs),
                    "groups": 1,
                    "group_inputs": inputs,
                    "group_outputs": outputs,
                    "output_image_step": target.elements // target.shape[0],
                    "output_row_step": len(rows) * row_bytes,
                    "output_pixel_step": len(columns) * outputs,
                    "filters": filter_params(op, source, weights, target, folded=folded, layout=layout, depth=0),
                },
                "inputs": inputs,
                "output_row_bytes": row_bytes,
                "phase_rows": len(rows),
                "phase_columns": len(columns),
                "rows": Constant("rows", _table(rows)),
                "columns": Constant("columns", _table(columns)),
            },
            scratch_bytes=max(1, max(len(y.taps) for y in rows) * max(len(x.taps) for x in columns) * inputs),
        )


def _check_geometry(op: Op) -> Iterator[str]:
    padding = option(op, "padding", Padding.SAME)
    stride = option(op, "stride_h", 0), option(op, "stride_w", 0)
    if padding not in tuple(Padding):
        yield f"padding {padding} is neither SAME nor VALID"
    if not all(1 <= s <= MAX_STRIDE for s in stride):
        yield f"stride {stride[0]}x{stride[1]} is not in 1 to {MAX_STRIDE}"


def _phases(op: Op, weights: Tensor, target: Tensor) -> tuple[list[_Phase], list[_Phase]]:
    """Phases of the output's rows and of its columns."""
    strides = option(op, "stride_h", 0), option(op, "stride_w", 0)
    sizes, kernels = _spatial(target), _spatial(weights)
    pads = _paddings(option(op, "padding", Padding.SAME), sizes, kernels, strides)
    rows, columns = (
        [_phase(o, kernel, stride, pad, size) for o in range(min(stride, size))]
        for size, kernel, stride, pad in zip(sizes, kernels, strides, pads, strict=True)
    )
    return rows, columns


def _paddings(padding: int, sizes: Pair, kernels: Pair, strides: Pair) -> Pair:
    """The padding of the convolution that has this output as its input, as TFLM computes it.

    With padding VALID there is none, except that C's division rounds a small negative number of
    windows to 0, from which a padding follows; a larger negative one drops both paddings.
    """
    if padding == Padding.VALID:
        missing = [max(k - size - s, 0) for size, k, s in zip(sizes, kernels, strides, strict=True)]
        if any(m >= s for m, s in zip(missing, strides, strict=True)):
            return 0, 0
        return missing[0] // 2, missing[1] // 2
    rows, columns = (padding_before(padding, *axis) for axis in zip(sizes, kernels, strides, strict=True))
    return rows, columns


def _spatial(tensor: Tensor) -> Pair:
    return tensor.shape[1], tensor.shape[2]


def _phase(first_output: int, kernel: int, stride: int, pad: int, size: int) -> _Phase:
    """The phase of output positions first_output, first_output + stride … below ``size``."""
    base, smallest = divmod(first_output + pad, stride)
    taps = tuple(range(smallest, kernel, stride))[::-1]
    return _Phase(taps, base - max(len(taps) - 1, 0), -(-(size - first_output) // stride))


def _table(phases: list[_Phase]) -> NDArray[np.int32]:
    return np.array([(len(p.taps), p.first, p.outputs) for p in phases], np.int32)
