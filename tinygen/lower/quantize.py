"""QUANTIZE and DEQUANTIZE, between floats and stored values and between stored values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tinygen.ir import Call, DType, Graph, Op, Param, Step, Tensor, View
from tinygen.lower import checks
from tinygen.lower.int16.quantize import widening
from tinygen.lower.lookup import stored_values, table_steps
from tinygen.lower.operator import Operator, register
from tinygen.lower.unary import check_ratio
from tinygen.lower.unary_tables import requantize_table

__all__ = ["Dequantize", "Quantize"]

# Stored values of the types that quantized tensors may have here.
LIMITS = {DType.INT8: (-128, 127), DType.UINT8: (0, 255), DType.INT16: (-32768, 32767)}

# What QUANTIZE converts, of what TFLM does; 16-bit activations have a room of their own.
FROM_FLOAT = {DType.INT8: "tg_quantize", DType.INT16: "tg_quantize_int16"}
FROM_STORED = {
    (DType.INT8, DType.INT16),
    (DType.INT8, DType.INT8),
    (DType.INT8, DType.UINT8),
    (DType.UINT8, DType.INT8),
}


@register
class Quantize(Operator):
    """float32 to int8 or int16 by a division; one byte to another by a table; int8 to int16 by a multiplication."""

    kinds: ClassVar = ("QUANTIZE",)

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        yield from checks.count(op, 1)
        source, target = graph.optional_input(op, 0), graph.output(op)
        if source is None:
            yield "the input is missing"
            return
        yield from _check_elements(source, target)
        if source.dtype is DType.FLOAT32 and target.dtype in FROM_FLOAT:
            yield from _check_quantization("output", target)
        elif (source.dtype, target.dtype) in FROM_STORED:
            reasons = [*_check_quantization("input", source), *_check_quantization("output", target)]
            yield from reasons
            if not reasons and source.quantization and target.quantization:
                yield from check_ratio(source.quantization, target.quantization)
        else:
            yield (
                f"conversion from {source.dtype.value} to {target.dtype.value} is not supported; "
                "convert the model with full int8 quantization"
            )

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, target = graph.input(op, 0), graph.output(op)
        assert target.quantization is not None
        if source.dtype is DType.FLOAT32:
            scale, zero_point = target.quantization.scale, target.quantization.zero_point
            kernel = FROM_FLOAT[target.dtype]
            # A smaller output never reaches what has not been read.
            yield _call(op, graph, kernel, {"scale": scale, "zero_point": zero_point}, lead=0)
            return
        assert source.quantization is not None
        if target.dtype is DType.INT16:
            yield widening(op, graph)
            return
        low, high = LIMITS[target.dtype]
        stored = stored_values(source.dtype)
        table = requantize_table(source.quantization, target.quantization, stored=stored, low=low, high=high)
        yield from table_steps(op, graph, table)


@register
class Dequantize(Operator):
    """int8, uint8 or int16 to float32.

    The reference multiplies in double precision and rounds to single. The exact product fits in a
    double, so a single-precision product, rounded once, is the same.
    """

    kinds: ClassVar = ("DEQUANTIZE",)

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        yield from checks.count(op, 1)
        source, target = graph.optional_input(op, 0), graph.output(op)
        if source is None:
            yield "the input is missing"
            return
        yield from _check_elements(source, target)
        if source.dtype not in LIMITS or target.dtype is not DType.FLOAT32:
            yield f"conversion from {source.dtype.value} to {target.dtype.value} is not supported"
        else:
            yield from _check_quantization("input", source)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source = graph.input(op, 0)
        assert source.quantization is not None
        scale, zero_point = source.quantization.scale, source.quantization.zero_point
        growth = (DType.FLOAT32.bytes - source.dtype.bytes) * source.elements
        if source.dtype is DType.INT16:
            yield _call(op, graph, "tg_dequantize_int16", {"scale": scale, "zero_point": zero_point}, lead=growth)
            return
        unsigned = source.dtype is DType.UINT8
        params: dict[str, Param] = {
            "scale": scale,
            "zero_point": zero_point - 128 if unsigned else zero_point,
            "flip": 0x80 if unsigned else 0,
        }
        yield _call(op, graph, "tg_dequantize", params, lead=growth)


def _check_elements(source: Tensor, target: Tensor) -> Iterator[str]:
    if source.elements != target.elements:
        yield f"an input of {source.elements} values for an output of {target.elements}"


def _check_quantization(what: str, tensor: Tensor) -> Iterator[str]:
    q = tensor.quantization
    low, high = LIMITS[tensor.dtype]
    if q is None or not q.per_tensor:
        yield f"the {what} has no per-tensor quantization"
    elif not low <= q.zero_point <= high:
        yield f"the {what}'s zero point {q.zero_point} is no {tensor.dtype.value} value"


def _call(op: Op, graph: Graph, kernel: str, params: dict[str, Param], *, lead: int) -> Call:
    return Call(
        op=op.index,
        kernel=kernel,
        header="quantize/tg_quantize.h",
        sources=(f"quantize/{kernel}.c",),
        inputs=(View(graph.input_index(op)),),
        outputs=(View(op.outputs[0]),),
        params={"elements": graph.output(op).elements, **params},
        lead={0: lead},
    )
