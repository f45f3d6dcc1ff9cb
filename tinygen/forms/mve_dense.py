"""Fully connected layers and sums on MVE: form ``mve``. Constants stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from tinygen.forms.elementwise import AddLinear
from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.mve import BLOCK, plain, vectors
from tinygen.forms.packing import filters_of
from tinygen.ir import Call, Graph

__all__ = ["MveAdd", "MveFullyConnected"]

# Measured around the kernels (-O2): sixteen inputs of four rows, four rows besides; four elements of a sum, the
# pass that clamps sixteen of them.
VECTOR_INSTRUCTIONS = 10
BLOCK_INSTRUCTIONS = 80
SUM_INSTRUCTIONS = 9
CLAMP_INSTRUCTIONS = 10
CALL_INSTRUCTIONS = 40


@register
class MveFullyConnected(Form):
    """Four rows at a time."""

    replaces: ClassVar = ("tg_fully_connected",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        del graph
        if not target.mve or not plain(filters_of(call.params)):
            return
        batches, inputs, outputs = (int(str(call.params[name])) for name in ("batches", "inputs", "outputs"))
        row_blocks = -(-outputs // BLOCK)
        yield Candidate(
            form="mve",
            calls=(
                replace(
                    call,
                    kernel="tg_fully_connected_mve",
                    header="mve/tg_mve_dense.h",
                    sources=("mve/tg_fully_connected_mve.c",),
                ),
            ),
            instructions=batches * row_blocks * (BLOCK_INSTRUCTIONS + VECTOR_INSTRUCTIONS * vectors(inputs))
            + CALL_INSTRUCTIONS,
            reason="4 rows x 16 values",
        )


@register
class MveAdd(Form):
    """Operands of one shape, as the form ``linear`` adds them."""

    replaces: ClassVar = ("tg_add",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        if not target.mve:
            return
        for linear in AddLinear().candidates(call, graph, target):
            (sums,) = linear.calls
            elements, low, high = (int(str(sums.params[name])) for name in ("elements", "output_min", "output_max"))
            clamp = CLAMP_INSTRUCTIONS if low > -128 or high < 127 else 0
            yield Candidate(
                form="mve",
                calls=(
                    replace(
                        sums,
                        kernel="tg_add_linear_mve",
                        header="mve/tg_mve_add.h",
                        sources=("mve/tg_add_linear_mve.c",),
                    ),
                ),
                instructions=elements // 4 * SUM_INSTRUCTIONS + vectors(elements) * clamp + CALL_INSTRUCTIONS,
                reason=f"{linear.reason}, four at a time",
            )
