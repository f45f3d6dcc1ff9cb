"""CONCATENATION and PACK: each input is copied to its place in the output."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

from tinygen.ir import DType, Graph, Op, Step, Tensor, View
from tinygen.lower.layout import Loop, copy_steps
from tinygen.lower.operator import Operator, register
from tinygen.lower.require import (
    DryRun,
    normal_axis,
    option,
    require,
    require_count,
    require_shape,
    require_type,
    tensor_at,
)

__all__ = ["Concatenation", "Pack"]

# TFLM's limit (kMaxInputNum in concatenation.cc); PACK has none.
MAX_INPUTS = 10
MAX_RANK = 6


def _joined(op: Op, graph: Graph, axis: int, pieces: Sequence[tuple[int, ...]]) -> Iterator[Step]:
    """Copy inputs of shapes ``pieces`` one behind the other along an axis of the output.

    Args:
        pieces: one shape for each input, of the output's rank.
    """
    target = graph.output(op)
    for piece in pieces:
        expected = [*target.shape[:axis], *piece[axis : axis + 1], *target.shape[axis + 1 :]]
        require_shape(piece, expected, "an input")
    total = sum(piece[axis] for piece in pieces)
    require(total == target.shape[axis], f"{total} along axis {axis}, but the output has {target.shape[axis]}")
    inner = target.dtype.bytes * math.prod(target.shape[axis + 1 :])
    offset = 0
    for position, piece in enumerate(pieces):
        block = piece[axis] * inner
        source = View(graph.input_index(op, position))
        rows = Loop(math.prod(piece[:axis]), block, target.shape[axis] * inner)
        yield from copy_steps(op, graph, source, View(op.outputs[0], offset), block, (rows,))
        offset += block


@register
class Concatenation(DryRun):
    """Tensors of one type and one quantization, joined along any axis."""

    kinds: ClassVar = ("CONCATENATION",)
    dtypes: ClassVar = (DType.INT8, DType.INT16, DType.INT32, DType.INT64, DType.FLOAT32, DType.BOOL)
    weight_tensors = Operator.weight_tensors  # its constant inputs are data

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, range(1, MAX_INPUTS + 1))
        require(option(op, "fused_activation_function") == 0, "fused activation; use a separate activation layer")
        target = graph.output(op)
        require(len(target.shape) <= MAX_RANK, f"{len(target.shape)} dimensions; up to {MAX_RANK} are supported")
        inputs = [tensor_at(op, graph, i, f"input {i}", self.dtypes) for i in range(len(op.inputs))]
        for i, tensor in enumerate(inputs):
            self._require_match(i, tensor, target)
        axis = normal_axis(option(op, "axis"), len(target.shape))
        yield from _joined(op, graph, axis, [t.shape for t in inputs])

    @staticmethod
    def _require_match(position: int, tensor: Tensor, target: Tensor) -> None:
        """TFLM's int8 concatenation does not rescale; its int16 one wants zero points of 0."""
        require_type(tensor, target.dtype, f"input {position}")
        require(
            len(tensor.shape) == len(target.shape),
            f"input {position} has {len(tensor.shape)} dimensions, but the output {len(target.shape)}",
        )
        if target.dtype is DType.INT8:
            require(
                tensor.quantization == target.quantization
                and (target.quantization is None or target.quantization.per_tensor),
                f"input {position} and the output are quantized differently, and TensorFlow Lite Micro does not "
                "rescale here; convert with a converter that unifies the scales around concatenations",
            )
        elif target.dtype is DType.INT16:
            zero_points = [z for t in (tensor, target) if t.quantization for z in t.quantization.zero_points]
            require(not any(zero_points), "int16 tensors must have the zero point 0")


@register
class Pack(DryRun):
    """Tensors of one shape, stacked along a new axis."""

    kinds: ClassVar = ("PACK",)
    dtypes: ClassVar = (DType.INT8, DType.INT16, DType.INT32, DType.INT64, DType.FLOAT32)
    weight_tensors = Operator.weight_tensors  # its constant inputs are data

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, range(1, 1 << 16))
        count = option(op, "values_count", len(op.inputs))
        require(count == len(op.inputs), f"{len(op.inputs)} inputs, but values_count is {count}")
        target = graph.output(op)
        inputs = [tensor_at(op, graph, i, f"input {i}", self.dtypes) for i in range(len(op.inputs))]
        axis = normal_axis(option(op, "axis"), len(target.shape))
        for i, tensor in enumerate(inputs):
            require_type(tensor, target.dtype, f"input {i}")
            require_shape(tensor.shape, [*target.shape[:axis], *target.shape[axis + 1 :]], f"input {i}")
        yield from _joined(op, graph, axis, [(*t.shape[:axis], 1, *t.shape[axis:]) for t in inputs])
