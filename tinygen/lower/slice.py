"""SLICE, STRIDED_SLICE and REVERSE_V2: elements at even distances along each dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from tinygen.ir import DType, Graph, Op, Step, View
from tinygen.lower.layout import Loop, copy_steps, strides
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

__all__ = ["ReverseV2", "Slice", "StridedSlice"]

DTYPES = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32, DType.BOOL)


def _take(op: Op, graph: Graph, ranges: Sequence[range]) -> Iterator[Step]:
    """Copy the elements whose index along each dimension is in that dimension's range."""
    source, target = graph.input(op, 0), graph.output(op)
    require_type(target, source.dtype)
    for axis, taken in enumerate(ranges):
        inside = len(taken) > 0 and min(taken) >= 0 and max(taken) < source.shape[axis]
        require(
            inside,
            f"dimension {axis} of length {source.shape[axis]} is read from {taken.start} to {taken.stop}"
            f" in steps of {taken.step}, which takes nothing or leads out of it",
        )
    element = source.dtype.bytes
    from_strides = strides(source.shape, element)
    to_strides = strides([len(r) for r in ranges], element)
    start = sum(r.start * s for r, s in zip(ranges, from_strides, strict=True))
    loops = [Loop(len(r), r.step * s, t) for r, s, t in zip(ranges, from_strides, to_strides, strict=True)]
    yield from copy_steps(op, graph, View(graph.input_index(op), start), View(op.outputs[0]), element, loops)


@register
class Slice(DryRun):
    """A box. Inputs: tensor, begin, size (-1: to the end)."""

    kinds: ClassVar = ("SLICE",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 3)
        source = tensor_at(op, graph, 0, "input", DTYPES)
        rank = len(source.shape)
        require(1 <= rank <= 5, f"{rank} dimensions; 1 to 5 are supported")
        begin = constant_ints(op, graph, 1, "begin", (DType.INT32, DType.INT64), rank=1)
        size = constant_ints(op, graph, 2, "size", (DType.INT32, DType.INT64), rank=1)
        require(graph.input(op, 1).dtype is graph.input(op, 2).dtype, "begin and size are of different types")
        require(len(begin) == len(size) == rank, f"{len(begin)} begins and {len(size)} sizes for {rank} dimensions")
        ranges = [range(b, d if s == -1 else b + s) for b, s, d in zip(begin, size, source.shape, strict=True)]
        require_shape(graph.output(op).shape, [len(r) for r in ranges])
        yield from _take(op, graph, ranges)


@register
class StridedSlice(DryRun):
    """Steps of any sign. Inputs: tensor, begin, end, strides. TFLM ignores the ellipsis and new-axis masks."""

    kinds: ClassVar = ("STRIDED_SLICE",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 4)
        source = tensor_at(op, graph, 0, "input", DTYPES)
        rank = len(source.shape)
        require(1 <= rank <= 4, f"{rank} dimensions; TensorFlow Lite Micro supports 1 to 4")
        for name in ("ellipsis_mask", "new_axis_mask", "offset"):
            require(
                not option(op, name),
                f"{name.replace('_', ' ')} is not supported by TensorFlow Lite Micro; write the slice out with "
                "begin, end and strides for each dimension, and reshape",
            )
        begin, end, step = (constant_ints(op, graph, i, n) for i, n in enumerate(("begin", "end", "strides"), 1))
        require(
            len(begin) == len(end) == len(step) == rank,
            f"{len(begin)} begins, {len(end)} ends and {len(step)} strides for {rank} dimensions",
        )
        ranges = [self._range(op, axis, source.shape[axis], begin[axis], end[axis], step[axis]) for axis in range(rank)]
        shrunk = option(op, "shrink_axis_mask")
        require_shape(graph.output(op).shape, [len(r) for i, r in enumerate(ranges) if not shrunk >> i & 1])
        yield from _take(op, graph, ranges)

    @staticmethod
    def _range(op: Op, axis: int, length: int, begin: int, end: int, step: int) -> range:
        """The indices along one dimension, as TFLM's strided_slice_logic.h resolves them."""
        require(step != 0, f"the stride of dimension {axis} is 0")
        bit = 1 << axis
        low, high = (0, length) if step > 0 else (-1, length - 1)

        def resolve(index: int) -> int:
            return min(max(index + length if index < 0 else index, low), high)

        first = resolve(begin)
        if option(op, "begin_mask") & bit:
            first = 0 if step > 0 else length - 1
        if option(op, "shrink_axis_mask") & bit:
            require(step > 0, f"dimension {axis} is removed with the stride {step}; use a positive one")
            return range(first, first + 1)
        last = resolve(end)
        if option(op, "end_mask") & bit:
            last = length if step > 0 else -1
        return range(first, last, step)


@register
class ReverseV2(DryRun):
    """Neighbouring dimensions backwards. Inputs: tensor, axes."""

    kinds: ClassVar = ("REVERSE_V2",)
    dtypes: ClassVar = (*DTYPES, DType.UINT8, DType.INT64)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2)
        source = tensor_at(op, graph, 0, "input", self.dtypes)
        rank = len(source.shape)
        require(1 <= rank <= 6, f"{rank} dimensions; 1 to 6 are supported")
        axes = sorted(normal_axis(a, rank) for a in constant_ints(op, graph, 1, "axes", rank=1))
        neighbours = axes == list(range(axes[0], axes[0] + len(axes)))
        require(neighbours, f"TensorFlow Lite Micro reverses neighbouring dimensions only, not {axes}")
        require_shape(graph.output(op).shape, source.shape)
        yield from _take(
            op, graph, [range(d - 1, -1, -1) if i in axes else range(d) for i, d in enumerate(source.shape)]
        )
