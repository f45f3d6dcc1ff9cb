"""Exact graph passes: each keeps every output bit, each stands in its own file.

A pass is a function from graph to graph. Tensor indices stay what they were in the model file as long
as a tensor lives, so that a layer's output can be compared with the reference; new tensors go to the
end of the table. A pass that can't prove that nothing changes for a layer leaves it alone; it also
leaves alone what can't be translated, so that the user reads about his own operators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinygen.errors import InternalError
from tinygen.ir import Graph, problems
from tinygen.lower import find
from tinygen.optimize.compose_tables import compose_tables
from tinygen.optimize.compose_transposes import compose_transposes
from tinygen.optimize.dead_channels import dead_channels
from tinygen.optimize.edit import is_sound
from tinygen.optimize.fold_constants import fold_constants
from tinygen.optimize.fold_pad import fold_pad
from tinygen.optimize.fuse_activations import fuse_activations
from tinygen.optimize.remove_reshapes import remove_reshapes
from tinygen.optimize.tabulate import tabulate
from tinygen.optimize.unused import remove_unused

__all__ = ["PASSES", "PassEffect", "optimize"]

Pass = Callable[[Graph], Graph]

# The order is chosen so that one round is enough: what a pass makes possible comes behind it.
PASSES: tuple[tuple[str, Pass], ...] = (
    ("fold_constants", fold_constants),
    ("tabulate", tabulate),
    ("remove_reshapes", remove_reshapes),
    ("compose_transposes", compose_transposes),
    ("compose_tables", compose_tables),
    ("fuse_activations", fuse_activations),
    ("fold_pad", fold_pad),
    ("remove_unused", remove_unused),
    ("dead_channels", dead_channels),
)


@dataclass(frozen=True, slots=True)
class PassEffect:
    """What a pass did, for ``tinygen inspect``: operators, constant bytes and MACs before and after."""

    name: str
    ops_before: int
    ops_after: int
    constant_bytes_before: int
    constant_bytes_after: int
    macs_before: int = 0
    macs_after: int = 0

    @property
    def changed(self) -> bool:
        before = self.ops_before, self.constant_bytes_before, self.macs_before
        return before != (self.ops_after, self.constant_bytes_after, self.macs_after)


def optimize(graph: Graph) -> tuple[Graph, tuple[PassEffect, ...]]:
    """Run all passes in order; the graph is verified after each.

    Raises:
        InternalError: a pass broke an invariant.
    """
    effects: list[PassEffect] = []
    size = _Size.of(graph)
    for name, run in PASSES:
        changed = run(graph)
        broken = [] if changed is graph else problems(changed)
        if broken:
            raise InternalError(f"the pass {name} broke the graph", details=broken)
        before, size = size, size if changed is graph else _Size.of(changed)
        effects.append(
            PassEffect(name, before.ops, size.ops, before.constant_bytes, size.constant_bytes, before.macs, size.macs)
        )
        graph = changed
    return graph, tuple(effects)


@dataclass(frozen=True, slots=True)
class _Size:
    ops: int
    constant_bytes: int
    macs: int

    @classmethod
    def of(cls, graph: Graph) -> _Size:
        read = {t for op in graph.ops for t in op.inputs if t is not None}
        constant_bytes = sum(graph.tensors[t].bytes for t in read if graph.tensors[t].is_constant)
        return cls(len(graph.ops), constant_bytes, sum(_macs(graph)))


def _macs(graph: Graph) -> list[int]:
    """Multiply-accumulates of the operators that can be translated."""
    rooms = ((op, find(op.kind)) for op in graph.ops)
    return [room.macs(op, graph) for op, room in rooms if room is not None and is_sound(op, graph)]
