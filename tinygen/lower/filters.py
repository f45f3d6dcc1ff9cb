"""What convolutions of every kind share: their quantization, and their parameters in C."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Constant, Graph, Op, Param, Tensor
from tinygen.lower import checks
from tinygen.lower.channels import channel_params, check_bias, check_weights, output_range, rescales
from tinygen.lower.window import Axis

__all__ = ["SOURCES", "check_filters", "filter_params", "fold_zero_point", "patch_params", "scan_params"]

# What every kernel of conv/ calls.
SOURCES = ("conv/tg_conv_filters.c", "conv/tg_conv_patch.c")

# TFLM shifts the accumulator to the left by at most so much before C leaves its result undefined.
MAX_SHIFT = 30


def check_filters(op: Op, graph: Graph, *, source: int, axis: int) -> Iterator[str]:
    """Types, ranks and quantization of input, weights, bias and output.

    Args:
        source: position of the input; weights are at 1, the bias follows the rest.
        axis: dimension of the weights that counts the output channels.
    """
    last = max(source, 1)
    yield from checks.count(op, range(last + 1, last + 3))
    image, weights = graph.optional_input(op, source), graph.optional_input(op, 1)
    target = graph.output(op)
    reasons = [*checks.int8_tensor("input", image), *checks.int8_tensor("output", target)]
    reasons += check_weights(weights, axis=axis)
    for what, tensor in (("input", image), ("weights", weights), ("output", target)):
        reasons += checks.rank(what, tensor, 4) if tensor is not None else ()
    reasons += checks.activation(op, target)
    yield from reasons
    if reasons or image is None or weights is None:
        return
    channels = weights.shape[axis]
    yield from check_bias(graph.optional_input(op, last + 1), channels)
    if target.shape[3] != channels:
        yield f"the output has {target.shape[3]} channels, the weights of shape {list(weights.shape)} make {channels}"
    if max(r.shift for r in rescales(image, weights, target)) > MAX_SHIFT:
        yield "the output's scale is absurdly small beside those of input and weights; convert the model again"


def fold_zero_point(bias: NDArray[np.int64], source: Tensor, weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """The bias that makes up for sums over stored values: bias - zero point * sum of a filter's weights.

    Args:
        bias: [filters].
        weights: [filters, taps …]; a tap in the padding must read as the zero point.
    """
    assert source.quantization
    sums = weights.astype(np.int64).sum(axis=tuple(range(1, weights.ndim)))
    return np.asarray(bias - source.quantization.zero_point * sums)


def filter_params(
    op: Op,
    source: Tensor,
    weights: Tensor,
    target: Tensor,
    *,
    folded: NDArray[np.int64],
    layout: NDArray[np.int8],
    depth: int,
) -> dict[str, Param]:
    """The fields of ``tg_filters_t``.

    Args:
        folded: the bias with the zero point in it.
        layout: the weights in the order in which the kernel reads them.
        depth: weights of a filter.
    """
    assert target.quantization
    low, high = output_range(op, target)
    return {
        "depth": depth,
        "output_zero_point": target.quantization.zero_point,
        "output_min": low,
        "output_max": high,
        "weights": Constant("weights", layout),
        "channels": channel_params(folded, rescales(source, weights, target)),
    }


def scan_params(batches: int, height: Axis, width: Axis, channels: int) -> dict[str, Param]:
    """The fields of ``tg_scan_t``; ``channels`` are the input's."""
    return {
        "batches": batches,
        "input_image_bytes": height.size * width.size * channels,
        "first_row": -height.pad,
        "first_byte": -width.pad * channels,
        "stride_rows": height.stride,
        "stride_bytes": width.stride * channels,
        "output_height": height.outputs,
        "output_width": width.outputs,
    }


def patch_params(source: Tensor, height: Axis, width: Axis, channels: int) -> dict[str, Param]:
    """The fields of ``tg_patch_t`` for a window over ``channels`` of the input's channels."""
    assert source.quantization
    whole_rows = width.dilation == 1 and channels == source.shape[3]
    return {
        "rows": height.kernel,
        "row_step": height.dilation,
        "pieces": 1 if whole_rows else width.kernel,
        "piece_bytes": channels * (width.kernel if whole_rows else 1),
        "piece_step": width.dilation * source.shape[3],
        "input_height": height.size,
        "input_row_bytes": width.size * source.shape[3],
        "fill": source.quantization.zero_point,
    }
