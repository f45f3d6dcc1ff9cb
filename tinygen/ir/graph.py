"""The typed graph that every stage after loading works on.

A graph is immutable. A pass builds a new one with ``dataclasses.replace`` and ``Graph.replace``;
``verify`` checks it afterwards. Tensors are named by their position in ``Graph.tensors``; an absent
optional input is ``None``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tinygen.ir.types import Array, DType, Quantization

__all__ = ["Graph", "Op", "OptionValue", "Tensor"]

OptionValue = int | float | bool | str | tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A value of the graph.

    Attributes:
        name: as in the model file; not unique, never used as an identifier.
        dtype: element type.
        shape: fixed dimensions; a scalar is ``()``.
        quantization: ``None`` for tensors without it (float, indices, shapes).
        data: contents of a constant, with this dtype and shape; ``None`` if computed or an input.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    quantization: Quantization | None = None
    data: Array | None = None

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.bytes


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One operator.

    Attributes:
        kind: TFLite's name of it, such as ``CONV_2D``.
        inputs: tensor indices; ``None`` where an optional input is absent.
        outputs: tensor indices.
        options: the flatbuffer's builtin options, named as in the schema (``stride_w``, ``padding``);
            enums stay numbers, vectors become tuples.
        index: position in the model file, for messages and reports; survives optimization.
    """

    kind: str
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, OptionValue] = field(default_factory=lambda: MappingProxyType({}))
    index: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A model: operators in execution order over a table of tensors."""

    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def input(self, op: Op, position: int) -> Tensor:
        """The tensor that ``op`` reads at ``position``; it must be there."""
        return self.tensors[self.input_index(op, position)]

    def input_index(self, op: Op, position: int = 0) -> int:
        """The index of the tensor that ``op`` reads at ``position``; it must be there."""
        index = op.inputs[position]
        assert index is not None, f"op {op.index} ({op.kind}) has no input {position}"
        return index

    def optional_input(self, op: Op, position: int) -> Tensor | None:
        """The tensor that ``op`` reads at ``position``, or ``None`` if it was left out."""
        index = op.inputs[position] if position < len(op.inputs) else None
        return None if index is None else self.tensors[index]

    def output(self, op: Op, position: int = 0) -> Tensor:
        """The tensor that ``op`` writes at ``position``."""
        return self.tensors[op.outputs[position]]

    def place(self, op: Op) -> str:
        """Where an operator stands, for messages: ``op 7 (CONV_2D, "model/conv/Relu")``."""
        name = self.tensors[op.outputs[0]].name if op.outputs else ""
        short = name.split(";")[0]
        return f'op {op.index} ({op.kind}, "{short}")' if short else f"op {op.index} ({op.kind})"

    def producers(self) -> dict[int, int]:
        """Tensor index -> position in ``ops`` of the operator that writes it."""
        return {t: i for i, op in enumerate(self.ops) for t in op.outputs}

    def consumers(self) -> dict[int, list[int]]:
        """Tensor index -> positions in ``ops`` of the operators that read it, in order."""
        readers: dict[int, list[int]] = {}
        for i, op in enumerate(self.ops):
            for t in dict.fromkeys(x for x in op.inputs if x is not None):
                readers.setdefault(t, []).append(i)
        return readers

    def used_tensors(self) -> Iterator[int]:
        """Indices of the tensors that an operator or the interface mentions, ascending."""
        used = {*self.inputs, *self.outputs}
        for op in self.ops:
            used.update(t for t in (*op.inputs, *op.outputs) if t is not None)
        yield from sorted(used)
