"""Operators that only give bytes another name: they vanish, or become one RESHAPE each, straight from the source.

RESHAPE, SQUEEZE and EXPAND_DIMS are such by nature; others are by their arguments: a CONCATENATION of
one input, a SPLIT into one output, a PAD by nothing, a QUANTIZE to the same quantization, a TRANSPOSE
that moves only dimensions of length 1. Lowering knows: it yields nothing but an alias.
"""

from __future__ import annotations

from tinygen.ir import Graph, Op
from tinygen.optimize.edit import Workbench, alias_source, same_type

__all__ = ["remove_reshapes"]


def remove_reshapes(graph: Graph) -> Graph:
    """Read through chains of aliases. RESHAPE keeps no shape input: like TFLM, it goes by its output's shape."""
    bench = Workbench(graph)
    origin: dict[int, int] = {}  # tensor -> the computed tensor whose bytes it has
    for position, op in enumerate(graph.ops):
        source, target = alias_source(op, graph), op.outputs[0]
        if source is None or graph.tensors[source].dtype is not graph.tensors[target].dtype:
            continue
        source = origin.get(source, source)
        if graph.tensors[source].is_constant:
            continue  # fold_constants takes these
        origin[target] = source
        if same_type(graph.tensors[source], graph.tensors[target]) and target not in graph.outputs:
            bench.drop(position)
            bench.read_instead(target, source)
        elif op.kind != "RESHAPE" or op.inputs != (source,):
            shape = graph.tensors[target].shape
            bench.replace(position, Op("RESHAPE", (source,), op.outputs, {"new_shape": shape}, op.index))
    return bench.finish()
