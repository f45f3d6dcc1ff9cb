"""The contract of an operator's room, and the registry of all rooms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from tinygen.errors import InternalError
from tinygen.ir import Graph, Op, Step

__all__ = ["Operator", "find", "register", "supported_kinds"]


class Operator(ABC):
    """All that the compiler knows about one operator, or about a few that share a kernel.

    ``check`` runs first, on every operator of a model; ``lower`` may rely on what it has checked.
    """

    kinds: ClassVar[tuple[str, ...]]
    made_by_passes: ClassVar[bool] = False  # no model file has this operator

    @abstractmethod
    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        """Yield each reason why this operator can't be translated exactly, with what to try."""

    @abstractmethod
    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        """Yield the kernel calls that compute it, in order."""

    def macs(self, op: Op, graph: Graph) -> int:
        """Multiply-accumulates of one inference, padding included, as the field counts them."""
        del op, graph
        return 0

    def weight_tensors(self, op: Op, graph: Graph) -> tuple[int, ...]:
        """The constant inputs that count as this operator's weights."""
        return tuple(t for t in op.inputs if t is not None and graph.tensors[t].is_constant)

    def weights_bytes(self, op: Op, graph: Graph) -> int:
        """Bytes of the constants this operator reads, as the model file stores them."""
        return sum(graph.tensors[t].bytes for t in self.weight_tensors(op, graph))


_REGISTRY: dict[str, Operator] = {}


def register(cls: type[Operator]) -> type[Operator]:
    """Class decorator: make an operator known under each of its kinds."""
    operator = cls()
    for kind in cls.kinds:
        if kind in _REGISTRY:
            raise InternalError(f"two rooms claim the operator {kind}")
        _REGISTRY[kind] = operator
    return cls


def find(kind: str) -> Operator | None:
    """The operator's room, or ``None`` if tinygen doesn't know it."""
    return _REGISTRY.get(kind)


def supported_kinds() -> tuple[str, ...]:
    """The operators of model files that tinygen knows."""
    return tuple(sorted(kind for kind, operator in _REGISTRY.items() if not operator.made_by_passes))
