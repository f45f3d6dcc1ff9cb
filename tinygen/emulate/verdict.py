"""Does the board say what the reference says? If not, where do they part?"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinygen.emulate.session import LayerResult, VectorResult
from tinygen.ir import Array, Graph

__all__ = ["Divergence", "differing_vectors", "first_divergence"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first operator whose output differs from the reference.

    Attributes:
        vector: number of the vector.
        op, kind, name: the operator, as in the model file.
        position: flat index of the first differing value, and ``differing`` of ``elements`` values differ.
        board, reference: the values there.
    """

    vector: int
    op: int
    kind: str
    name: str
    position: int
    differing: int
    elements: int
    board: float
    reference: float

    def __str__(self) -> str:
        return (
            f'op {self.op} ({self.kind}, "{self.name}") is the first to differ, on vector {self.vector}: '
            f"{self.differing} of {self.elements} values, the first at {self.position}: "
            f"the board says {self.board:g}, the reference {self.reference:g}"
        )


def differing_vectors(results: Sequence[VectorResult], expected: Sequence[tuple[Array, ...]]) -> list[int]:
    """Positions of the vectors with any output bit other than the reference's."""
    return [
        i
        for i, (result, outputs) in enumerate(zip(results, expected, strict=True))
        if result.outputs != tuple(np.ascontiguousarray(o).tobytes() for o in outputs)
    ]


def first_divergence(
    graph: Graph, vector: int, layers: Sequence[LayerResult], reference: Mapping[int, Array]
) -> Divergence | None:
    """The first layer, in order of execution, that differs from the reference.

    Tensors whose shape an exact pass has changed can't be compared and are passed over.

    Args:
        graph: the optimized graph that the firmware runs.
        layers: from a profile image, with the data of each operator.
        reference: tensor index -> contents, from the reference interpreter.
    """
    names = {op.index: op for op in graph.ops}
    for layer in layers:
        expected = reference.get(layer.tensor)
        if expected is None or tuple(expected.shape) != graph.tensors[layer.tensor].shape:
            continue
        wanted = np.ascontiguousarray(expected)
        if layer.data is None or zlib.crc32(wanted.tobytes()) == layer.crc:
            continue
        got = np.frombuffer(layer.data, wanted.dtype)
        wrong = np.flatnonzero(got != wanted.reshape(-1))
        if not wrong.size:  # the same values with other bits: a float's sign of zero or a NaN
            wrong = np.arange(1)
        op, first = names[layer.op], int(wrong[0])
        return Divergence(
            vector=vector,
            op=layer.op,
            kind=op.kind,
            name=graph.output(op).name.split(";")[0],
            position=first,
            differing=int(wrong.size),
            elements=int(wanted.size),
            board=float(got[first]),
            reference=float(wanted.reshape(-1)[first]),
        )
    return None
