"""MEAN and SUM of 16-bit activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from tinygen.ir import Call, Graph, Op, Step, Tensor
from tinygen.lower.int16.symmetric import check_symmetric
from tinygen.lower.operator import register
from tinygen.lower.reduce import Sum

__all__ = ["SumInt16"]


@register
class SumInt16(Sum):
    """The int8 kernel's twin, with the same parameters."""

    reads_int16: ClassVar = True
    max_elements: ClassVar[int] = 65535  # so many can't overflow 32 bits

    def check_tensor(self, what: str, tensor: Tensor | None) -> Iterator[str]:
        yield from check_symmetric(what, tensor)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        for call in super().lower(op, graph):
            assert isinstance(call, Call)
            yield replace(call, kernel="tg_sum_s16", header="int16/tg_pool_s16.h", sources=("int16/tg_sum_s16.c",))
