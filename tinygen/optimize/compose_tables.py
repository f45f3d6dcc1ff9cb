"""Neighbouring functions of one int8 value become one table: activations, QUANTIZE, ADD of a constant …"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygen.ir import Graph, Op
from tinygen.lower.unary_tables import STORED, Table
from tinygen.optimize.edit import Workbench, byte_function, only_reader

__all__ = ["compose_tables"]


@dataclass(frozen=True, slots=True)
class _Chain:
    """Functions one after the other: their positions, the tensor that the first reads, and all of them in one."""

    positions: tuple[int, ...]
    source: int
    table: Table
    functions: int  # that do something; a RESHAPE in between does nothing


def compose_tables(graph: Graph) -> Graph:
    """Tables are composed entry by entry, so the result is exact by construction.

    A table is passed over only if nobody else reads its output: otherwise both would have to be computed.
    """
    bench = Workbench(graph)
    for chain in _chains(graph):
        if chain.functions < 2:
            continue
        *inner, last = chain.positions
        op = graph.ops[last]
        table = bench.add_constant(f"{graph.output(op).name}/table", chain.table.astype(np.int8))
        bench.replace(last, Op("TABLE", (chain.source, table), op.outputs, index=op.index))
        for position in inner:
            bench.drop(position)
    return bench.finish()


def _chains(graph: Graph) -> list[_Chain]:
    """The longest chains, each ending where its output has several readers or one that is no function."""
    ending: dict[int, _Chain] = {}  # by the tensor that the chain writes
    for position, op in enumerate(graph.ops):
        function = byte_function(op, graph)
        if function is None:
            continue
        source, table = function
        chain = _Chain((position,), source, table, int(not np.array_equal(table, STORED)))
        if source in ending and only_reader(graph, source) == position:
            before = ending.pop(source)
            chain = _Chain(
                (*before.positions, position),
                before.source,
                table[before.table + 128],
                before.functions + chain.functions,
            )
        ending[op.outputs[0]] = chain
    return list(ending.values())
