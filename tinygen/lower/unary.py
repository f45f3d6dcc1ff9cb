"""int8 functions of one value: LOGISTIC, TANH, RELU and their like, as tables made offline."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tinygen.ir import Graph, Op, Quantization, Step
from tinygen.lower import checks
from tinygen.lower import unary_tables as tables
from tinygen.lower.lookup import table_steps
from tinygen.lower.operator import Operator, register
from tinygen.lower.requantize import quantize_multiplier

__all__ = ["Unary", "check_ratio"]

# A difference of two int8 values times more than this would overflow the reference's 32 bits.
MAX_FACTOR = 1 << 22

# About the largest number of single precision, in which the reference prepares its factors.
MAX_SINGLE = 3e38


@dataclass(frozen=True, slots=True)
class _Function:
    """What distinguishes one function: how its table is made, and when it can't be."""

    table: Callable[[Op, Quantization, Quantization], tables.Table]
    check: Callable[[Op, Quantization, Quantization], Iterator[str]]


@register
class Unary(Operator):
    """One table of 256 bytes, or less, for each operator."""

    kinds: ClassVar = ("ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH")

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        yield from checks.count(op, 1)
        reasons = [
            *checks.int8_tensor("input", graph.optional_input(op, 0)),
            *checks.int8_tensor("output", graph.output(op)),
        ]
        yield from reasons
        if reasons:
            return
        if graph.input(op, 0).elements != graph.output(op).elements:
            yield f"an input of {graph.input(op, 0).elements} values for an output of {graph.output(op).elements}"
        yield from _FUNCTIONS[op.kind].check(op, *_quantizations(op, graph))

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        yield from table_steps(op, graph, _FUNCTIONS[op.kind].table(op, *_quantizations(op, graph)))


def check_ratio(source: Quantization, target: Quantization, factor: float = 1.0) -> Iterator[str]:
    """The input's scale, times a factor, is not so much larger than the output's that the reference overflows."""
    if not abs(factor) * source.scale / target.scale < MAX_FACTOR:
        yield (
            f"the input's scale {source.scale:.3g} is too large for the output's {target.scale:.3g}: "
            "the reference's arithmetic would overflow; calibrate with representative data"
        )


def _quantizations(op: Op, graph: Graph) -> tuple[Quantization, Quantization]:
    source, target = graph.input(op, 0).quantization, graph.output(op).quantization
    assert source is not None and target is not None
    return source, target


def _check_ratio(op: Op, source: Quantization, target: Quantization) -> Iterator[str]:
    del op
    yield from check_ratio(source, target)


def _check_leaky_relu(op: Op, source: Quantization, target: Quantization) -> Iterator[str]:
    alpha = _alpha(op)
    if not abs(alpha) * source.scale < MAX_SINGLE:
        yield f"alpha is {alpha:g} with an input of scale {source.scale:.3g}"
        return
    yield from check_ratio(source, target)
    yield from check_ratio(source, target, alpha)


def _check_relu6(op: Op, source: Quantization, target: Quantization) -> Iterator[str]:
    del op, target
    if 6.0 / source.scale >= 1 << 31:
        yield f"the input's scale {source.scale:.3g} is too small: 6 has no 32-bit value in it"


def _check_sigmoid(op: Op, source: Quantization, target: Quantization) -> Iterator[str]:
    """LOGISTIC and TANH read their input in 4 integer bits."""
    if op.kind == "LOGISTIC" and target.zero_point != -128:
        yield f"the output's zero point is {target.zero_point} where TensorFlow Lite Micro demands -128"
    if not 2.0**-28 <= source.scale < 16.0:
        yield f"the input's scale {source.scale:.3g} is outside the reference's range, 2^-28 to 16"


def _check_hard_swish(op: Op, source: Quantization, target: Quantization) -> Iterator[str]:
    del op
    if not source.scale < 2.0**16:
        yield f"the input's scale {source.scale:.3g} is too large for the reference's 16-bit arithmetic"
    with np.errstate(over="ignore"):
        ratio = np.float32(source.scale / 128.0) / np.float32(target.scale)
    if not math.isfinite(ratio) or quantize_multiplier(float(ratio)).shift > 0:
        yield (
            f"the input's scale {source.scale:.3g} is more than 128 times the output's {target.scale:.3g}, "
            "which TensorFlow Lite Micro refuses"
        )


def _check_elu(op: Op, source: Quantization, target: Quantization) -> Iterator[str]:
    del op
    reasons = list(check_ratio(source, target))
    if target.scale < 2.0**-30:
        reasons.append(f"the output's scale {target.scale:.3g} is too small: -1 has no 32-bit value in it")
    yield from reasons
    if not reasons and not tables.elu_is_certain(source, target):
        yield "an output lies so close to a tie that C libraries round it differently; calibrate with other data"


def _alpha(op: Op) -> float:
    return float(str(op.options.get("alpha", 0.0)))


def _plain(function: Callable[[Quantization, Quantization], tables.Table]) -> Callable[..., tables.Table]:
    """A function without options."""
    return lambda op, source, target: function(source, target)


_FUNCTIONS = {
    "ABS": _Function(_plain(tables.abs_table), _check_ratio),
    "ELU": _Function(_plain(tables.elu_table), _check_elu),
    "HARD_SWISH": _Function(_plain(tables.hard_swish_table), _check_hard_swish),
    "LEAKY_RELU": _Function(lambda op, s, t: tables.leaky_relu_table(s, t, _alpha(op)), _check_leaky_relu),
    "LOGISTIC": _Function(_plain(tables.logistic_table), _check_sigmoid),
    "RELU": _Function(_plain(tables.relu_table), _check_ratio),
    "RELU6": _Function(_plain(tables.relu6_table), _check_relu6),
    "TANH": _Function(_plain(tables.tanh_table), _check_sigmoid),
}
