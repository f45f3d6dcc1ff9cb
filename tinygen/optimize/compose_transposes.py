"""A TRANSPOSE of a TRANSPOSE is one TRANSPOSE of the first one's input, or nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinygen.ir import Graph
from tinygen.optimize.edit import Workbench, is_sound, same_type

__all__ = ["compose_transposes"]


def compose_transposes(graph: Graph) -> Graph:
    """Permute from the first source on; what comes back to where it was is read there."""
    bench = Workbench(graph)
    origin: dict[int, tuple[int, tuple[int, ...]]] = {}  # tensor -> source and permutation that make it
    for position, op in enumerate(graph.ops):
        if op.kind != "TRANSPOSE" or not is_sound(op, graph):
            continue
        data = graph.input(op, 1).data
        assert data is not None
        order = tuple(int(i) for i in data.tolist())
        source, target = graph.input_index(op), op.outputs[0]
        if source in origin:
            source, first = origin[source]
            order = tuple(first[i] for i in order)
            idle = order == tuple(range(len(order))) and same_type(graph.tensors[source], graph.tensors[target])
            if idle and target not in graph.outputs:
                bench.drop(position)
                bench.read_instead(target, source)
            else:
                permutation = bench.add_constant("permutation", np.array(order, np.int32))
                bench.replace(position, replace(op, inputs=(source, permutation)))
        origin[target] = source, order
    return bench.finish()
