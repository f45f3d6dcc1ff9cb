"""ADD, SUB, MUL, MINIMUM and MAXIMUM on int8, with broadcasting."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import DType, Graph, Op, Param, Quantization
from tinygen.lower import checks
from tinygen.lower.broadcast import BroadcastOperator
from tinygen.lower.channels import output_range
from tinygen.lower.operator import register
from tinygen.lower.requantize import (
    Rescale,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from tinygen.lower.unary_tables import Table

__all__ = ["AddSub", "MinMax", "Mul", "product_factor", "sum_factors"]

# Sums are made of operands with so many more bits below the point.
FRACTION_BITS = 20

# The product of two differences of int8 values has 16 bits; shifted further it would overflow.
MAX_PRODUCT_SHIFT = 15


class _Arithmetic(BroadcastOperator):
    """What sums and products have in common: three quantizations and a fused activation."""

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        reasons = [
            *super().check(op, graph),
            *checks.int8_tensor("first operand", graph.optional_input(op, 0)),
            *checks.int8_tensor("second operand", graph.optional_input(op, 1)),
            *checks.int8_tensor("output", graph.output(op)),
            *checks.activation(op),
        ]
        yield from reasons
        if not reasons:
            yield from self.check_scales(*_quantizations(op, graph))

    def check_scales(self, first: Quantization, second: Quantization, output: Quantization) -> Iterator[str]:
        """Reasons that lie in the scales."""
        raise NotImplementedError

    def common_params(self, op: Op, graph: Graph) -> dict[str, Param]:
        """Zero points and the clamp."""
        first, second, output = _quantizations(op, graph)
        low, high = output_range(op, graph.output(op))
        return {
            "first_zero_point": first.zero_point,
            "second_zero_point": second.zero_point,
            "output_zero_point": output.zero_point,
            "output_min": low,
            "output_max": high,
        }

    def clamp(self, op: Op, graph: Graph, scaled: Table) -> Table:
        """Add the output's zero point and clamp as the fused activation does."""
        low, high = output_range(op, graph.output(op))
        return np.clip(scaled + _quantizations(op, graph)[2].zero_point, low, high)


@register
class AddSub(_Arithmetic):
    """Sums and differences: both operands are brought to twice the larger scale, with 20 more bits."""

    kinds: ClassVar = ("ADD", "SUB")
    kernel: ClassVar = "tg_add"

    def check_scales(self, first: Quantization, second: Quantization, output: Quantization) -> Iterator[str]:
        factors = sum_factors(first, second, output)
        if not all(0.0 < f < 1.0 and quantize_multiplier(f).shift <= 0 for f in factors):
            yield (
                f"scales {first.scale:.3g} and {second.scale:.3g} for an output of scale {output.scale:.3g} "
                "lie outside the reference's range; calibrate with representative data"
            )

    def params(self, op: Op, graph: Graph) -> dict[str, Param]:
        first, second, output = _sum_rescales(op, graph)
        common = self.common_params(op, graph)
        return {
            "first_zero_point": common["first_zero_point"],
            "second_zero_point": common["second_zero_point"],
            "second_sign": _sign(op),
            "first": _struct(first),
            "second": _struct(second),
            "output": _struct(output),
            "output_zero_point": common["output_zero_point"],
            "output_min": common["output_min"],
            "output_max": common["output_max"],
        }

    def compute(self, op: Op, graph: Graph, first: Table, second: Table) -> Table:
        zero1, zero2 = (q.zero_point for q in _quantizations(op, graph)[:2])
        scale1, scale2, scale = _sum_rescales(op, graph)
        total = multiply_by_quantized_multiplier((first - zero1) << FRACTION_BITS, scale1)
        total += _sign(op) * multiply_by_quantized_multiplier((second - zero2) << FRACTION_BITS, scale2)
        return self.clamp(op, graph, multiply_by_quantized_multiplier(total, scale))


@register
class Mul(_Arithmetic):
    """Products."""

    kinds: ClassVar = ("MUL",)
    kernel: ClassVar = "tg_mul"

    def check_scales(self, first: Quantization, second: Quantization, output: Quantization) -> Iterator[str]:
        factor = product_factor(first, second, output)
        if not math.isfinite(factor) or quantize_multiplier(factor).shift > MAX_PRODUCT_SHIFT:
            yield (
                f"scales {first.scale:.3g} and {second.scale:.3g} for an output of scale {output.scale:.3g}: "
                "the reference's arithmetic would overflow; calibrate with representative data"
            )

    def params(self, op: Op, graph: Graph) -> dict[str, Param]:
        common = self.common_params(op, graph)
        return {
            "first_zero_point": common["first_zero_point"],
            "second_zero_point": common["second_zero_point"],
            "output": _struct(quantize_multiplier(product_factor(*_quantizations(op, graph)))),
            "output_zero_point": common["output_zero_point"],
            "output_min": common["output_min"],
            "output_max": common["output_max"],
        }

    def compute(self, op: Op, graph: Graph, first: Table, second: Table) -> Table:
        quantizations = _quantizations(op, graph)
        product = (first - quantizations[0].zero_point) * (second - quantizations[1].zero_point)
        factor = quantize_multiplier(product_factor(*quantizations))
        return self.clamp(op, graph, multiply_by_quantized_multiplier(product, factor))


@register
class MinMax(BroadcastOperator):
    """The smaller or larger stored value; TFLM looks at no quantization here."""

    kinds: ClassVar = ("MAXIMUM", "MINIMUM")
    kernel: ClassVar = "tg_pick"

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        yield from super().check(op, graph)
        tensors = (graph.optional_input(op, 0), graph.optional_input(op, 1), graph.output(op))
        for what, tensor in zip(("first operand", "second operand", "output"), tensors, strict=True):
            if tensor is None:
                yield f"the {what} is missing"
            elif tensor.dtype is not DType.INT8:
                yield (
                    f"the {what} is {tensor.dtype.value}, and this operator is translated for int8 only; "
                    "convert the model with full int8 quantization"
                )

    def params(self, op: Op, graph: Graph) -> dict[str, Param]:
        del graph
        return {"larger": int(op.kind == "MAXIMUM")}

    def compute(self, op: Op, graph: Graph, first: Table, second: Table) -> Table:
        del graph
        return np.maximum(first, second) if op.kind == "MAXIMUM" else np.minimum(first, second)


def _quantizations(op: Op, graph: Graph) -> tuple[Quantization, Quantization, Quantization]:
    first, second, output = (t.quantization for t in (graph.input(op, 0), graph.input(op, 1), graph.output(op)))
    assert first is not None and second is not None and output is not None
    return first, second, output


def sum_factors(
    first: Quantization, second: Quantization, output: Quantization, fraction_bits: int = FRACTION_BITS
) -> tuple[float, float, float]:
    """Factors of both operands and of their sum, which has so many more bits below the point than its operands."""
    twice = 2.0 * max(first.scale, second.scale)
    return first.scale / twice, second.scale / twice, twice / ((1 << fraction_bits) * output.scale)


def _sum_rescales(op: Op, graph: Graph) -> tuple[Rescale, Rescale, Rescale]:
    first, second, output = sum_factors(*_quantizations(op, graph))
    return quantize_multiplier(first), quantize_multiplier(second), quantize_multiplier(output)


def product_factor(first: Quantization, second: Quantization, output: Quantization) -> float:
    """The factor of the product of two stored values."""
    return first.scale * second.scale / output.scale


def _sign(op: Op) -> int:
    return 1 if op.kind == "ADD" else -1


def _struct(rescale: Rescale) -> dict[str, Param]:
    """The fields of ``tg_rescale_t``."""
    return {"multiplier": rescale.multiplier, "shift": rescale.shift}
