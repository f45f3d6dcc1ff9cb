"""Steps on the int8 tensors themselves, without training: ``round_cluster`` and ``sparsify_int8``.

After BatchNorm folding every operator's weights are what the chip will store, depthwise ones included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.constraints import Mask, fit_clusters
from tinygen.compress.int8 import Int8Weights, int8_weights, own_kernel
from tinygen.compress.kernels import Kernel, from_columns, override, select
from tinygen.compress.running import input_means
from tinygen.compress.settings import RoundCluster, SparsifyInt8, Step
from tinygen.compress.state import Context, State

__all__ = ["clustered", "round_cluster", "sparsified", "sparsify_int8"]

Array = NDArray[Any]
_MEANS_SAMPLES = 128


def round_cluster(state: State, settings: RoundCluster, context: Context) -> State:
    """Weighted k-means on the int8 weights; zeros of pruned layers stay zeros."""
    content = bytearray(_flatbuffer(state))
    means = _input_means(state, context) if settings.bias_correction else {}
    for weights, kernel in _chosen(content, state, settings, context):
        values = override(kernel, settings.per_layer, settings.values)
        before = weights.real
        pruned = getattr(state.constraints.get(kernel.key), "keep", None) is not None
        codes, scales = clustered(
            weights, values, per_channel=settings.scope == "channel", keep_zeros=pruned, rescale=settings.rescale
        )
        weights.write(codes, scales)
        _correct_bias(weights, before, means)
        context.notes.append(f'"{kernel.layer}": {len(np.unique(codes))} values')
    return replace(state, tflite=bytes(content))


def sparsify_int8(state: State, settings: SparsifyInt8, context: Context) -> State:
    """Set the int8 weights with the smallest magnitudes to zero."""
    content = bytearray(_flatbuffer(state))
    means = _input_means(state, context) if settings.bias_correction else {}
    constraints = dict(state.constraints)
    for weights, kernel in _chosen(content, state, settings, context):
        before = weights.real
        codes = sparsified(weights.matrix, settings.sparsity, settings.threshold)
        weights.write(codes)
        _correct_bias(weights, before, means)
        # A step after this one keeps the zeros.
        constraints[kernel.key] = Mask(from_columns(codes != 0, kernel.kind, kernel.shape))
        context.notes.append(f'"{kernel.layer}": {(codes == 0).mean():.0%} zeros')
    return replace(state, tflite=bytes(content), constraints=constraints)


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


def sparsified(matrix: NDArray[np.int8], sparsity: float, threshold: int) -> NDArray[np.int8]:
    """The matrix with its smallest magnitudes zero: up to the threshold if there is one, else the share asked for."""
    size = np.abs(matrix.astype(np.int16))
    if threshold:
        return np.where(size > threshold, matrix, 0).astype(np.int8)
    flat = matrix.ravel().copy()
    flat[np.argsort(size.ravel(), kind="stable")[: round(sparsity * flat.size)]] = 0
    return flat.reshape(matrix.shape)


def _flatbuffer(state: State) -> bytes:
    assert state.tflite is not None, "the engine converts before a step on int8 tensors"
    return state.tflite


def _chosen(content: bytearray, state: State, settings: Step, context: Context) -> Iterator[tuple[Int8Weights, Kernel]]:
    """The weights that a step means, with the layers that they come from."""
    known = {w.operator: state.bindings.get(w.operator) or own_kernel(w) for w in int8_weights(content)}
    wanted = {kernel.key for kernel in select(list(known.values()), settings.layers, settings.skip, settings.kind)}
    for weights in int8_weights(content):
        kernel = known[weights.operator]
        if kernel.key not in wanted:
            continue
        if weights.shared:
            context.left_alone.append(f'"{kernel.layer}": something else reads the same bytes')
            continue
        yield weights, kernel


def _input_means(state: State, context: Context) -> dict[int, Array]:
    """Mean input of each operator with weights, by tensor, in stored units."""
    tflite = _flatbuffer(state)
    tensors = {w.input_tensor for w in int8_weights(bytearray(tflite))}
    return input_means(tflite, context.spread(_MEANS_SAMPLES), tensors)


def _correct_bias(weights: Int8Weights, before: Array, means: dict[int, Array]) -> None:
    """Undo the shift that new weights give to each output's mean [Nagel 2019, "Data-free quantization"]."""
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
