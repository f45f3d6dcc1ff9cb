"""ADD, SUB, MUL, MINIMUM and MAXIMUM of 16-bit activations, with broadcasting."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from tinygen.ir import Call, Graph, Op, Param, Quantization, Step, View
from tinygen.lower import checks
from tinygen.lower.binary import product_factor, sum_factors
from tinygen.lower.broadcast import broadcast_params, check_broadcast
from tinygen.lower.channels import output_range
from tinygen.lower.int16.symmetric import HEADER_OF_ELEMENTWISE, check_symmetric, quantization_of, rescale_struct
from tinygen.lower.operator import Operator, register
from tinygen.lower.requantize import quantize_multiplier

__all__ = ["AddSubInt16", "MinMaxInt16", "MulInt16"]

# Sums are made of operands with so many more bits below the point.
FRACTION_BITS = 15

Quantizations = tuple[Quantization, Quantization, Quantization]


class _Broadcast(Operator):
    """A function of two operands, element by element."""

    reads_int16: ClassVar = True
    kernel: ClassVar[str]

    @abstractmethod
    def params(self, op: Op, graph: Graph) -> dict[str, Param]:
        """The fields of the kernel's parameters after ``shape``."""

    def check_scales(self, quantizations: Quantizations) -> Iterator[str]:
        """Reasons that lie in the scales of both operands and the output."""
        del quantizations
        yield from ()

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        reasons = [
            *checks.count(op, 2),
            *check_symmetric("first operand", graph.optional_input(op, 0)),
            *check_symmetric("second operand", graph.optional_input(op, 1)),
            *check_symmetric("output", graph.output(op)),
            *check_broadcast(op, graph),
            *checks.activation(op, graph.output(op)),
        ]
        yield from reasons
        if not reasons:
            yield from self.check_scales(_quantizations(op, graph))

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        first, second, output = graph.input(op, 0), graph.input(op, 1), graph.output(op)
        yield Call(
            op=op.index,
            kernel=self.kernel,
            header=HEADER_OF_ELEMENTWISE,
            sources=(f"int16/{self.kernel}.c",),
            inputs=(View(graph.input_index(op, 0)), View(graph.input_index(op, 1))),
            outputs=(View(op.outputs[0]),),
            params={"shape": broadcast_params(first.shape, second.shape), **self.params(op, graph)},
            lead={i: 0 for i, operand in enumerate((first, second)) if operand.elements == output.elements},
        )


@register
class AddSubInt16(_Broadcast):
    """Sums and differences: both operands are brought to twice the larger scale, with 15 more bits."""

    kinds: ClassVar = ("ADD", "SUB")
    kernel: ClassVar = "tg_add_s16"

    def check_scales(self, quantizations: Quantizations) -> Iterator[str]:
        factors = sum_factors(*quantizations, FRACTION_BITS)
        if not all(0.0 < f < 1.0 and quantize_multiplier(f).shift <= 0 for f in factors):
            yield _out_of_range(quantizations)

    def params(self, op: Op, graph: Graph) -> dict[str, Param]:
        factors = sum_factors(*_quantizations(op, graph), FRACTION_BITS)
        first, second, output = (rescale_struct(quantize_multiplier(f)) for f in factors)
        sign = 1 if op.kind == "ADD" else -1
        return {"second_sign": sign, "first": first, "second": second, "output": output, **_clamp(op, graph)}


@register
class MulInt16(_Broadcast):
    """Products, of up to 31 bits: their factor must not shift them to the left."""

    kinds: ClassVar = ("MUL",)
    kernel: ClassVar = "tg_mul_s16"

    def check_scales(self, quantizations: Quantizations) -> Iterator[str]:
        factor = product_factor(*quantizations)
        if not math.isfinite(factor) or quantize_multiplier(factor).shift > 0:
            yield _out_of_range(quantizations)

    def params(self, op: Op, graph: Graph) -> dict[str, Param]:
        factor = quantize_multiplier(product_factor(*_quantizations(op, graph)))
        return {"output": rescale_struct(factor), **_clamp(op, graph)}


@register
class MinMaxInt16(_Broadcast):
    """The smaller or larger stored value; TFLM looks at no scale here."""

    kinds: ClassVar = ("MAXIMUM", "MINIMUM")
    kernel: ClassVar = "tg_pick_s16"

    def params(self, op: Op, graph: Graph) -> dict[str, Param]:
        del graph
        return {"larger": int(op.kind == "MAXIMUM")}


def _quantizations(op: Op, graph: Graph) -> Quantizations:
    first, second, output = (quantization_of(t) for t in (graph.input(op, 0), graph.input(op, 1), graph.output(op)))
    return first, second, output


def _clamp(op: Op, graph: Graph) -> dict[str, Param]:
    low, high = output_range(op, graph.output(op))
    return {"output_min": low, "output_max": high}


def _out_of_range(quantizations: Quantizations) -> str:
    first, second, output = (q.scale for q in quantizations)
    return (
        f"scales {first:.3g} and {second:.3g} for an output of scale {output:.3g} lie outside the reference's range; "
        "calibrate with representative data"
    )
