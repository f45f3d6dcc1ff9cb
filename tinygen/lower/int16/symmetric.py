"""What TensorFlow Lite Micro demands of 16-bit activations."""

from __future__ import annotations

from collections.abc import Iterator

from tinygen.ir import DType, Param, Quantization, Tensor
from tinygen.lower.requantize import Rescale

__all__ = ["HEADER_OF_ELEMENTWISE", "check_symmetric", "quantization_of", "rescale_struct"]

HEADER_OF_ELEMENTWISE = "int16/tg_elementwise_s16.h"


def check_symmetric(what: str, tensor: Tensor | None) -> Iterator[str]:
    """The tensor is there, int16 and quantized as a whole with zero point 0."""
    if tensor is None:
        yield f"the {what} is missing"
    elif tensor.dtype is not DType.INT16:
        yield f"the {what} is {tensor.dtype.value} beside int16 tensors; quantize the whole model in one way"
    elif tensor.quantization is None or not tensor.quantization.per_tensor:
        yield f"the {what} has no per-tensor quantization"
    elif tensor.quantization.zero_point != 0:
        yield f"the {what}'s zero point is {tensor.quantization.zero_point}; that of 16-bit tensors must be 0"


def quantization_of(tensor: Tensor) -> Quantization:
    """The quantization of a tensor that ``check_symmetric`` has passed."""
    assert tensor.quantization is not None
    return tensor.quantization


def rescale_struct(rescale: Rescale) -> dict[str, Param]:
    """The fields of ``tg_rescale_t``."""
    return {"multiplier": rescale.multiplier, "shift": rescale.shift}
