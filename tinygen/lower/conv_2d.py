"""CONV_2D, grouped convolution included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, Graph, Op, Param, Step, View
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
from tinygen.lower.window import Axis, Layout, axes, check_axes, lead

__all__ = ["Conv2D", "contiguous"]


@register
class Conv2D(Operator):
    """Windows of the input times filters [outputs, height, width, inputs of a group].

    There are as many groups as the filter's channels go into the input's. Windows that lie contiguous
    in the input (1x1 kernels, and some more) are read in place; the others pass through a patch.
    """

    kinds: ClassVar = ("CONV_2D",)

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        reasons = list(self.check_layer(op, graph))
        yield from reasons
        if reasons:
            return
        source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
        yield from check_axes(op, source, (weights.shape[1], weights.shape[2]), target)
        groups, rest = divmod(source.shape[3], weights.shape[3])
        if rest or weights.shape[0] % groups:
            yield (
                f"{source.shape[3]} input channels and {weights.shape[0]} filters of {weights.shape[3]} channels "
                "make no whole groups"
            )

    def check_layer(self, op: Op, graph: Graph) -> Iterator[str]:
        """Types, ranks and quantization of all tensors."""
        yield from check_filters(op, graph, source=0, axis=0)

    def macs(self, op: Op, graph: Graph) -> int:
        _, *window = graph.input(op, 1).shape
        return graph.output(op).elements * int(np.prod(window))

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, weights = graph.input(op, 0), graph.input(op, 1)
        height, width = axes(op, source, (weights.shape[1], weights.shape[2]), graph.output(op))
        groups = source.shape[3] // weights.shape[3]
        call = _direct if contiguous(height, width, groups) else _patched
        yield call(op, graph, height, width)


def contiguous(height: Axis, width: Axis, groups: int) -> bool:
    """Whether the bytes of each window, in the filter's order, lie in one piece inside the input."""
    if not (height.inside and width.inside):
        return False
    if height.kernel == width.kernel == 1:
        return True
    row = width.kernel == 1 or width.dilation == 1
    rows = height.kernel == 1 or (height.dilation == 1 and width.kernel == width.size)
    return groups == 1 and row and rows


def _filters(op: Op, graph: Graph) -> dict[str, Param]:
    source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
    assert weights.data is not None
    data = weights.data.astype(np.int8)
    bias = bias_values(graph.optional_input(op, 2), weights.shape[0])
    folded = fold_zero_point(bias, source, data)
    return filter_params(op, source, weights, target, folded=folded, layout=data, depth=data[0].size)


def _direct(op: Op, graph: Graph, height: Axis, width: Axis) -> Call:
    source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
    batches, _, columns, channels = source.shape
    groups = channels // weights.shape[3]
    layout = Layout(groups, weights.shape[3], weights.shape[0] // groups, held=True)
    return Call(
        op=op.index,
        kernel="tg_conv_direct",
        header="conv/tg_conv.h",
        sources=("conv/tg_conv_direct.c", "conv/tg_conv_filters.c"),
        inputs=(View(graph.input_index(op)),),
        outputs=(View(op.outputs[0]),),
        params={
            "batches": batches,
            "height": height.outputs,
            "width": width.outputs,
            "input_image_bytes": source.elements // batches,
            "stride_row_bytes": height.stride * columns * channels,
            "stride_bytes": width.stride * channels,
            "groups": groups,
            "group_outputs": target.shape[3] // groups,
            "filters": _filters(op, graph),
        },
        lead=lead(batches, height, width, layout),
    )


def _patched(op: Op, graph: Graph, height: Axis, width: Axis) -> Call:
    source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
    batches, channels, group_inputs = source.shape[0], source.shape[3], weights.shape[3]
    groups = channels // group_inputs
    layout = Layout(groups, group_inputs, weights.shape[0] // groups, held=False)
    return Call(
        op=op.index,
        kernel="tg_conv_2d",
        header="conv/tg_conv.h",
        sources=("conv/tg_conv_2d.c", *SOURCES),
        inputs=(View(graph.input_index(op)),),
        outputs=(View(op.outputs[0]),),
        params={
            "scan": scan_params(batches, height, width, channels),
            "patch": patch_params(source, height, width, group_inputs),
            "groups": groups,
            "group_inputs": group_inputs,
            "group_outputs": target.shape[3] // groups,
            "output_image_step": target.elements // batches,
            "output_row_step": target.shape[2] * target.shape[3],
            "output_pixel_step": target.shape[3],
            "filters": _filters(op, graph),
        },
        scratch_bytes=height.kernel * width.kernel * group_inputs,
        lead=lead(batches, height, width, layout),
    )
