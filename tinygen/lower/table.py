"""TABLE: any int8 function of one int8 value. Passes make it; no model file has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import DType, Graph, Op, Step
from tinygen.lower.lookup import table_steps
from tinygen.lower.operator import register
from tinygen.lower.require import DryRun, require, require_count, require_type, tensor_at

__all__ = ["TableLookup"]


@register
class TableLookup(DryRun):
    """Inputs: tensor, int8 constant [256] with the output for each stored input from -128 to 127."""

    kinds: ClassVar = ("TABLE",)
    made_by_passes: ClassVar = True

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2)
        source, target = tensor_at(op, graph, 0, "input", (DType.INT8,)), graph.output(op)
        require_type(target, DType.INT8)
        require(source.elements == target.elements, f"{source.elements} elements in, but {target.elements} out")
        table = tensor_at(op, graph, 1, "table", (DType.INT8,)).data
        require(table is not None and table.shape == (256,), "the table is no constant of 256 values")
        assert table is not None
        yield from table_steps(op, graph, table.astype(np.int64))
