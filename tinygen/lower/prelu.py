"""PRELU on int8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Graph, Op, Param, Quantization
from tinygen.lower import checks
from tinygen.lower.broadcast import BroadcastOperator
from tinygen.lower.operator import register
from tinygen.lower.requantize import Rescale, multiply_by_quantized_multiplier, quantize_multiplier
from tinygen.lower.unary import check_ratio
from tinygen.lower.unary_tables import Table, saturate

__all__ = ["Prelu"]


@register
class Prelu(BroadcastOperator):
    """x where x >= 0, else alpha * x; alpha broadcasts over x, mostly one value for each channel."""

    kinds: ClassVar = ("PRELU",)
    kernel: ClassVar = "tg_prelu"

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        reasons = [
            *super().check(op, graph),
            *checks.int8_tensor("input", graph.optional_input(op, 0)),
            *checks.int8_tensor("alpha", graph.optional_input(op, 1)),
            *checks.int8_tensor("output", graph.output(op)),
        ]
        yield from reasons
        if reasons:
            return
        source, alpha, target = _quantizations(op, graph)
        yield from check_ratio(source, target)
        # alpha is itself a difference of up to 255
        yield from check_ratio(source, target, 256.0 * alpha.scale)

    def params(self, op: Op, graph: Graph) -> dict[str, Param]:
        source, alpha, target = _quantizations(op, graph)
        positive, negative = _rescales(op, graph)
        return {
            "input_zero_point": source.zero_point,
            "alpha_zero_point": alpha.zero_point,
            "positive": {"multiplier": positive.multiplier, "shift": positive.shift},
            "negative": {"multiplier": negative.multiplier, "shift": negative.shift},
            "output_zero_point": target.zero_point,
        }

    def compute(self, op: Op, graph: Graph, first: Table, second: Table) -> Table:
        source, alpha, target = _quantizations(op, graph)
        positive, negative = _rescales(op, graph)
        x = first - source.zero_point
        kept = multiply_by_quantized_multiplier(x, positive)
        bent = multiply_by_quantized_multiplier(x * (second - alpha.zero_point), negative)
        return saturate(np.where(x >= 0, kept, bent) + target.zero_point)


def _quantizations(op: Op, graph: Graph) -> tuple[Quantization, Quantization, Quantization]:
    source, alpha, target = (t.quantization for t in (graph.input(op, 0), graph.input(op, 1), graph.output(op)))
    assert source is not None and alpha is not None and target is not None
    return source, alpha, target


def _rescales(op: Op, graph: Graph) -> tuple[Rescale, Rescale]:
    """The factors for inputs from the zero point on, and below it."""
    source, alpha, target = _quantizations(op, graph)
    return (
        quantize_multiplier(source.scale / target.scale),
        quantize_multiplier(source.scale * alpha.scale / target.scale),
    )
