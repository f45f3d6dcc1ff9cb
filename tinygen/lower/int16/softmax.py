"""SOFTMAX of 16-bit activations over the last axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tinygen.ir import Call, Constant, Graph, Op, Step, Tensor, View
from tinygen.lower import checks
from tinygen.lower.int16.symmetric import check_symmetric, quantization_of, rescale_struct
from tinygen.lower.int16.tables import exp_table, reciprocal_table
from tinygen.lower.operator import Operator, register
from tinygen.lower.requantize import quantize_multiplier

__all__ = ["SoftmaxInt16"]

# The sum of so many exponentials can't overflow 32 bits.
MAX_DEPTH = 65535

# The largest shift by which a difference of stored values, of 16 bits and a sign, stays within 32 bits.
MAX_SHIFT = 15


@register
class SoftmaxInt16(Operator):
    """exp(beta * x) / sum of the row's exp(beta * x), both functions interpolated in tables of 513 values."""

    kinds: ClassVar = ("SOFTMAX",)
    reads_int16: ClassVar = True

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        source, target = graph.optional_input(op, 0), graph.output(op)
        reasons = [*checks.count(op, 1), *check_symmetric("input", source), *check_symmetric("output", target)]
        yield from reasons
        if reasons or source is None:
            return
        if source.shape != target.shape or not source.shape:
            yield f"an input of shape {list(source.shape)} for an output of shape {list(target.shape)}"
        elif source.shape[-1] > MAX_DEPTH:
            yield f"rows of {source.shape[-1]} values, whose sum could overflow the reference's accumulator"
        if abs(quantization_of(target).scale * 32768.0 - 1.0) > 0.001:
            yield f"the output has scale {quantization_of(target).scale:.9g} where 1/32768 is prescribed"
        if not 0.0 < _factor(op, source) < 1 << MAX_SHIFT:
            scale = quantization_of(source).scale
            yield f"beta {_beta(op):g} with an input of scale {scale:.3g} is out of the reference's range"

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source = graph.input(op, 0)
        depth = source.shape[-1]
        yield Call(
            op=op.index,
            kernel="tg_softmax_s16",
            header="int16/tg_softmax_s16.h",
            sources=("int16/tg_softmax_s16.c",),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "rows": source.elements // depth,
                "depth": depth,
                "rescale": rescale_struct(quantize_multiplier(_factor(op, source))),
                "exp": Constant("exp", exp_table()),
                "reciprocal": Constant("reciprocal", reciprocal_table()),
            },
            lead={0: 0},
        )


def _beta(op: Op) -> float:
    return float(str(op.options.get("beta", 0.0)))


def _factor(op: Op, source: Tensor) -> float:
    """Brings a difference of stored values to units of 10 / 65535."""
    return quantization_of(source).scale * _beta(op) / (10.0 / 65535.0)
