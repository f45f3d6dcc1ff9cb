"""Operators that read nothing but constants are computed now, by the reference's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tinygen.ir import Array, DType, Graph, Op
from tinygen.lower import find_for
from tinygen.lower.broadcast import BroadcastOperator
from tinygen.optimize.edit import Workbench, alias_source, byte_function, is_sound

__all__ = ["fold_constants"]


def fold_constants(graph: Graph) -> Graph:
    """Replace each such operator's output by a constant; an output of the model stays computed.

    Operators for which no exact evaluator is known here stay, too.
    """
    while True:
        folded = _fold_once(graph)
        if folded is graph:
            return graph
        graph = folded


def _fold_once(graph: Graph) -> Graph:
    bench = Workbench(graph)
    for position, op in enumerate(graph.ops):
        constant = all(t is None or graph.tensors[t].is_constant for t in op.inputs)
        if not constant or not op.inputs or len(op.outputs) != 1 or op.outputs[0] in graph.outputs:
            continue
        value = _evaluate(op, graph)
        if value is not None:
            target = graph.output(op)
            data = np.ascontiguousarray(value, target.dtype.numpy).reshape(target.shape)
            bench.set_tensor(op.outputs[0], replace(target, data=data))
            bench.drop(position)
    return bench.finish()


def _evaluate(op: Op, graph: Graph) -> Array | None:
    if not is_sound(op, graph):
        return None
    evaluate = _EVALUATORS.get(op.kind)
    if evaluate is not None:
        return evaluate(op, graph)
    alias = alias_source(op, graph)
    if alias is not None and graph.tensors[alias].dtype is graph.output(op).dtype:
        return graph.tensors[alias].data
    function = byte_function(op, graph)
    if function is not None:
        source, table = function
        return table[_data(graph, source).astype(np.int64) + 128]
    operator = find_for(op, graph)
    if isinstance(operator, BroadcastOperator):
        operands = (_data(graph, graph.input_index(op, i)).astype(np.int64) for i in range(2))
        first, second = np.broadcast_arrays(*operands)
        return operator.compute(op, graph, first, second)
    return None


def _data(graph: Graph, tensor: int) -> Array:
    data = graph.tensors[tensor].data
    assert data is not None
    return data


def _inputs(op: Op, graph: Graph) -> list[Array]:
    return [_data(graph, t) for t in op.inputs if t is not None]


def _dequantize(op: Op, graph: Graph) -> Array:
    """The exact product fits in a double, and is rounded once."""
    quantization = graph.input(op, 0).quantization
    assert quantization is not None
    differences = _inputs(op, graph)[0].astype(np.float64) - quantization.zero_point
    return (differences * quantization.scale).astype(np.float32)


def _transpose(op: Op, graph: Graph) -> Array:
    data, order = _inputs(op, graph)
    return np.transpose(data, order.tolist())


def _pad(op: Op, graph: Graph) -> Array:
    """The filling is real 0, that is an int8 tensor's zero point, or the third input's value."""
    data, amounts, *given = _inputs(op, graph)
    target = graph.output(op)
    zero = target.quantization.zero_point if target.quantization and target.dtype is DType.INT8 else 0
    fill = given[0].reshape(-1)[0] if given else zero
    return np.pad(data, amounts.reshape(-1, 2).tolist(), constant_values=fill)


def _concatenation(op: Op, graph: Graph) -> Array:
    return np.concatenate(_inputs(op, graph), axis=int(str(op.options.get("axis", 0))))


def _pack(op: Op, graph: Graph) -> Array:
    return np.stack(_inputs(op, graph), axis=int(str(op.options.get("axis", 0))))


_EVALUATORS: dict[str, Callable[[Op, Graph], Array]] = {
    "CONCATENATION": _concatenation,
    "DEQUANTIZE": _dequantize,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "TRANSPOSE": _transpose,
}
