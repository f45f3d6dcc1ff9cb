"""Functions of one 16-bit value: RELU, RELU6, LEAKY_RELU, LOGISTIC and TANH."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, Constant, Graph, Op, Param, Quantization, Step, View
from tinygen.lower import checks
from tinygen.lower.int16.symmetric import HEADER_OF_ELEMENTWISE, check_symmetric, quantization_of, rescale_struct
from tinygen.lower.int16.tables import sigmoid_table
from tinygen.lower.operator import Operator, register
from tinygen.lower.requantize import quantize_multiplier

__all__ = ["SigmoidInt16", "SlopesInt16", "check_ratio", "unary_call"]

# A stored value times more than this would overflow the reference's 32 bits.
MAX_FACTOR = 1 << 15


class _Unary(Operator):
    reads_int16: ClassVar = True

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        source, target = graph.optional_input(op, 0), graph.output(op)
        reasons = [*checks.count(op, 1), *check_symmetric("input", source), *check_symmetric("output", target)]
        yield from reasons
        if reasons or source is None:
            return
        if source.elements != target.elements:
            yield f"an input of {source.elements} values for an output of {target.elements}"
        yield from self.check_scales(op, quantization_of(source), quantization_of(target))

    def check_scales(self, op: Op, source: Quantization, target: Quantization) -> Iterator[str]:
        raise NotImplementedError


@register
class SlopesInt16(_Unary):
    """Functions of two slopes, one on either side of zero, and a clamp."""

    kinds: ClassVar = ("LEAKY_RELU", "RELU", "RELU6")

    def check_scales(self, op: Op, source: Quantization, target: Quantization) -> Iterator[str]:
        yield from check_ratio(source.scale, target.scale)
        alpha = _alpha(op)
        if not 0.0 <= alpha < math.inf:
            yield f"alpha is {alpha:g}, where a number from 0 on is supported with 16-bit activations"
        else:
            yield from check_ratio(source.scale * alpha, target.scale)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, target = (quantization_of(t) for t in (graph.input(op, 0), graph.output(op)))
        ratio = negative = source.scale / target.scale
        low, high = -32768, 32767
        match op.kind:
            case "LEAKY_RELU":
                negative = source.scale * _alpha(op) / target.scale
            case "RELU":
                low = 0
            case "RELU6":  # clamps stored values; TFLM doesn't look at the output's scale
                ratio = negative = 1.0
                low, high = 0, min(high, math.floor(float(np.float32(6.0) / np.float32(source.scale)) + 0.5))
        slopes: dict[str, Param] = {
            "positive": rescale_struct(quantize_multiplier(ratio)),
            "negative": rescale_struct(quantize_multiplier(negative)),
            "min": low,
            "max": high,
        }
        yield unary_call(op, graph, "tg_slopes_s16", slopes)


@dataclass(frozen=True, slots=True)
class _Argument:
    """A stored value times ``multiplier / 2^right`` is the argument in units of 1 / (3 * 4096)."""

    multiplier: int
    right: int


@register
class SigmoidInt16(_Unary):
    """LOGISTIC, and TANH as 2 * LOGISTIC(2 x) - 1, interpolated in one table of 256 values."""

    kinds: ClassVar = ("LOGISTIC", "TANH")

    def check_scales(self, op: Op, source: Quantization, target: Quantization) -> Iterator[str]:
        if _power_of_two(target.scale) != -15:
            yield f"the output's scale is {target.scale:.9g} where TensorFlow Lite Micro demands 1/32768"
        if _argument(op, source).multiplier > 32767:
            yield f"the input's scale {source.scale:.3g} is too large for the reference's 16-bit arithmetic"

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        argument = _argument(op, quantization_of(graph.input(op, 0)))
        params: dict[str, Param] = {
            "multiplier": argument.multiplier,
            "right": argument.right,
            "table": Constant("table", sigmoid_table()),
        }
        yield unary_call(op, graph, f"tg_{op.kind.lower()}_s16", params)


def unary_call(op: Op, graph: Graph, kernel: str, params: dict[str, Param], *, lead: int = 0) -> Call:
    """A call of one of the kernels of ``int16/tg_elementwise_s16.h`` that take one operand."""
    return Call(
        op=op.index,
        kernel=kernel,
        header=HEADER_OF_ELEMENTWISE,
        sources=(f"int16/{kernel}.c",),
        inputs=(View(graph.input_index(op)),),
        outputs=(View(op.outputs[0]),),
        params={"elements": graph.output(op).elements, **params},
        lead={0: lead},
    )


def check_ratio(source: float, target: float) -> Iterator[str]:
    """The input's scale is not so much larger than the output's that the reference overflows."""
    if not source / target < MAX_FACTOR:
        yield (
            f"the input's scale {source:.3g} is too large for the output's {target:.3g}: "
            "the reference's arithmetic would overflow; calibrate with representative data"
        )


def _alpha(op: Op) -> float:
    return float(str(op.options.get("alpha", 0.0)))


def _power_of_two(scale: float) -> int | None:
    """The exponent of a scale that is a power of two, almost. (CheckedLog2)"""
    exponent = np.log(np.float32(scale)) * (np.float32(1.0) / np.log(np.float32(2.0)))
    rounded = round(float(exponent))
    return rounded if abs(float(exponent) - rounded) < 1e-3 else None


def _argument(op: Op, source: Quantization) -> _Argument:
    """TFLM multiplies by 3 or 6 where the scale is 2^-12 (or, for TANH, 2^-11), else by 15 bits of the factor."""
    exponent = _power_of_two(source.scale)
    shift = 12 + exponent if exponent is not None else None
    if shift == 0 or (shift == 1 and op.kind == "TANH"):
        return _Argument(3 << shift, 0)
    multiplier, right = source.scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and right <= 30:
        multiplier, right = multiplier * 2.0, right + 1
    return _Argument(int(min(multiplier, 1 << 31)), right)
