"""SOFTMAX over the last axis, from int8 to int8 or int16."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Call, Constant, DType, Graph, Op, Step, Tensor, View
from tinygen.lower import checks
from tinygen.lower.fixed_point import exp_on_negative_values
from tinygen.lower.operator import Operator, register
from tinygen.lower.requantize import multiply_by_quantized_multiplier, quantize_multiplier

__all__ = ["Softmax", "exp_table"]

# Integer bits of the exponent, and of the sum of exponentials.
EXPONENT_BITS = 5
SUM_BITS = 12

# An exponential below half a unit of the sum's last bit adds nothing to the sum, and is too small to
# show in an int16 output, too.
VISIBLE = 1 << (SUM_BITS - 1)


@register
class Softmax(Operator):
    """exp(beta * x) / sum of the row's exp(beta * x), with exponentials from a table made offline.

    The reference computes exp of each element's distance from the row's largest, of which there are at
    most 256; distances whose exponential is invisible are left out of the table.
    """

    kinds: ClassVar = ("SOFTMAX",)

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        yield from checks.count(op, 1)
        source, target = graph.optional_input(op, 0), graph.output(op)
        reasons = [*checks.int8_tensor("input", source), *_check_output(target)]
        yield from reasons
        if reasons or source is None:
            return
        assert source.quantization is not None
        if source.shape != target.shape or not source.shape:
            yield f"an input of shape {list(source.shape)} for an output of shape {list(target.shape)}"
        elif source.shape[-1] >= 1 << SUM_BITS:
            yield f"rows of {source.shape[-1]} values, whose sum could overflow the reference's accumulator"
        if not _factor(op, source) > 1.0:
            scale = source.quantization.scale
            yield f"beta {_beta(op):g} with an input of scale {scale:.3g} is out of the reference's range"

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, target = graph.input(op, 0), graph.output(op)
        wide = target.dtype is DType.INT16
        kernel = "tg_softmax_int16" if wide else "tg_softmax"
        table = exp_table(_factor(op, source))
        depth = source.shape[-1]
        yield Call(
            op=op.index,
            kernel=kernel,
            header="softmax/tg_softmax.h",
            sources=(f"softmax/{kernel}.c", "softmax/tg_softmax_row.c"),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "rows": source.elements // depth,
                "depth": depth,
                "steps": len(table),
                "table": Constant("exp", table),
            },
            lead={0: source.elements if wide else 0},
        )


def exp_table(factor: float) -> NDArray[np.int32]:
    """exp(-d * beta * scale) in Q0 for distances d = 0, 1 … while it is visible, at most 256 entries.

    Args:
        factor: ``beta * scale * 2^26``, at most 2^31 - 1.
    """
    rescale = quantize_multiplier(factor)
    # Beyond this distance the reference takes exp for zero. (CalculateInputRadius)
    radius = math.floor(((1 << EXPONENT_BITS) - 1) * 2.0 ** (31 - EXPONENT_BITS - rescale.shift))
    distances = np.arange(min(radius, 255) + 1, dtype=np.int64)
    exponents = multiply_by_quantized_multiplier(-distances, rescale)
    table = np.array([exp_on_negative_values(int(x), EXPONENT_BITS) for x in exponents], np.int32)
    return table[: np.flatnonzero(table >= VISIBLE)[-1] + 1]


def _check_output(output: Tensor) -> Iterator[str]:
    """TFLM prescribes the output's quantization."""
    q = output.quantization
    if output.dtype not in (DType.INT8, DType.INT16):
        yield f"the output is {output.dtype.value} where int8 or int16 is expected; quantize the whole model"
    elif q is None or not q.per_tensor:
        yield "the output has no per-tensor quantization"
    elif output.dtype is DType.INT8 and (q.zero_point != -128 or q.scale != 1.0 / 256.0):
        yield f"{_stored(output)} where 1/256 and -128 are prescribed"
    elif output.dtype is DType.INT16 and (q.zero_point != -32768 or abs(q.scale * 65536.0 - 1.0) > 0.001):
        yield f"{_stored(output)} where 1/65536 and -32768 are prescribed"


def _stored(output: Tensor) -> str:
    assert output.quantization is not None
    return f"the output has scale {output.quantization.scale:.9g} and zero point {output.quantization.zero_point}"


def _beta(op: Op) -> float:
    return float(str(op.options.get("beta", 0.0)))


def _factor(op: Op, source: Tensor) -> float:
    assert source.quantization is not None
    return min(_beta(op) * source.quantization.scale * (1 << (31 - EXPONENT_BITS)), (1 << 31) - 1.0)
