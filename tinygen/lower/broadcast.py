"""NumPy's broadcasting of two operands, as loops that the kernels of ``elementwise/`` walk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, Constant, Graph, Op, Param, Step, View
from tinygen.lower import checks
from tinygen.lower.lookup import is_clip, table_steps
from tinygen.lower.operator import Operator
from tinygen.lower.unary_tables import STORED, Table

__all__ = ["BroadcastOperator", "broadcast_params", "broadcast_shape", "check_broadcast"]

# TFLM's RuntimeShape holds six dimensions.
MAX_RANK = 6

# A table takes 256 bytes, about as many as a kernel, and is several times as fast.
TABLE_PAYS_FROM_ELEMENTS = 256

Shape = tuple[int, ...]


class BroadcastOperator(Operator):
    """An int8 function of two operands, element by element.

    With a constant of one element it is a function of the other operand alone, and may be a table.
    """

    kernel: ClassVar[str]

    @abstractmethod
    def params(self, op: Op, graph: Graph) -> dict[str, Param]:
        """The fields of the kernel's parameters after ``shape``."""

    @abstractmethod
    def compute(self, op: Op, graph: Graph, first: Table, second: Table) -> Table:
        """What the kernel computes, on stored values."""

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        yield from checks.count(op, 2)
        yield from check_broadcast(op, graph)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        elements = graph.output(op).elements
        for constant, variable in ((0, 1), (1, 0)):
            value = graph.input(op, constant).data
            if value is None or value.size != 1 or graph.input(op, variable).elements != elements:
                continue
            operands = {constant: np.full(256, int(value.reshape(-1)[0]), np.int64), variable: STORED}
            table = self.compute(op, graph, operands[0], operands[1])
            if elements >= TABLE_PAYS_FROM_ELEMENTS or is_clip(table):
                yield from table_steps(op, graph, table, position=variable)
                return
        yield self._call(op, graph)

    def _call(self, op: Op, graph: Graph) -> Call:
        first, second, output = graph.input(op, 0), graph.input(op, 1), graph.output(op)
        return Call(
            op=op.index,
            kernel=self.kernel,
            header="elementwise/tg_elementwise.h",
            sources=(f"elementwise/{self.kernel}.c",),
            inputs=(View(graph.input_index(op, 0)), View(graph.input_index(op, 1))),
            outputs=(View(op.outputs[0]),),
            params={"shape": broadcast_params(first.shape, second.shape), **self.params(op, graph)},
            lead={i: 0 for i, operand in enumerate((first, second)) if operand.elements == output.elements},
        )


def broadcast_shape(first: Shape, second: Shape) -> Shape | None:
    """The shape of an elementwise operation's output, or ``None`` if the operands don't fit together."""
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        return None


def check_broadcast(op: Op, graph: Graph) -> Iterator[str]:
    """The two operands are there, and broadcast to the output's shape."""
    first, second = graph.optional_input(op, 0), graph.optional_input(op, 1)
    if first is None or second is None:
        return
    output = graph.output(op)
    for what, tensor in (("first operand", first), ("second operand", second), ("output", output)):
        yield from checks.rank(what, tensor, range(MAX_RANK + 1))
    shape = broadcast_shape(first.shape, second.shape)
    if shape is None:
        yield f"shapes {list(first.shape)} and {list(second.shape)} don't broadcast"
    elif _without_leading_ones(shape) != _without_leading_ones(output.shape):
        yield (
            f"shapes {list(first.shape)} and {list(second.shape)} broadcast to {list(shape)}, "
            f"but the output has shape {list(output.shape)}"
        )


def broadcast_params(first: Shape, second: Shape) -> dict[str, Param]:
    """The fields of ``tg_broadcast_t`` for two operands that broadcast.

    Neighbouring dimensions become one loop where both operands step through them alike, so that
    equal shapes are a single row.
    """
    (row, first_step, second_step), *loops = _loops(first, second) or [(1, 1, 1)]
    rows = []
    returned = [0, 0]  # how far the faster loops have moved the row when they are done
    for extent, *strides in loops:
        rows.append([extent, strides[0] - returned[0], strides[1] - returned[1]])
        returned = [r + (extent - 1) * s for r, s in zip(returned, strides, strict=True)]
    return {
        "row": row,
        "first_step": first_step,
        "second_step": second_step,
        "loops": len(loops),
        "loop": Constant("loops", np.array(rows, np.int32)),
    }


def _loops(first: Shape, second: Shape) -> list[tuple[int, int, int]]:
    """Extent and both operands' strides, in elements, of each loop, the fastest first."""
    rank = max(len(first), len(second))
    loops: list[tuple[int, int, int]] = []
    sizes = [1, 1]
    for dims in zip(_reversed(first, rank), _reversed(second, rank), strict=True):
        extent = max(dims)
        if extent == 1:
            continue
        strides = [0 if d == 1 else size for d, size in zip(dims, sizes, strict=True)]
        sizes = [size * d for size, d in zip(sizes, dims, strict=True)]
        if loops and all(s == loops[-1][0] * inner for s, inner in zip(strides, loops[-1][1:], strict=True)):
            loops[-1] = (loops[-1][0] * extent, *loops[-1][1:])
        else:
            loops.append((extent, strides[0], strides[1]))
    return loops


def _reversed(shape: Shape, rank: int) -> Shape:
    return shape[::-1] + (1,) * (rank - len(shape))


def _without_leading_ones(shape: Shape) -> Shape:
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape
