"""FULLY_CONNECTED over 16-bit activations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, Graph, Op, Step, View
from tinygen.lower.fully_connected import FullyConnected
from tinygen.lower.int16.filters import HEADER, check_layer, filter_params
from tinygen.lower.operator import register

__all__ = ["FullyConnectedInt16"]


@register
class FullyConnectedInt16(FullyConnected):
    """Rows of the input times the rows of the weights [outputs, inputs]."""

    reads_int16: ClassVar = True

    def check_layer(self, op: Op, graph: Graph) -> Iterator[str]:
        yield from check_layer(op, graph, axis=0)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        weights, target = graph.input(op, 1), graph.output(op)
        assert weights.data is not None
        outputs, inputs = weights.shape
        data = weights.data.astype(np.int8)
        yield Call(
            op=op.index,
            kernel="tg_fully_connected_s16",
            header=HEADER,
            sources=("int16/tg_fully_connected_s16.c", "int16/tg_filters_s16.c"),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "batches": target.elements // outputs,
                "outputs": outputs,
                "filters": filter_params(op, graph, data, depth=inputs),
            },
        )
