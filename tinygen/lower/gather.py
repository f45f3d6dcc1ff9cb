"""GATHER and BROADCAST_TO."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import DType, Graph, Op, Step, View
from tinygen.lower.layout import Level, Loop, copy_steps, gather_steps, strides
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

__all__ = ["BroadcastTo", "Gather"]

# Each batch of a batched gather is a call of its own.
MAX_BATCHES = 16


@register
class Gather(DryRun):
    """Slices along an axis, by constant indices. Inputs: tensor, indices of any shape."""

    kinds: ClassVar = ("GATHER",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2)
        source, target = tensor_at(op, graph, 0, "input", (DType.INT8, DType.FLOAT32)), graph.output(op)
        require_type(target, source.dtype)
        indices = np.array(constant_ints(op, graph, 1, "indices"), np.int64)
        shape, at = source.shape, graph.input(op, 1).shape
        axis = normal_axis(option(op, "axis"), len(shape))
        batch_dims = option(op, "batch_dims")
        batch_dims += len(at) if batch_dims < 0 else 0
        require(0 <= batch_dims <= min(axis, len(at)), f"batch_dims {batch_dims} for axis {axis}")
        require_shape(at[:batch_dims], shape[:batch_dims], "the batch of the indices")
        require_shape(target.shape, (*shape[:axis], *at[batch_dims:], *shape[axis + 1 :]))
        require(
            int(indices.min()) >= 0 and int(indices.max()) < shape[axis],
            f"indices {indices.min()} to {indices.max()} of a dimension of length {shape[axis]}",
        )
        batches = math.prod(shape[:batch_dims])
        require(batches <= MAX_BATCHES, f"{batches} batches of indices; {MAX_BATCHES} are supported")
        outer, inner = math.prod(shape[batch_dims:axis]), source.dtype.bytes * math.prod(shape[axis + 1 :])
        for batch, index in enumerate(indices.reshape(batches, -1)):
            levels = (Level(np.arange(outer), shape[axis] * inner), Level(index, inner))
            read = View(graph.input_index(op), batch * source.bytes // batches)
            written = View(op.outputs[0], batch * target.bytes // batches)
            yield from gather_steps(op, graph, read, written, inner, levels)


@register
class BroadcastTo(DryRun):
    """Dimensions of length 1 repeated. Inputs: tensor, shape."""

    kinds: ClassVar = ("BROADCAST_TO",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2)
        source, target = tensor_at(op, graph, 0, "input", frozenset(DType)), graph.output(op)
        require_type(target, source.dtype)
        shape = constant_ints(op, graph, 1, "shape", (DType.INT32, DType.INT64), rank=1)
        require(1 <= len(shape) <= 5, f"{len(shape)} dimensions; TensorFlow Lite Micro supports 1 to 5")
        require(len(source.shape) <= len(shape), f"{len(source.shape)} dimensions can't become {len(shape)}")
        require_shape(target.shape, shape)
        extended = (1,) * (len(shape) - len(source.shape)) + source.shape
        fits = all(d in (1, wanted) for d, wanted in zip(extended, shape, strict=True))
        require(fits, f"shape {list(source.shape)} can't be repeated to {list(shape)}")
        element = source.dtype.bytes
        loops = [
            Loop(wanted, 0 if d == 1 else s, t)
            for wanted, d, s, t in zip(
                shape, extended, strides(extended, element), strides(shape, element), strict=True
            )
        ]
        yield from copy_steps(op, graph, View(graph.input_index(op)), View(op.outputs[0]), element, loops)
