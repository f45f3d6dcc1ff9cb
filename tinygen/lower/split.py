"""SPLIT, SPLIT_V and UNPACK: each output is a piece of the input along an axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

from tinygen.ir import DType, Graph, Op, Step, View
from tinygen.lower.layout import Loop, copy_steps
from tinygen.lower.operator import register
from tinygen.lower.require import (
    DryRun,
    constant_ints,
    normal_axis,
    option,
    require,
    require_count,
    require_shape,
    require_type,
    tensor_at,
)

__all__ = ["Split", "SplitV", "Unpack"]

MAX_OUTPUTS = 1 << 16
DTYPES = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)


def _pieces(op: Op, graph: Graph, position: int, axis: int, lengths: Sequence[int]) -> Iterator[Step]:
    """Copy pieces of the input at ``position``, of the lengths given along the axis, to the outputs."""
    source = tensor_at(op, graph, position, "input", DTYPES)
    total = sum(lengths)
    require(
        total == source.shape[axis],
        f"outputs of {total} along axis {axis} of an input of shape {list(source.shape)}",
    )
    inner = source.dtype.bytes * math.prod(source.shape[axis + 1 :])
    offset = 0
    for output, length in zip(op.outputs, lengths, strict=True):
        block = length * inner
        piece = View(graph.input_index(op, position), offset)
        rows = Loop(math.prod(source.shape[:axis]), source.shape[axis] * inner, block)
        yield from copy_steps(op, graph, piece, View(output), block, (rows,))
        offset += block


def _split(op: Op, graph: Graph, position: int, axis_position: int) -> Iterator[Step]:
    """Split by the shapes of the outputs, as TFLM does."""
    source = tensor_at(op, graph, position, "input", DTYPES)
    axes = constant_ints(op, graph, axis_position, "axis")
    require(len(axes) == 1, f"{len(axes)} axes where one is expected")
    axis = normal_axis(axes[0], len(source.shape))
    targets = [graph.tensors[t] for t in op.outputs]
    for i, target in enumerate(targets):
        require_type(target, source.dtype, f"output {i}")
        length = target.shape[axis] if axis < len(target.shape) else 1
        expected = [*source.shape[:axis], length, *source.shape[axis + 1 :]]
        require_shape(target.shape, expected, f"output {i}")
    yield from _pieces(op, graph, position, axis, [t.shape[axis] for t in targets])


@register
class Split(DryRun):
    """Equal pieces. Inputs: axis, tensor."""

    kinds: ClassVar = ("SPLIT",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2, range(1, MAX_OUTPUTS))
        shapes = {graph.tensors[t].shape for t in op.outputs}
        require(len(shapes) == 1, f"outputs of different shapes: {sorted(map(list, shapes))}")
        yield from _split(op, graph, position=1, axis_position=0)


@register
class SplitV(DryRun):
    """Pieces of any lengths. Inputs: tensor, lengths (TFLM goes by the outputs' shapes), axis."""

    kinds: ClassVar = ("SPLIT_V",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 3, range(1, MAX_OUTPUTS))
        yield from _split(op, graph, position=0, axis_position=2)


@register
class Unpack(DryRun):
    """One output for each index of an axis, which disappears."""

    kinds: ClassVar = ("UNPACK",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 1, range(1, MAX_OUTPUTS))
        count = option(op, "num", len(op.outputs))
        require(count == len(op.outputs), f"{len(op.outputs)} outputs, but num is {count}")
        source = tensor_at(op, graph, 0, "input", DTYPES)
        axis = normal_axis(option(op, "axis"), len(source.shape))
        for i, target in enumerate(graph.tensors[t] for t in op.outputs):
            require_type(target, source.dtype, f"output {i}")
            require_shape(target.shape, [*source.shape[:axis], *source.shape[axis + 1 :]], f"output {i}")
        yield from _pieces(op, graph, 0, axis, [1] * len(op.outputs))
