"""What layers with int8 weights over 16-bit activations share: their checks, and their parameters in C."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Constant, DType, Graph, Op, Param, Tensor
from tinygen.lower import checks
from tinygen.lower.channels import bias_values, check_weights, output_range, rescales
from tinygen.lower.int16.symmetric import check_symmetric
from tinygen.lower.requantize import Rescale
from tinygen.lower.window import option

__all__ = ["HEADER", "check_layer", "doubled", "filter_params"]

HEADER = "int16/tg_layers_s16.h"

# The schema's number of the type that a layer without bias names for its sums.
_INT32 = 2

# TFLM's limits for left shifts of 64-bit and of 32-bit sums (MultiplyByQuantizedMultiplier).
MAX_SHIFT_WIDE, MAX_SHIFT = 7, 30


def check_layer(op: Op, graph: Graph, *, axis: int, images: bool = False) -> Iterator[str]:
    """Types and quantization of input, weights, bias and output.

    Args:
        axis: dimension of the weights that counts the output channels.
        images: input, weights and output have four dimensions.
    """
    source, weights, target = graph.optional_input(op, 0), graph.optional_input(op, 1), graph.output(op)
    reasons = [
        *checks.count(op, range(2, 4)),
        *check_symmetric("input", source),
        *check_symmetric("output", target),
        *check_weights(weights, axis=axis),
        *checks.activation(op, target),
    ]
    if images:
        named = (("input", source), ("weights", weights), ("output", target))
        reasons += [r for what, tensor in named if tensor is not None for r in checks.rank(what, tensor, 4)]
    yield from reasons
    if reasons or source is None or weights is None or len(weights.shape) <= axis:
        return
    if images and target.shape[3] != weights.shape[axis]:
        yield f"the output has {target.shape[3]} channels, the weights {weights.shape[axis]}"
    yield from _check_bias(graph.optional_input(op, 2), weights.shape[axis])
    limit = MAX_SHIFT_WIDE if _is_wide(op, graph) else MAX_SHIFT
    if max(r.shift for r in rescales(source, weights, target)) > limit:
        yield "the output's scale is absurdly small beside those of input and weights; convert the model again"


def _check_bias(bias: Tensor | None, channels: int) -> Iterator[str]:
    if bias is None:
        return
    if not bias.is_constant:
        yield "the bias is computed at run time; it must be a constant"
    elif bias.dtype not in (DType.INT32, DType.INT64):
        yield f"the bias is {bias.dtype.value} where int64 or int32 is expected"
    elif bias.elements != channels:
        yield f"the bias has {bias.elements} values for {channels} output channels"


def _is_wide(op: Op, graph: Graph) -> bool:
    """Whether TFLM sums in 64 bits: by the bias's type, or by the one that a layer without bias names."""
    bias = graph.optional_input(op, 2)
    if bias is not None:
        return bias.dtype is DType.INT64
    return op.kind == "DEPTHWISE_CONV_2D" or option(op, "quantized_bias_type", 0) != _INT32


def filter_params(op: Op, graph: Graph, layout: NDArray[np.int8], *, depth: int) -> dict[str, Param]:
    """The fields of ``tg_filters_s16_t``.

    Args:
        layout: the weights in the order in which the kernel reads them.
        depth: weights of a filter.
    """
    source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
    wide = _is_wide(op, graph)
    factors = rescales(source, weights, target)
    shortened = [_shortened(f) for f in factors] if wide else factors
    bias = bias_values(graph.optional_input(op, 2), target.shape[-1])
    low = bias.astype(np.int32)
    high = (bias >> 32).astype(np.int32)
    least, most = output_range(op, target)
    return {
        "depth": depth,
        "weights": Constant("weights", layout),
        "channels": {
            "wide": int(wide),
            "bias": Constant("bias", low),
            "bias_high": Constant("bias_high", high if wide and np.any(bias != low) else high[:0]),
            "multiplier": Constant("multiplier", np.array([f.multiplier for f in shortened], np.int32)),
            "shift": Constant("shift", np.array([f.shift for f in shortened], np.int8)),
            "step": 1 if len(factors) > 1 else 0,
            "output_min": least,
            "output_max": most,
        },
    }


def _shortened(factor: Rescale) -> Rescale:
    """A factor of 64-bit sums: TFLM rounds the multiplier to 15 bits; the shift is to the right."""
    multiplier = 0x7FFF if factor.multiplier >= 0x7FFF0000 else (factor.multiplier + (1 << 15)) >> 16
    return Rescale(multiplier, 15 - factor.shift)


def doubled(params: dict[str, Param], *fields: str) -> dict[str, Param]:
    """Parameters counted in int8 values, where these fields are bytes: twice as many of them."""
    return {k: 2 * int(str(v)) if k in fields else v for k, v in params.items()}
