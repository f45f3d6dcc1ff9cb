"""TRANSPOSE, DEPTH_TO_SPACE, SPACE_TO_DEPTH and SPACE_TO_BATCH_ND: dimensions in another order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from tinygen.ir import DType, Graph, Op, Step, View
from tinygen.lower.layout import Loop, copy_steps, strides
from tinygen.lower.operator import register
from tinygen.lower.require import (
    DryRun,
    constant_ints,
    option,
    require,
    require_count,
    require_shape,
    require_type,
    tensor_at,
)

__all__ = ["DepthToSpace", "SpaceToDepth", "Transpose"]


def permute_steps(op: Op, graph: Graph, shape: Sequence[int], order: Sequence[int]) -> Iterator[Step]:
    """Copy the input, seen under ``shape``, with its dimensions in the order given."""
    element = graph.output(op).dtype.bytes
    from_strides = strides(shape, element)
    to_strides = strides([shape[i] for i in order], element)
    loops = [Loop(shape[i], from_strides[i], to) for i, to in zip(order, to_strides, strict=True)]
    yield from copy_steps(op, graph, View(graph.input_index(op)), View(op.outputs[0]), element, loops)


@register
class Transpose(DryRun):
    """Any permutation of up to 5 dimensions. Inputs: tensor, permutation."""

    kinds: ClassVar = ("TRANSPOSE",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2)
        source = tensor_at(op, graph, 0, "input", (DType.INT8, DType.INT16, DType.FLOAT32))
        target = graph.output(op)
        require_type(target, source.dtype)
        rank = len(source.shape)
        require(1 <= rank <= 5, f"{rank} dimensions; TensorFlow Lite Micro supports 1 to 5")
        order = constant_ints(op, graph, 1, "permutation", rank=1)
        require(sorted(order) == list(range(rank)), f"{list(order)} is no permutation of {rank} dimensions")
        require_shape(target.shape, [source.shape[i] for i in order])
        yield from permute_steps(op, graph, source.shape, order)


class _Blocked(DryRun):
    """Moves blocks of pixels between space and depth; int8 and float32 images [N, H, W, C]."""

    def _image(self, op: Op, graph: Graph) -> tuple[int, int, int, int]:
        require_count(op, 1)
        source = tensor_at(op, graph, 0, "input", (DType.INT8, DType.FLOAT32))
        target = graph.output(op)
        require_type(target, source.dtype)
        require(len(source.shape) == 4, f"{len(source.shape)} dimensions where 4 are expected")
        n, h, w, c = source.shape
        return n, h, w, c


@register
class DepthToSpace(_Blocked):
    """[N, H, W, b * b * C] -> [N, H * b, W * b, C]."""

    kinds: ClassVar = ("DEPTH_TO_SPACE",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        n, h, w, c = self._image(op, graph)
        b = option(op, "block_size")
        require(b > 0 and c % (b * b) == 0, f"blocks of {b}x{b} don't fit {c} channels")
        require_shape(graph.output(op).shape, (n, h * b, w * b, c // (b * b)))
        yield from permute_steps(op, graph, (n, h, w, b, b, c // (b * b)), (0, 1, 3, 2, 4, 5))


@register
class SpaceToDepth(_Blocked):
    """[N, H * b, W * b, C] -> [N, H, W, b * b * C]."""

    kinds: ClassVar = ("SPACE_TO_DEPTH",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        n, h, w, c = self._image(op, graph)
        b = option(op, "block_size")
        require(b > 0 and h % b == 0 and w % b == 0, f"blocks of {b}x{b} don't fit an image of {h}x{w}")
        require_shape(graph.output(op).shape, (n, h // b, w // b, c * b * b))
        yield from permute_steps(op, graph, (n, h // b, b, w // b, b, c), (0, 1, 3, 2, 4, 5))
