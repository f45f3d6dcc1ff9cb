"""Operators whose results nobody reads are removed."""

from __future__ import annotations

from dataclasses import replace

from tinygen.ir import Graph

__all__ = ["remove_unused"]


def remove_unused(graph: Graph) -> Graph:
    """Keep the operators that an output depends on."""
    needed = set(graph.outputs)
    kept = []
    for op in reversed(graph.ops):
        if needed.intersection(op.outputs):
            kept.append(op)
            needed.update(t for t in op.inputs if t is not None)
    return graph if len(kept) == len(graph.ops) else replace(graph, ops=tuple(reversed(kept)))
