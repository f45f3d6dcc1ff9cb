"""FULLY_CONNECTED."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, Constant, Graph, Op, Step, View
from tinygen.lower import checks
from tinygen.lower.channels import (
    bias_values,
    channel_params,
    check_bias,
    check_weights,
    output_range,
    rescales,
)
from tinygen.lower.operator import Operator, register

__all__ = ["FullyConnected"]


@register
class FullyConnected(Operator):
    """Rows of the input times the rows of the weights [outputs, inputs].

    The input's zero point is folded into the bias: sum w * (x - z) = sum w * x - z * sum w.
    """

    kinds: ClassVar = ("FULLY_CONNECTED",)

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        reasons = list(self.check_layer(op, graph))
        yield from reasons
        if op.options.get("weights_format", 0) != 0:
            yield "shuffled weights are not supported; convert the model with the default converter"
        weights = graph.optional_input(op, 1)
        if weights is None:
            return
        if len(weights.shape) != 2:
            yield f"weights of shape {list(weights.shape)} are no matrix"
            return
        if reasons:
            return
        outputs, inputs = weights.shape
        rows, rest = divmod(graph.input(op, 0).elements, inputs)
        if rest or graph.output(op).elements != rows * outputs:
            yield f"an input of {graph.input(op, 0).elements} values for weights of shape {list(weights.shape)}"

    def check_layer(self, op: Op, graph: Graph) -> Iterator[str]:
        """Types and quantization of all tensors."""
        weights = graph.optional_input(op, 1)
        yield from checks.count(op, range(2, 4))
        yield from checks.int8_tensor("input", graph.optional_input(op, 0))
        yield from checks.int8_tensor("output", graph.output(op))
        yield from check_weights(weights, axis=0)
        yield from checks.activation(op)
        if weights is not None and weights.shape:
            yield from check_bias(graph.optional_input(op, 2), weights.shape[0])

    def macs(self, op: Op, graph: Graph) -> int:
        return graph.output(op).elements * graph.input(op, 1).shape[1]

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
        assert weights.data is not None and source.quantization and target.quantization
        outputs, inputs = weights.shape
        bias = bias_values(graph.optional_input(op, 2), outputs)
        folded = bias - source.quantization.zero_point * weights.data.astype(np.int64).sum(axis=1)
        low, high = output_range(op, target)
        yield Call(
            op=op.index,
            kernel="tg_fully_connected",
            header="dense/tg_dense.h",
            sources=("dense/tg_fully_connected.c",),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "batches": target.elements // outputs,
                "inputs": inputs,
                "outputs": outputs,
                "output_zero_point": target.quantization.zero_point,
                "output_min": low,
                "output_max": high,
                "weights": Constant("weights", weights.data),
                "channels": channel_params(folded, rescales(source, weights, target)),
            },
        )
