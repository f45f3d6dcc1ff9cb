"""Operators that, by their arguments, map each int8 value by itself are written as such.

So they can be composed with their neighbours, fused into the layer before, or vanish:

- pooling that sees one pixel a window only clamps;
- MEAN and SUM over one element only rescale;
- an operand of ADD, MUL … whose values are all the same is one value.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinygen.ir import DType, Graph, Op
from tinygen.lower import find_for
from tinygen.lower.broadcast import BroadcastOperator
from tinygen.lower.channels import output_range
from tinygen.lower.reduce import mean_rescale
from tinygen.lower.requantize import multiply_by_quantized_multiplier, quantize_multiplier
from tinygen.lower.unary_tables import STORED, Table, saturate
from tinygen.lower.window import option
from tinygen.optimize.edit import Workbench, is_sound

__all__ = ["tabulate"]

_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_SUMS = ("MEAN", "SUM")


def tabulate(graph: Graph) -> Graph:
    """Replace such pools and sums by TABLE, and such operands by one value."""
    bench = Workbench(graph)
    for position, op in enumerate(graph.ops):
        if graph.output(op).dtype is not DType.INT8:
            continue
        if isinstance(find_for(op, graph), BroadcastOperator):
            _shrink_operand(bench, position)
        elif op.kind in _POOLS + _SUMS and is_sound(op, graph):
            table = _pool_table(op, graph) if op.kind in _POOLS else _sum_table(op, graph)
            if table is not None:
                constant = bench.add_constant(f"{graph.output(op).name}/table", table.astype(np.int8))
                bench.replace(position, Op("TABLE", (op.inputs[0], constant), op.outputs, index=op.index))
    return bench.finish()


def _pool_table(op: Op, graph: Graph) -> Table | None:
    """A clamp, if every window holds just one pixel; the mean of one value is the value."""
    source, target = graph.input(op, 0), graph.output(op)
    window = [option(op, name, 0) for name in ("filter_height", "filter_width", "stride_h", "stride_w")]
    one_pixel = source.shape[1:3] == target.shape[1:3] == (1, 1)
    if not one_pixel and window != [1, 1, 1, 1]:
        return None
    return np.clip(STORED, *output_range(op, target))


def _sum_table(op: Op, graph: Graph) -> Table | None:
    """A rescaling, if every sum is of one element."""
    source, target = graph.input(op, 0), graph.output(op)
    if source.elements != target.elements:
        return None
    assert source.quantization and target.quantization
    factor = source.quantization.scale / target.quantization.scale
    rescale = mean_rescale(factor, 1) if op.kind == "MEAN" else quantize_multiplier(factor)
    scaled = multiply_by_quantized_multiplier(STORED - source.quantization.zero_point, rescale)
    return saturate(scaled + target.quantization.zero_point)


def _shrink_operand(bench: Workbench, position: int) -> None:
    """Let an operator read one value where a constant operand repeats it, and the other operand has the full shape."""
    graph = bench.graph
    op = graph.ops[position]
    if not is_sound(op, graph):
        return
    for constant, variable in ((0, 1), (1, 0)):
        tensor = graph.input(op, constant)
        if tensor.data is None or tensor.elements == 1 or graph.input(op, variable).shape != graph.output(op).shape:
            continue
        value = tensor.data.reshape(-1)[:1]
        if not (tensor.data == value).all():
            continue
        single = bench.add_constant(tensor.name, value.reshape((1,) * len(tensor.shape)), tensor.quantization)
        inputs = list(op.inputs)
        inputs[constant] = single
        bench.replace(position, replace(op, inputs=tuple(inputs)))
        return
