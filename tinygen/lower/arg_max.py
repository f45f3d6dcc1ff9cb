"""ARG_MAX and ARG_MIN of int8 tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, DType, Graph, Op, Step, View
from tinygen.lower.layout import MAX_LEAD_BLOCKS
from tinygen.lower.operator import register
from tinygen.lower.require import (
    DryRun,
    constant_ints,
    normal_axis,
    option,
    require,
    require_count,
    require_shape,
    tensor_at,
)

__all__ = ["ArgMax"]

# Element types in the schema that TFLM knows, FLOAT32 to INT4.
TENSOR_TYPES = 18


def _lead(outer: int, axis: int, inner: int) -> int | None:
    """How far the int32 outputs must start before the int8 inputs so that none is overwritten unread."""
    if outer * inner > MAX_LEAD_BLOCKS:
        return None
    first_read = (np.arange(outer)[:, None] * (axis * inner) + np.arange(inner)).reshape(-1)
    return int((np.arange(outer * inner) * DType.INT32.bytes - first_read).max())


@register
class ArgMax(DryRun):
    """The index of the first greatest or least element along an axis, int32. Inputs: tensor, axis."""

    kinds: ClassVar = ("ARG_MAX", "ARG_MIN")

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2)
        source, target = tensor_at(op, graph, 0, "input", (DType.INT8,)), graph.output(op)
        axes = constant_ints(op, graph, 1, "axis")
        require(len(axes) == 1, f"{len(axes)} axes where one is expected")
        axis = normal_axis(axes[0], len(source.shape))
        require(
            target.dtype is DType.INT32,
            f"the output is {target.dtype.value}, and TensorFlow Lite Micro gives int32 only; "
            "ask for output_type=tf.int32 in the Keras model",
        )
        # TFLM goes by the output tensor's type, but refuses an option that is no type at all.
        require(0 <= option(op, "output_type") < TENSOR_TYPES, f"the unknown output type {option(op, 'output_type')}")
        require_shape(target.shape, [*source.shape[:axis], *source.shape[axis + 1 :]])
        outer, inner = math.prod(source.shape[:axis]), math.prod(source.shape[axis + 1 :])
        lead = _lead(outer, source.shape[axis], inner)
        yield Call(
            op=op.index,
            kernel="tg_arg_extreme",
            header="reduce/tg_reduce.h",
            sources=("reduce/tg_arg_extreme.c",),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "outer": outer,
                "axis": source.shape[axis],
                "inner": inner,
                "flip": -1 if op.kind == "ARG_MIN" else 0,
            },
            lead={} if lead is None else {0: lead},
        )
