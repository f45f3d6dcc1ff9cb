"""Per-channel constants of layers with weights: bias, multiplier and shift for each output channel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Constant, DType, Op, Param, Tensor
from tinygen.lower.requantize import Rescale, activation_range, quantize_multiplier

__all__ = [
    "bias_values",
    "channel_params",
    "check_bias",
    "check_weights",
    "fused_activation",
    "output_range",
    "rescales",
]


def check_weights(weights: Tensor | None, axis: int) -> Iterator[str]:
    """The weights are a constant, symmetric int8 tensor, quantized as a whole or along ``axis``."""
    if weights is None:
        yield "the weights are missing"
        return
    q = weights.quantization
    if not weights.is_constant:
        yield "the weights are computed at run time; they must be constants"
    elif weights.dtype is not DType.INT8:
        yield f"the weights are {weights.dtype.value}; convert the model with full int8 quantization"
    elif q is None:
        yield "the weights have no quantization"
    elif any(q.zero_points):
        yield "the weights have a zero point other than 0; int8 weights must be quantized symmetrically"
    elif not q.per_tensor and q.axis != axis:
        yield f"the weights are quantized along axis {q.axis} where axis {axis} is expected"


def check_bias(bias: Tensor | None, channels: int) -> Iterator[str]:
    """The bias, if there is one, is a constant int32 vector."""
    if bias is None:
        return
    if not bias.is_constant:
        yield "the bias is computed at run time; it must be a constant"
    elif bias.dtype is not DType.INT32:
        yield f"the bias is {bias.dtype.value} where int32 is expected"
    elif bias.elements != channels:
        yield f"the bias has {bias.elements} values for {channels} output channels"


def bias_values(bias: Tensor | None, channels: int) -> NDArray[np.int64]:
    """The bias as int64 [channels]; zeros if the layer has none."""
    if bias is None or bias.data is None:
        return np.zeros(channels, np.int64)
    return bias.data.reshape(-1).astype(np.int64)


def rescales(source: Tensor, weights: Tensor, target: Tensor) -> tuple[Rescale, ...]:
    """The factor input_scale * weight_scale / output_scale of each scale of the weights, in double precision."""
    assert source.quantization and weights.quantization and target.quantization
    input_scale, output_scale = source.quantization.scale, target.quantization.scale
    return tuple(quantize_multiplier(input_scale * s / output_scale) for s in weights.quantization.scales)


def channel_params(bias: NDArray[np.int64], factors: tuple[Rescale, ...]) -> dict[str, Param]:
    """The fields of ``tg_channels_t``. The bias wraps around as the accumulator does."""
    return {
        "bias": Constant("bias", bias.astype(np.int32)),
        "multiplier": Constant("multiplier", np.array([f.multiplier for f in factors], np.int32)),
        "shift": Constant("shift", np.array([f.shift for f in factors], np.int8)),
        "step": 1 if len(factors) > 1 else 0,
    }


def fused_activation(op: Op) -> int:
    """The schema's number of the operator's fused activation."""
    return int(str(op.options.get("fused_activation_function", 0)))


def output_range(op: Op, target: Tensor) -> tuple[int, int]:
    """The stored values to which an operator clamps its output.

    That is the fused activation's range, or the ``output_min`` and ``output_max`` that a pass has put
    in its place; no model file has those.
    """
    low, high = op.options.get("output_min"), op.options.get("output_max")
    if isinstance(low, int) and isinstance(high, int):
        return low, high
    return activation_range(fused_activation(op), target)
