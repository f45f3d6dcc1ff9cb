"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same elements under another shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tinygen.ir import Alias, DType, Graph, Op, Step
from tinygen.lower.operator import register
from tinygen.lower.require import (
    DryRun,
    constant_ints,
    normal_axis,
    require,
    require_count,
    require_shape,
    require_type,
    tensor_at,
)

__all__ = ["ExpandDims", "Reshape", "Squeeze"]


@register
class Reshape(DryRun):
    """Any shape of as many elements. Like TFLM, it goes by the output's own shape, not by the shape input."""

    kinds: ClassVar = ("RESHAPE",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, range(1, 3))
        source, target = tensor_at(op, graph, 0, "input", frozenset(DType)), graph.output(op)
        require_type(target, source.dtype)
        require(
            source.elements == target.elements,
            f"{source.elements} elements in, but {target.elements} in shape {list(target.shape)}",
        )
        yield Alias(op.index, graph.input_index(op), op.outputs[0])


@register
class Squeeze(DryRun):
    """Dimensions of length 1 removed: those named, or all of them."""

    kinds: ClassVar = ("SQUEEZE",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 1)
        source, target = tensor_at(op, graph, 0, "input", frozenset(DType)), graph.output(op)
        require_type(target, source.dtype)
        named = op.options.get("squeeze_dims", ())
        axes = {normal_axis(int(a), len(source.shape)) for a in (named if isinstance(named, tuple) else ())}
        for axis in sorted(axes):
            require(source.shape[axis] == 1, f"dimension {axis} of shape {list(source.shape)} is not of length 1")
        axes = axes or {i for i, d in enumerate(source.shape) if d == 1}
        require_shape(target.shape, [d for i, d in enumerate(source.shape) if i not in axes])
        yield Alias(op.index, graph.input_index(op), op.outputs[0])


@register
class ExpandDims(DryRun):
    """A dimension of length 1 inserted before a constant axis."""

    kinds: ClassVar = ("EXPAND_DIMS",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2)
        source = tensor_at(op, graph, 0, "input", (DType.INT8, DType.INT16, DType.FLOAT32))
        target = graph.output(op)
        require_type(target, source.dtype)
        axes = constant_ints(op, graph, 1, "axis")
        rank = len(graph.input(op, 1).shape)
        require(len(axes) == 1 and rank <= 1, f"{len(axes)} axes in {rank} dimensions where one number is expected")
        axis = normal_axis(axes[0], len(source.shape) + 1)
        require_shape(target.shape, [*source.shape[:axis], 1, *source.shape[axis:]])
        yield Alias(op.index, graph.input_index(op), op.outputs[0])
