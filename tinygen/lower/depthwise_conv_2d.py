"""DEPTHWISE_CONV_2D."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, Graph, Op, Step, View
from tinygen.lower.channels import bias_values
from tinygen.lower.filters import (
    check_filters,
    filter_params,
    fold_zero_point,
    patch_params,
    scan_params,
)
from tinygen.lower.operator import Operator, register
from tinygen.lower.window import Layout, axes, check_axes, lead, option

__all__ = ["DepthwiseConv2D"]


@register
class DepthwiseConv2D(Operator):
    """Each input channel times its own filters; weights [1, height, width, inputs * multiplier].

    The kernel wants a filter's taps side by side: [inputs * multiplier, height * width].
    """

    kinds: ClassVar = ("DEPTHWISE_CONV_2D",)

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        reasons = list(self.check_layer(op, graph))
        yield from reasons
        if reasons:
            return
        source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
        yield from check_axes(op, source, (weights.shape[1], weights.shape[2]), target)
        if len(op.inputs) == 3 and op.inputs[2] is None:
            yield "a bias that is listed but absent crashes TensorFlow Lite Micro here; list two inputs only"
        multiplier = option(op, "depth_multiplier", 0)
        if weights.shape[0] != 1:
            yield f"weights of shape {list(weights.shape)} where the first dimension is to be 1"
        if multiplier < 1 or source.shape[3] * multiplier != weights.shape[3]:
            yield (
                f"depth multiplier {multiplier} makes {weights.shape[3]} output channels of {source.shape[3]} "
                "input channels; convert the model again"
            )

    def check_layer(self, op: Op, graph: Graph) -> Iterator[str]:
        """Types, ranks and quantization of all tensors."""
        yield from check_filters(op, graph, source=0, axis=3)

    def macs(self, op: Op, graph: Graph) -> int:
        _, rows, columns, _ = graph.input(op, 1).shape
        return graph.output(op).elements * rows * columns

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
        assert weights.data is not None
        batches, channels, outputs = source.shape[0], source.shape[3], target.shape[3]
        height, width = axes(op, source, (weights.shape[1], weights.shape[2]), target)
        taps = height.kernel * width.kernel
        layout = np.ascontiguousarray(weights.data.reshape(taps, outputs).T).astype(np.int8)
        folded = fold_zero_point(bias_values(graph.optional_input(op, 2), outputs), source, layout)
        yield Call(
            op=op.index,
            kernel="tg_depthwise_conv_2d",
            header="conv/tg_conv.h",
            sources=("conv/tg_depthwise_conv_2d.c", "conv/tg_conv_patch.c"),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "scan": scan_params(batches, height, width, channels),
                "patch": patch_params(source, height, width, channels),
                "inputs": channels,
                "multiplier": outputs // channels,
                "filters": filter_params(op, source, weights, target, folded=folded, layout=layout, depth=taps),
            },
            scratch_bytes=taps * channels,
            lead=lead(batches, height, width, Layout(1, channels, outputs, held=False)),
        )
