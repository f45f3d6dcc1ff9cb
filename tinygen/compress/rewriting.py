"""New int8 weights for old, without training: few values, or more zeros, and biases that make up for the change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.constraints import fit_clusters
from tinygen.compress.int8 import Int8Weights, int8_weights, own_kernel
from tinygen.compress.kernels import Kernel, select
from tinygen.compress.running import input_means
from tinygen.compress.settings import Step
from tinygen.compress.state import Context, State

__all__ = ["chosen_weights", "clustered", "correct_bias", "means_of_inputs", "sparsified"]

Array = NDArray[Any]


def chosen_weights(
    content: bytearray, state: State, settings: Step, context: Context
) -> list[tuple[Int8Weights, Kernel]]:
    """The weights in a flatbuffer that a step means, with the layers that they come from.

    Raises:
        OptionError: a pattern that matches no layer.
    """
    known = {w.operator: state.bindings.get(w.operator) or own_kernel(w) for w in int8_weights(content)}
    wanted = {kernel.key for kernel in select(list(known.values()), settings.layers, settings.skip, settings.kind)}
    found = []
    for weights in int8_weights(content):
        kernel = known[weights.operator]
        if kernel.key not in wanted:
            continue
        if weights.shared:
            context.left_alone.append(f'"{kernel.layer}": something else reads the same bytes')
            continue
        found.append((weights, kernel))
    return found


def clustered(
    weights: Int8Weights, values: int, *, per_channel: bool, keep_zeros: bool, rescale: bool
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """int8 codes [inputs, channels] with few values, and the scales [channels] that go with them."""
    matrix = weights.matrix
    scales = np.broadcast_to(weights.scales.astype(np.float64), (matrix.shape[1],))
    keep = matrix != 0 if keep_zeros else None
    # The columns are the channels, whatever the operator: kind "conv" says just that.
    if rescale:
        real = matrix * scales
        shared = len(weights.scales) == 1
        found = fit_clusters(real, "conv", values, per_channel=per_channel, keep=keep, shared_scale=shared)
        return found.int8_codes(real), np.asarray(found.scales)
    steps = matrix.astype(np.float64)
    found = fit_clusters(steps, "conv", values, per_channel=per_channel, keep=keep, shared_scale=True, rounds=0)
    # In units of the file's own scales, which stay.
    unit = replace(found, codes=found.codes * found.scales[0], scales=np.ones(matrix.shape[1]))
    return unit.int8_codes(steps), scales


def sparsified(matrix: NDArray[np.int8], sparsity: float, threshold: int = 0) -> NDArray[np.int8]:
    """The matrix with its smallest magnitudes zero: up to the threshold if there is one, else the share asked for."""
    size = np.abs(matrix.astype(np.int16))
    if threshold:
        return np.where(size > threshold, matrix, 0).astype(np.int8)
    flat = matrix.ravel().copy()
    flat[np.argsort(size.ravel(), kind="stable")[: round(sparsity * flat.size)]] = 0
    return flat.reshape(matrix.shape)


def means_of_inputs(tflite: bytes, x: Array) -> dict[int, Array]:
    """Mean input of each operator with weights on some samples, by tensor, in stored units; none without samples."""
    return input_means(tflite, x, {w.input_tensor for w in int8_weights(bytearray(tflite))})


def correct_bias(weights: Int8Weights, before: Array, means: dict[int, Array]) -> None:
    """Undo the shift that new weights give to each output's mean [Nagel 2019, "Data-free quantization"].

    Args:
        before: the weights as they were meant, [inputs, channels].
        means: of the operators' inputs.
    """
    mean = means.get(weights.input_tensor)
    if mean is None or weights.bias is None:
        return
    real = (mean - weights.input_zero_point) * weights.input_scale  # [input channels]
    change = weights.real - before  # [inputs, channels]
    if weights.kind == "depthwise":
        multiplier = change.shape[1] // len(real)
        shift = change.sum(axis=0) * np.repeat(real, multiplier)
    else:
        repeats = change.shape[0] // len(real)  # input channels lie innermost
        if repeats * len(real) != change.shape[0]:
            return
        shift = (change * np.tile(real, repeats)[:, None]).sum(axis=0)
    weights.shift_bias(-shift)
