"""Checks that many operators share. Each yields reasons why an operator can't be translated."""

from __future__ import annotations

from collections.abc import Iterator

from tinygen.ir import DType, Graph, Op, Tensor
from tinygen.lower.requantize import CLAMPING, Activation

__all__ = ["activation", "constant", "count", "int8_tensor", "rank"]


def count(op: Op, inputs: range | int, outputs: int = 1) -> Iterator[str]:
    """The operator has the right number of inputs and outputs."""
    allowed = range(inputs, inputs + 1) if isinstance(inputs, int) else inputs
    if len(op.inputs) not in allowed:
        yield f"{len(op.inputs)} inputs where {allowed.start} to {allowed.stop - 1} are expected"
    if len(op.outputs) != outputs:
        yield f"{len(op.outputs)} outputs where {outputs} are expected"


def int8_tensor(what: str, tensor: Tensor | None) -> Iterator[str]:
    """The tensor is there, int8 and quantized as a whole."""
    if tensor is None:
        yield f"the {what} is missing"
    elif tensor.dtype is not DType.INT8:
        yield (
            f"the {what} is {tensor.dtype.value}, and this operator is translated for int8 only; "
            "convert the model with full int8 quantization"
        )
    elif tensor.quantization is None or not tensor.quantization.per_tensor:
        yield f"the {what} has no per-tensor quantization"
    elif not -128 <= tensor.quantization.zero_point <= 127:
        yield f"the {what}'s zero point {tensor.quantization.zero_point} is no int8 value"


def constant(what: str, tensor: Tensor | None) -> Iterator[str]:
    """The tensor is a constant of the model."""
    if tensor is None:
        yield f"the {what} is missing"
    elif not tensor.is_constant:
        yield f"the {what} is computed at run time; it must be a constant"


def rank(what: str, tensor: Tensor, ranks: range | int) -> Iterator[str]:
    """The tensor has a supported number of dimensions."""
    allowed = range(ranks, ranks + 1) if isinstance(ranks, int) else ranks
    if len(tensor.shape) not in allowed:
        yield f"the {what} has {len(tensor.shape)} dimensions where {allowed.start} to {allowed.stop - 1} are supported"


def activation(op: Op, output: Tensor | None = None) -> Iterator[str]:
    """The fused activation is one that clamps, to values that the quantized ``output``, if given, can express."""
    value = op.options.get("fused_activation_function", 0)
    if value not in CLAMPING:
        names = {int(a): a.name for a in Activation}
        yield f"fused activation {names.get(int(str(value)), value)} is not supported; use a separate activation layer"
        return
    clamped = output.quantization if output is not None and value != Activation.NONE else None
    if clamped is not None and any(6.0 / scale >= 1 << 31 for scale in clamped.scales):
        # TFLM refuses bounds of 2^31 and more; 6 is the largest that an activation clamps to.
        yield "the output's scale is absurdly small for a fused activation; convert the model again"


def inputs_present(op: Op, graph: Graph, names: tuple[str, ...]) -> Iterator[str]:
    """The first inputs, by name, are all there."""
    for position, name in enumerate(names):
        if graph.optional_input(op, position) is None:
            yield f"the {name} is missing"
