"""Functions of one byte: nothing, a clamp or a table, whichever is enough."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygen.ir import Alias, Call, Constant, DType, Graph, Op, Step, View
from tinygen.lower.unary_tables import STORED, Table

__all__ = ["is_clip", "stored_values", "table_of", "table_steps"]


def stored_values(dtype: DType) -> Table:
    """All values that a one-byte type stores, ascending."""
    return STORED + 128 if dtype is DType.UINT8 else STORED


def is_clip(table: Table) -> bool:
    """Whether an int8 function only clamps its argument, or does nothing at all."""
    return np.array_equal(table, np.clip(STORED, table.min(), table.max()))


def table_steps(op: Op, graph: Graph, table: Table, *, position: int = 0) -> Iterator[Step]:
    """Apply a function of one byte to an input of an operator.

    Args:
        table: [256], the stored output of each of the input's ``stored_values``.
        position: which of the operator's inputs it is applied to.
    """
    source, target = graph.input_index(op, position), op.outputs[0]
    stored = stored_values(graph.tensors[source].dtype)
    by_byte = np.zeros(256, np.uint8)
    by_byte[stored & 0xFF] = table & 0xFF
    if np.array_equal(by_byte, np.arange(256)):
        yield Alias(op.index, source, target)
    elif stored is STORED and is_clip(table):
        # Two numbers instead of 256.
        yield _call(op, graph, "tg_clip", {"min": int(table.min()), "max": int(table.max())}, source)
    else:
        yield _call(op, graph, "tg_lookup", {"table": Constant("table", by_byte)}, source)


def table_of(step: Step, graph: Graph) -> Table | None:
    """The table that a step of ``table_steps`` applies; ``None`` for other steps and other types than int8."""
    source = step.inputs[0].tensor if isinstance(step, Call) else step.source
    target = step.outputs[0].tensor if isinstance(step, Call) else step.target
    if any(graph.tensors[t].dtype is not DType.INT8 for t in (source, target)):
        return None
    if isinstance(step, Alias):
        return STORED
    match step.kernel, step.params:
        case "tg_clip", {"min": int(low), "max": int(high)}:
            return np.clip(STORED, low, high)
        case "tg_lookup", {"table": Constant(data=by_byte)}:
            return np.asarray(by_byte.view(np.int8)[STORED & 0xFF], np.int64)
    return None


def _call(op: Op, graph: Graph, kernel: str, params: dict[str, int | Constant], source: int) -> Call:
    return Call(
        op=op.index,
        kernel=kernel,
        header="elementwise/tg_elementwise.h",
        sources=(f"elementwise/{kernel}.c",),
        inputs=(View(source),),
        outputs=(View(op.outputs[0]),),
        params={"elements": graph.output(op).elements, **params},
        lead={0: 0},
    )
