"""Exact graph passes: each keeps every output bit, each stands in its own file.

A pass is a function from graph to graph. Tensor indices stay what they were in the model file as long
as a tensor lives, so that a layer's output can be compared with the reference; new tensors go to the
end of the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinygen.errors import InternalError
from tinygen.ir import Graph, problems
from tinygen.optimize.unused import remove_unused

__all__ = ["PASSES", "PassEffect", "optimize"]

Pass = Callable[[Graph], Graph]

PASSES: tuple[tuple[str, Pass], ...] = (("remove_unused", remove_unused),)


@dataclass(frozen=True, slots=True)
class PassEffect:
    """What a pass did, for ``tinygen inspect``: operators and constant bytes before and after."""

    name: str
    ops_before: int
    ops_after: int
    constant_bytes_before: int
    constant_bytes_after: int

    @property
    def changed(self) -> bool:
        return (self.ops_before, self.constant_bytes_before) != (self.ops_after, self.constant_bytes_after)


def optimize(graph: Graph) -> tuple[Graph, tuple[PassEffect, ...]]:
    """Run all passes in order; the graph is verified after each.

    Raises:
        InternalError: a pass broke an invariant.
    """
    effects: list[PassEffect] = []
    for name, run in PASSES:
        before = graph
        graph = run(before)
        broken = problems(graph)
        if broken:
            raise InternalError(f"the pass {name} broke the graph", details=broken)
        effects.append(
            PassEffect(name, len(before.ops), len(graph.ops), _constant_bytes(before), _constant_bytes(graph))
        )
    return graph, tuple(effects)


def _constant_bytes(graph: Graph) -> int:
    read = {t for op in graph.ops for t in op.inputs if t is not None}
    return sum(graph.tensors[t].bytes for t in read if graph.tensors[t].is_constant)
