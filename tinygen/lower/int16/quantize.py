"""QUANTIZE of 16-bit activations, to another scale or to int8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tinygen.ir import Call, DType, Graph, Op, Step
from tinygen.lower import checks
from tinygen.lower.int16.symmetric import check_symmetric, quantization_of, rescale_struct
from tinygen.lower.int16.unary import check_ratio, unary_call
from tinygen.lower.operator import Operator, register
from tinygen.lower.requantize import quantize_multiplier

__all__ = ["QuantizeInt16", "widening"]


@register
class QuantizeInt16(Operator):
    """int16 to int16 or int8; from int8, ``widening`` serves the room of int8."""

    kinds: ClassVar = ("QUANTIZE",)
    reads_int16: ClassVar = True

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        source, target = graph.optional_input(op, 0), graph.output(op)
        check_output = checks.int8_tensor if target.dtype is DType.INT8 else check_symmetric
        reasons = [*checks.count(op, 1), *check_symmetric("input", source), *check_output("output", target)]
        yield from reasons
        if reasons or source is None:
            return
        if source.elements != target.elements:
            yield f"an input of {source.elements} values for an output of {target.elements}"
        yield from check_ratio(quantization_of(source).scale, quantization_of(target).scale)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        if graph.output(op).dtype is DType.INT8:
            yield _requantize(op, graph, "tg_narrow_s16", lead=0)
            return
        source, target = quantization_of(graph.input(op, 0)), quantization_of(graph.output(op))
        slope = rescale_struct(quantize_multiplier(source.scale / target.scale))
        limits = {"min": -32768, "max": 32767}
        yield unary_call(op, graph, "tg_slopes_s16", {"positive": slope, "negative": slope, **limits})


def widening(op: Op, graph: Graph) -> Call:
    """QUANTIZE from int8 to int16."""
    return _requantize(op, graph, "tg_widen_s16", lead=graph.output(op).elements)


def _requantize(op: Op, graph: Graph, kernel: str, *, lead: int) -> Call:
    source, target = quantization_of(graph.input(op, 0)), quantization_of(graph.output(op))
    return unary_call(
        op,
        graph,
        kernel,
        {
            "input_zero_point": source.zero_point,
            "rescale": rescale_struct(quantize_multiplier(source.scale / target.scale)),
            "output_zero_point": target.zero_point,
        },
        lead=lead,
    )
