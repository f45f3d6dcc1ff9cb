"""DEPTHWISE_CONV_2D over 16-bit activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, DType, Graph, Op, Step, View
from tinygen.lower.depthwise_conv_2d import DepthwiseConv2D
from tinygen.lower.int16.filters import HEADER, check_layer, filter_params
from tinygen.lower.operator import register
from tinygen.lower.window import Layout, axes, lead

__all__ = ["DepthwiseConv2DInt16"]

# Of a filter's weights, in magnitude: times 2^15 they fit in 32 bits, and 511 taps can't exceed it.
MAX_SUM = 65535


@register
class DepthwiseConv2DInt16(DepthwiseConv2D):
    """Windows are read where they lie, by weights in the file's order: padding needs no reading of zeros."""

    reads_int16: ClassVar = True

    def check_layer(self, op: Op, graph: Graph) -> Iterator[str]:
        reasons = list(check_layer(op, graph, axis=3, images=True))
        yield from reasons
        if reasons:
            return
        bias, weights = graph.optional_input(op, 2), graph.input(op, 1)
        if bias is not None and bias.dtype is not DType.INT64:
            yield f"the bias is {bias.dtype.value}, and TensorFlow Lite Micro would read it as int64 here"
        assert weights.data is not None
        if np.abs(weights.data.astype(np.int64)).sum(axis=(0, 1, 2)).max() > MAX_SUM:
            yield f"a filter of {weights.shape[1]}x{weights.shape[2]} taps is too large for 32-bit sums"

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
        assert weights.data is not None
        batches, channels, multiplier = source.shape[0], source.shape[3], target.shape[3] // source.shape[3]
        height, width = axes(op, source, (weights.shape[1], weights.shape[2]), target)
        # With a multiplier, a window is read again for each output of a channel.
        layout = Layout(channels, 1, multiplier, held=multiplier > 1)
        yield Call(
            op=op.index,
            kernel="tg_depthwise_conv_2d_s16",
            header=HEADER,
            sources=("int16/tg_depthwise_conv_2d_s16.c",),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "batches": batches,
                "inputs": channels,
                "multiplier": multiplier,
                "height": asdict(height),
                "width": asdict(width),
                "filters": filter_params(op, graph, weights.data.astype(np.int8), depth=height.kernel * width.kernel),
            },
            lead={i: 2 * values for i, values in lead(batches, height, width, layout).items()},
        )
