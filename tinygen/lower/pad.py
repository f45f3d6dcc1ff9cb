"""PAD, PADV2 and MIRROR_PAD: elements around a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Alias, Array, Call, DType, Graph, Op, Step, Tensor, View
from tinygen.lower.layout import (
    Level,
    Loop,
    blocks,
    gather_steps,
    lead_of,
    loop_table,
    odometer_steps,
    strides,
)
from tinygen.lower.operator import register
from tinygen.lower.require import (
    DryRun,
    Refusal,
    constant_ints,
    option,
    require,
    require_count,
    require_shape,
    require_type,
    tensor_at,
    zero_point_of,
)

__all__ = ["MirrorPad", "Pad"]

MAX_RANK = 5


def _paddings(op: Op, graph: Graph, dtypes: tuple[DType, ...], rank: int | None = None) -> list[tuple[int, int]]:
    """Elements before and after each dimension; the output's shape follows from them."""
    source = graph.input(op, 0)
    flat = constant_ints(op, graph, 1, "paddings", dtypes, rank=rank)
    dimensions = len(source.shape)
    require(1 <= dimensions <= MAX_RANK, f"{dimensions} dimensions; 1 to {MAX_RANK} are supported")
    require(len(flat) == 2 * dimensions, f"{len(flat)} paddings for {dimensions} dimensions")
    require(min(flat) >= 0, f"negative paddings {list(flat)}; use a slice")
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    require_shape(graph.output(op).shape, [d + b + a for d, (b, a) in zip(source.shape, pairs, strict=True)])
    return pairs


@register
class Pad(DryRun):
    """A constant around the tensor: real 0, or the third input's value. Inputs: tensor, paddings[, value]."""

    kinds: ClassVar = ("PAD", "PADV2")
    dtypes: ClassVar = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, range(2, 4))
        source, target = tensor_at(op, graph, 0, "input", self.dtypes), graph.output(op)
        require_type(target, source.dtype)
        pairs = _paddings(op, graph, (DType.INT32,))
        fill = self._fill(op, graph, target)
        element = source.dtype.bytes
        to_strides = strides(target.shape, element)
        move = blocks(
            element, [Loop(*c) for c in zip(source.shape, strides(source.shape, element), to_strides, strict=True)]
        )
        head = sum(before * stride for (before, _), stride in zip(pairs, to_strides, strict=True))
        inward = tuple(reversed(move.loops)) or (Loop(1, 0, 0),)
        last = head + sum((loop.count - 1) * loop.target for loop in inward) + move.block
        if source.bytes == target.bytes:
            yield Alias(op.index, graph.input_index(op), op.outputs[0])
            return
        counts = [loop.count for loop in inward]
        steps = odometer_steps(counts, [loop.target for loop in inward], resting=0)
        distance = lead_of(move, head, fills=True)
        yield Call(
            op=op.index,
            kernel="tg_pad",
            header="move/tg_move.h",
            sources=("move/tg_pad.c",),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "value": fill,
                "head": head,
                "tail": target.bytes - last,
                "block": move.block,
                "loops": len(inward),
                "loop": loop_table("loop", counts, [max(step - move.block, 0) for step in steps]),
            },
            lead={} if distance is None else {0: distance},
        )

    @staticmethod
    def _fill(op: Op, graph: Graph, target: Tensor) -> int:
        """The byte that all bytes of the padding have."""
        zero_point = zero_point_of(target, "output") if target.dtype is DType.INT8 else 0
        value: Array = np.array([zero_point], target.dtype.numpy)
        if len(op.inputs) == 3:
            given = tensor_at(op, graph, 2, "padding value", (target.dtype,))
            if given.data is None:
                raise Refusal("the padding value is computed at run time; it must be a constant")
            require(given.elements == 1, f"{given.elements} padding values where one is expected")
            if target.dtype is DType.INT8:
                require(
                    given.quantization == target.quantization,
                    "the padding value and the output are quantized differently, which TensorFlow Lite Micro refuses",
                )
            value = given.data.reshape(-1)
        pattern = set(value.tobytes())
        require(
            len(pattern) == 1,
            f"padding {target.dtype.value} values with {value[0]}, whose bytes differ; convert to int8",
        )
        return int(np.int8(np.uint8(pattern.pop())))


@register
class MirrorPad(DryRun):
    """The tensor's own elements, mirrored at its ends. Inputs: tensor, paddings."""

    kinds: ClassVar = ("MIRROR_PAD",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2)
        source, target = tensor_at(op, graph, 0, "input", (DType.INT8, DType.FLOAT32)), graph.output(op)
        require_type(target, source.dtype)
        pairs = _paddings(op, graph, (DType.INT32, DType.INT64), rank=2)
        require("mode" in op.options, "the options, which say how to mirror, are missing")
        edge = 1 if option(op, "mode") == 0 else 0  # REFLECT leaves the edge out, SYMMETRIC repeats it
        levels = []
        distances = strides(source.shape, source.dtype.bytes)
        for (before, after), length, distance in zip(pairs, source.shape, distances, strict=True):
            require(
                max(before, after) <= length - edge,
                f"{max(before, after)} mirrored elements of a dimension of length {length}",
            )
            index = np.pad(np.arange(length), (before, after), mode="reflect" if edge else "symmetric")
            levels.append(Level(index, distance))
        yield from gather_steps(op, graph, View(graph.input_index(op)), View(op.outputs[0]), source.dtype.bytes, levels)
