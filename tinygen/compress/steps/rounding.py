"""Steps on the int8 tensors themselves, without training: ``round_cluster`` and ``sparsify_int8``.

After BatchNorm folding every operator's weights are what the chip will store, depthwise ones included.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.allocation import values_of_layers
from tinygen.compress.compensating import compensated, input_moments
from tinygen.compress.constraints import Mask
from tinygen.compress.kernels import from_columns
from tinygen.compress.rewriting import chosen_weights, clustered, correct_bias, means_of_inputs, sparsified
from tinygen.compress.settings import ALL_VALUES, RoundCluster, SparsifyInt8
from tinygen.compress.state import Context, State

__all__ = ["round_cluster", "sparsify_int8"]

Array = NDArray[Any]
_MEANS_SAMPLES = 128
_MOMENTS_SAMPLES = 512


def round_cluster(state: State, settings: RoundCluster, context: Context) -> State:
    """Weighted k-means on the int8 weights; zeros of pruned layers stay zeros."""
    content = bytearray(_flatbuffer(state))
    means = _input_means(state, context) if settings.bias_correction else {}
    moments = input_moments(_flatbuffer(state), context.spread(_MOMENTS_SAMPLES)) if settings.compensate else {}
    chosen = chosen_weights(content, state, settings, context)
    values = values_of_layers([kernel for _, kernel in chosen], settings, context)
    for weights, kernel in chosen:
        if values[kernel.layer] < ALL_VALUES:
            before = weights.real
            ways = {"per_channel": settings.scope == "channel", "keep_zeros": state.is_pruned(kernel.key)}
            codes, scales = clustered(weights, values[kernel.layer], rescale=settings.rescale, **ways)
            if weights.operator in moments:
                codes = compensated(before, codes, scales, moments[weights.operator], **ways)
            weights.write(codes, scales)
            correct_bias(weights, before, means)
        context.notes.append(f'"{kernel.layer}": {len(np.unique(weights.matrix))} values')
    return replace(state, tflite=bytes(content))


def sparsify_int8(state: State, settings: SparsifyInt8, context: Context) -> State:
    """Set the int8 weights with the smallest magnitudes to zero."""
    content = bytearray(_flatbuffer(state))
    means = _input_means(state, context) if settings.bias_correction else {}
    constraints = dict(state.constraints)
    for weights, kernel in chosen_weights(content, state, settings, context):
        before = weights.real
        codes = sparsified(weights.matrix, settings.sparsity, settings.threshold)
        weights.write(codes)
        correct_bias(weights, before, means)
        # A step after this one keeps the zeros.
        constraints[kernel.key] = Mask(from_columns(codes != 0, kernel.kind, kernel.shape))
        context.notes.append(f'"{kernel.layer}": {(codes == 0).mean():.0%} zeros')
    return replace(state, tflite=bytes(content), constraints=constraints)


def _flatbuffer(state: State) -> bytes:
    assert state.tflite is not None, "the engine converts before a step on int8 tensors"
    return state.tflite


def _input_means(state: State, context: Context) -> dict[int, Array]:
    return means_of_inputs(_flatbuffer(state), context.spread(_MEANS_SAMPLES))
