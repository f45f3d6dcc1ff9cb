"""The contract of an operator's room, and the registry of all rooms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from tinygen.errors import InternalError
from tinygen.ir import DType, Graph, Op, Step

__all__ = ["Operator", "find", "find_for", "register", "supported_kinds"]


class Operator(ABC):
    """All that the compiler knows about one operator, or about a few that share a kernel.

    ``check`` runs first, on every operator of a model; ``lower`` may rely on what it has checked.
    """

    kinds: ClassVar[tuple[str, ...]]
    made_by_passes: ClassVar[bool] = False  # no model file has this operator
    reads_int16: ClassVar[bool] = False  # a room for 16-bit activations, beside the one for all other types

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
_REGISTRY_OF_INT16: dict[str, Operator] = {}


def register(cls: type[Operator]) -> type[Operator]:
    """Class decorator: make an operator known under each of its kinds."""
    operator = cls()
    registry = _REGISTRY_OF_INT16 if cls.reads_int16 else _REGISTRY
    for kind in cls.kinds:
        if kind in registry:
            raise InternalError(f"two rooms claim the operator {kind}")
        registry[kind] = operator
    return cls


def find(kind: str) -> Operator | None:
    """The operator's room, or ``None`` if tinygen doesn't know it."""
    return _REGISTRY.get(kind)


def find_for(op: Op, graph: Graph) -> Operator | None:
    """The room of this use of an operator: the one for 16-bit activations if it reads such and has one."""
    reads_int16 = any(t is not None and graph.tensors[t].dtype is DType.INT16 for t in op.inputs)
    return (_REGISTRY_OF_INT16.get(op.kind) if reads_int16 else None) or find(op.kind)


def supported_kinds() -> tuple[str, ...]:
    """The operators of model files that tinygen knows."""
    return tuple(sorted(kind for kind, operator in _REGISTRY.items() if not operator.made_by_passes))
