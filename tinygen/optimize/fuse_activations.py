"""A clamp behind a layer that clamps anyway becomes the layer's own clamp."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinygen.ir import Graph, Op
from tinygen.lower.channels import output_range
from tinygen.lower.unary_tables import STORED, Table
from tinygen.optimize.edit import Workbench, byte_function, is_sound, only_reader, same_type, with_options

__all__ = ["fuse_activations"]

# Operators whose rooms clamp to ``output_range``.
_CLAMPING = frozenset(
    {
        "ADD",
        "AVERAGE_POOL_2D",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "MAX_POOL_2D",
        "MUL",
        "SUB",
        "TRANSPOSE_CONV",
    }
)


def fuse_activations(graph: Graph) -> Graph:
    """Fuse RELU and its like, and any table that only clamps what the layer before can yield.

    The function must leave the quantization as it is: the layer then computes the same sum with the same
    rounding, and clamping twice is clamping once to the range that remains.
    """
    while True:
        fused = _fuse_once(graph)
        if fused is graph:
            return graph
        graph = fused


def _fuse_once(graph: Graph) -> Graph:
    """One activation behind each layer; a second one may follow."""
    producers = graph.producers()
    bench = Workbench(graph)
    fused: set[int] = set()
    for position, op in enumerate(graph.ops):
        function = byte_function(op, graph)
        layer = producers.get(function[0]) if function else None
        if function is None or layer is None or layer in fused or only_reader(graph, function[0]) != position:
            continue
        clamped = _clamped(graph.ops[layer], op, function[1], graph)
        if clamped is not None:
            bench.replace(layer, clamped)
            bench.drop(position)
            fused |= {layer, position}
    return bench.finish()


def _clamped(layer: Op, activation: Op, table: Table, graph: Graph) -> Op | None:
    """The layer with the activation in it, or ``None`` if that is more than a clamp."""
    if layer.kind not in _CLAMPING or not same_type(graph.output(layer), graph.output(activation)):
        return None
    if not is_sound(layer, graph):
        return None
    low, high = output_range(layer, graph.output(layer))
    reached = slice(low + 128, high + 129)
    after = table[reached]
    if not after.size or not np.array_equal(after, np.clip(STORED[reached], after[0], after[-1])):
        return None
    renamed = replace(layer, outputs=activation.outputs)
    if (int(after[0]), int(after[-1])) == (low, high):
        return renamed
    return with_options(renamed, output_min=int(after[0]), output_max=int(after[-1]))
