"""What passes share: asking an operator's room about it, and building changed graphs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tinygen.ir import Alias, Array, Call, DType, Graph, Op, OptionValue, Quantization, Step, Tensor
from tinygen.lower import find_for
from tinygen.lower.lookup import table_of
from tinygen.lower.unary_tables import Table

__all__ = [
    "Workbench",
    "alias_source",
    "byte_function",
    "is_sound",
    "only_reader",
    "same_quantization",
    "same_type",
    "with_options",
]

# Lowering these never yields an alias or a table, and costs time.
_HEAVY = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX", "TRANSPOSE_CONV"})


def is_sound(op: Op, graph: Graph) -> bool:
    """Whether tinygen can translate the operator. Passes touch no other, so that its message stays the user's."""
    operator = find_for(op, graph)
    return operator is not None and not any(operator.check(op, graph))


def _only_step(op: Op, graph: Graph) -> Step | None:
    """The step that computes a light operator, if there is just one."""
    operator = find_for(op, graph)
    if op.kind in _HEAVY or len(op.outputs) != 1 or operator is None or not is_sound(op, graph):
        return None
    steps = list(operator.lower(op, graph))
    return steps[0] if len(steps) == 1 else None


def alias_source(op: Op, graph: Graph) -> int | None:
    """The input whose bytes an operator's output has, in their order; ``None`` if it computes something."""
    step = _only_step(op, graph)
    return step.source if isinstance(step, Alias) else None


def byte_function(op: Op, graph: Graph) -> tuple[int, Table] | None:
    """The input that an int8 operator maps value by value, and the table that it lowers to."""
    step = _only_step(op, graph)
    table = None if step is None else table_of(step, graph)
    if step is None or table is None:
        return None
    source = step.inputs[0].tensor if isinstance(step, Call) else step.source
    return source, table


def same_quantization(first: Tensor, second: Tensor) -> bool:
    """Whether stored values of one type mean the same numbers in both tensors."""
    return (first.dtype, first.quantization) == (second.dtype, second.quantization)


def same_type(first: Tensor, second: Tensor) -> bool:
    """Whether a reader can't tell two tensors of equal contents apart."""
    return same_quantization(first, second) and first.shape == second.shape


def only_reader(graph: Graph, tensor: int) -> int | None:
    """The position in ``graph.ops`` of the one operator that reads a tensor, unless the model's user sees it, too."""
    readers = graph.consumers().get(tensor, [])
    hidden = tensor not in graph.outputs and tensor not in graph.inputs
    return readers[0] if hidden and len(readers) == 1 else None


def with_options(op: Op, **options: OptionValue) -> Op:
    """The operator with some options set."""
    return replace(op, options={**op.options, **options})


@dataclass
class Workbench:
    """A graph being changed: operators are replaced or dropped by position, new tensors go to the end."""

    graph: Graph
    _ops: dict[int, Op | None] = field(default_factory=dict)
    _tensors: list[Tensor] = field(default_factory=list)
    _names: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tensors = list(self.graph.tensors)

    def replace(self, position: int, op: Op) -> None:
        """Put another operator in the place of one."""
        self._ops[position] = op

    def drop(self, position: int) -> None:
        """Take an operator out."""
        self._ops[position] = None

    def read_instead(self, tensor: int, other: int) -> None:
        """Let all readers of a tensor read another one."""
        self._names[tensor] = other

    def set_tensor(self, index: int, tensor: Tensor) -> None:
        """Change a tensor in its place."""
        self._tensors[index] = tensor

    def add_constant(self, name: str, data: Array, quantization: Quantization | None = None) -> int:
        """A new constant at the end of the table; its type is the data's."""
        self._tensors.append(Tensor(name, DType(data.dtype.name), data.shape, quantization, data))
        return len(self._tensors) - 1

    def finish(self) -> Graph:
        """The changed graph; the same object if nothing was changed."""
        if not self._ops and not self._names and self._tensors == list(self.graph.tensors):
            return self.graph
        ops = (self._ops.get(i, op) for i, op in enumerate(self.graph.ops))
        renamed = tuple(replace(op, inputs=_renamed(op.inputs, self._names)) for op in ops if op is not None)
        return replace(self.graph, tensors=tuple(self._tensors), ops=renamed)


def _renamed(tensors: Iterable[int | None], names: Mapping[int, int]) -> tuple[int | None, ...]:
    found: list[int | None] = []
    for tensor in tensors:
        while tensor is not None and tensor in names:
            tensor = names[tensor]
        found.append(tensor)
    return tuple(found)
