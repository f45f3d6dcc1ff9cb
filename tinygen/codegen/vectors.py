"""Test vectors as C arrays of bytes, which suit inputs and outputs of every type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.codegen.names import Names
from tinygen.ir import ModelInterface, Port

__all__ = ["TestVector", "VectorArrayView", "vector_arrays"]

_BYTES_PER_ROW = 16


@dataclass(frozen=True, slots=True, eq=False)
class TestVector:
    """Inputs of the model, and what the reference answers."""

    inputs: tuple[NDArray[Any], ...]
    outputs: tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class VectorArrayView:
    """One input or output of all vectors: ``const uint8_t <name>[][<size>]``.

    Attributes:
        size: a macro of the model's header.
        vectors: the rows of each vector.
    """

    name: str
    size: str
    vectors: tuple[tuple[str, ...], ...]


def vector_arrays(interface: ModelInterface, vectors: Sequence[TestVector]) -> tuple[VectorArrayView, ...]:
    """An array for each input and output, none without vectors."""
    if not vectors:
        return ()
    names = Names(f"{interface.name}_vectors")

    def array(kind: str, port: Port, values: Sequence[NDArray[Any]]) -> VectorArrayView:
        size = f"{interface.macro}_{kind.upper()}_{port.index}_BYTES"
        return VectorArrayView(names.take(kind, port.index), size, tuple(_rows(v) for v in values))

    return (
        *(array("input", p, [v.inputs[p.index] for v in vectors]) for p in interface.inputs),
        *(array("output", p, [v.outputs[p.index] for v in vectors]) for p in interface.outputs),
    )


def _rows(values: NDArray[Any]) -> tuple[str, ...]:
    data = np.ascontiguousarray(values).tobytes()
    return tuple(
        ", ".join(f"0x{byte:02x}" for byte in data[start : start + _BYTES_PER_ROW])
        for start in range(0, len(data), _BYTES_PER_ROW)
    )
