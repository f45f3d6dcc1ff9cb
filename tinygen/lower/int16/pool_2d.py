"""AVERAGE_POOL_2D and MAX_POOL_2D of 16-bit activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from tinygen.ir import Call, Graph, Op, Step, Tensor
from tinygen.lower.int16.symmetric import check_symmetric
from tinygen.lower.operator import register
from tinygen.lower.pool_2d import Pool2D
from tinygen.lower.window import option

__all__ = ["Pool2DInt16"]

# The sum of so many int16 values can't overflow 32 bits.
MAX_WINDOW = 65535


@register
class Pool2DInt16(Pool2D):
    """The int8 kernels' twins, with the same parameters."""

    reads_int16: ClassVar = True

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        yield from super().check(op, graph)
        pixels = option(op, "filter_height", 0) * option(op, "filter_width", 0)
        if pixels > MAX_WINDOW:
            yield f"a window of {pixels} pixels, whose sum could overflow the reference's accumulator"

    def check_tensor(self, what: str, tensor: Tensor | None) -> Iterator[str]:
        yield from check_symmetric(what, tensor)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        for call in super().lower(op, graph):
            assert isinstance(call, Call)
            kernel = f"{call.kernel}_s16"
            lead = {i: 2 * values for i, values in call.lead.items()}
            sources = (f"int16/{kernel}.c",)
            yield replace(call, kernel=kernel, header="int16/tg_pool_s16.h", sources=sources, lead=lead)
