"""Operators to kernel calls: one room for each operator, found by its name in the model file.

``lower`` first asks every operator of the graph whether it can be translated and reports all that
can't in one error; only then does it produce the program.
"""

from __future__ import annotations

import importlib
import pkgutil

from tinygen.errors import UnsupportedError
from tinygen.ir import Graph, Op, Program, Step
from tinygen.lower.operator import Operator, find, find_for, supported_kinds

__all__ = ["find", "find_for", "live_operator", "lower", "supported_kinds"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def live_operator(op: Op) -> Operator:
    """The room of an operator that has passed ``lower``; its MACs and weights are the same for all types."""
    operator = find(op.kind)
    assert operator is not None, op.kind
    return operator


def lower(graph: Graph, *, source: str) -> Program:
    """Translate a verified graph into kernel calls.

    Args:
        graph: a graph without problems.
        source: the model's file name, for messages.

    Raises:
        UnsupportedError: with one line for each operator that can't be translated exactly.
    """
    refused = [f"{graph.place(op)}: {reason}" for op in graph.ops for reason in _reasons(op, graph)]
    if refused:
        count = len(refused)
        raise UnsupportedError(
            f"{source}: {count} operator{'s are' if count > 1 else ' is'} not supported",
            details=refused,
            hint="Supported operators: " + ", ".join(supported_kinds()) + ".",
        )
    steps: list[Step] = []
    for op in graph.ops:
        operator = find_for(op, graph)
        assert operator is not None, op.kind
        steps.extend(operator.lower(op, graph))
    return Program(graph, tuple(steps))


def _reasons(op: Op, graph: Graph) -> list[str]:
    operator = find_for(op, graph)
    if operator is None:
        return ["this operator is unknown to tinygen; replace it in the Keras model, or use --runtime tflm"]
    return list(operator.check(op, graph))
