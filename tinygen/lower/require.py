"""Operators whose check is a dry run of their lowering.

Where all that can go wrong is geometry, checking it apart from computing it would say everything
twice. Such an operator's ``lower`` raises ``Refusal`` at the first thing that it can't translate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from tinygen.errors import UnsupportedError
from tinygen.ir import DType, Graph, Op, Tensor
from tinygen.lower.operator import Operator

__all__ = [
    "DryRun",
    "Refusal",
    "constant_ints",
    "normal_axis",
    "option",
    "require",
    "require_count",
    "require_shape",
    "require_type",
    "tensor_at",
    "zero_point_of",
]


class Refusal(UnsupportedError):
    """A reason why an operator can't be translated exactly."""


class DryRun(Operator):
    """An operator that finds out by lowering whether it can be lowered."""

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        try:
            for _ in self.lower(op, graph):
                pass
        except Refusal as refusal:
            yield refusal.message

    def weight_tensors(self, op: Op, graph: Graph) -> tuple[int, ...]:
        """None: constant inputs say where elements lie, and what follows from them is computed offline."""
        del op, graph
        return ()


def require(condition: bool, reason: str) -> None:
    """Refuse the operator unless the condition holds."""
    if not condition:
        raise Refusal(reason)


def require_count(op: Op, inputs: range | int, outputs: range | int = 1) -> None:
    """The operator has the right number of inputs and outputs."""
    for what, found, expected in (("inputs", len(op.inputs), inputs), ("outputs", len(op.outputs), outputs)):
        allowed = range(expected, expected + 1) if isinstance(expected, int) else expected
        limits = f"{allowed.start}" if len(allowed) == 1 else f"{allowed.start} to {allowed.stop - 1}"
        require(found in allowed, f"{found} {what} where TensorFlow Lite Micro takes {limits}")


def tensor_at(op: Op, graph: Graph, position: int, what: str, dtypes: Collection[DType]) -> Tensor:
    """The input at a position, of one of the element types that TFLM's kernel accepts."""
    tensor = graph.optional_input(op, position)
    if tensor is None:
        raise Refusal(f"the {what} is missing")
    names = ", ".join(sorted(d.value for d in dtypes))
    require(
        tensor.dtype in dtypes,
        f"the {what} is {tensor.dtype.value}, and this operator takes {names}; "
        "convert the model with full int8 quantization",
    )
    return tensor


def require_shape(found: Sequence[int], expected: Sequence[int], what: str = "the output") -> None:
    """A tensor has the shape that follows from the operator's other tensors."""
    require(tuple(found) == tuple(expected), f"{what} has shape {list(found)} where {list(expected)} follows")


def require_type(tensor: Tensor, dtype: DType, what: str = "the output") -> None:
    """A tensor has the element type that follows from the operator's other tensors."""
    require(tensor.dtype is dtype, f"{what} is {tensor.dtype.value} where {dtype.value} follows")


def constant_ints(
    op: Op,
    graph: Graph,
    position: int,
    what: str,
    dtypes: Collection[DType] = (DType.INT32,),
    *,
    rank: int | None = None,
) -> tuple[int, ...]:
    """The values, flattened, of a constant index tensor; ``rank`` is given where TFLM insists on one."""
    tensor = tensor_at(op, graph, position, what, dtypes)
    if rank is not None:
        require(len(tensor.shape) == rank, f"the {what} has {len(tensor.shape)} dimensions where {rank} are expected")
    if tensor.data is None:
        raise Refusal(
            f"the {what} is computed at run time; it must be a constant: convert the model with fixed shapes and batch"
        )
    return tuple(int(v) for v in tensor.data.reshape(-1).astype(np.int64))


def normal_axis(axis: int, rank: int) -> int:
    """An axis counted from the front; refuses one that isn't there."""
    require(-rank <= axis < rank, f"axis {axis} of a tensor with {rank} dimensions")
    return axis + rank if axis < 0 else axis


def option(op: Op, name: str, default: int = 0) -> int:
    """A number (or truth value) among the operator's options; the schema's default where it is left out."""
    value = op.options.get(name, default)
    return int(value) if isinstance(value, int | float) else default


def zero_point_of(tensor: Tensor, what: str) -> int:
    """The zero point of a tensor, 0 without quantization, as TFLM reads it."""
    if tensor.quantization is None:
        return 0
    require(tensor.quantization.per_tensor, f"the {what} is quantized per channel, which activations can't be")
    return tensor.quantization.zero_point
