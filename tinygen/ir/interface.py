"""The outside of a generated model: its name, inputs and outputs, as firmware sees them."""

from __future__ import annotations

from dataclasses import dataclass

from tinygen.ir.graph import Graph, Tensor
from tinygen.ir.types import DType, Quantization

__all__ = ["ModelInterface", "Port"]


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of the model.

    Attributes:
        index: position among the inputs or outputs; the accessor is ``<name>_input_<index>``.
        tensor: index of the tensor in the graph.
        label: the tensor's name in the model file, for comments and messages.
        shape: fixed dimensions, batch included.
        quantization: per-tensor, or ``None`` for float and index tensors.
    """

    index: int
    tensor: int
    label: str
    dtype: DType
    shape: tuple[int, ...]
    bytes: int
    quantization: Quantization | None

    @property
    def c_type(self) -> str:
        return self.dtype.c_type


@dataclass(frozen=True, slots=True)
class ModelInterface:
    """What an application needs to know to call the model.

    Attributes:
        name: C identifier that prefixes functions (``kws_invoke``); macros use it in upper case.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def macro(self) -> str:
        """Prefix of the model's macros, without the underscore."""
        return self.name.upper()

    @classmethod
    def of(cls, graph: Graph, name: str) -> ModelInterface:
        """The interface of a verified graph."""
        return cls(
            name,
            tuple(_port(i, t, graph.tensors[t]) for i, t in enumerate(graph.inputs)),
            tuple(_port(i, t, graph.tensors[t]) for i, t in enumerate(graph.outputs)),
        )


def _port(index: int, tensor: int, t: Tensor) -> Port:
    return Port(index, tensor, t.name, t.dtype, t.shape, t.bytes, t.quantization)
