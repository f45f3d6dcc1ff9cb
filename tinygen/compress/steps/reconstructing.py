"""Make up for removed channels without training: each layer's weights are fitted anew to what it put out before.

Least squares, layer by layer from the input on, each with the inputs that the smaller model gives it
[He, Zhang & Sun 2017, "Channel pruning"]. A few hundred unlabelled samples suffice, for every pixel is an equation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.channels import ChannelGraph
from tinygen.compress.kernels import columns, from_columns, kernels
from tinygen.compress.replay import calls

__all__ = ["reconstruct", "ridge"]

Array = NDArray[Any]
# Equations to solve a layer with: plenty for a few hundred unknowns each, and soon multiplied.
_ROWS = 20_000
# Relative to the mean square of the inputs; keeps weights small where inputs hardly vary.
_DAMPING = 1e-3
_BATCH = 64


def reconstruct(
    before: Any, after: Any, graph: ChannelGraph, kept: dict[str, NDArray[np.bool_]], x: Array
) -> list[str]:
    """Fit the kernels of a model whose inputs have shrunk, in place.

    Args:
        before: the model with all channels.
        after: the same without some.
        graph: of ``before``.
        kept: output channels that are left, by layer.
        x: samples [n, …].

    Returns:
        Names of the layers that were fitted.
    """
    rng = np.random.default_rng(0)
    kinds = {kernel.layer: kernel.kind for kernel in kernels(after)}
    used = [call.layer.name for call in calls(after)]
    fitted = []
    for call in calls(after):
        layer = call.layer
        if layer.name not in graph.producers or used.count(layer.name) > 1:
            continue
        original = graph.producers[layer.name].layer
        same_inputs = original.kernel.shape[-2] == layer.kernel.shape[-2]
        if same_inputs or kinds[layer.name] not in ("dense", "conv", "pointwise") or len(layer.kernel.shape) == 3:
            continue
        inputs = _patches(_tensor(after, call.inputs[0], x), layer)
        targets = _before_activation(original, _tensor(before, _input_of(before, layer.name), x))
        targets = targets.reshape(-1, targets.shape[-1])[:, kept[layer.name]]
        chosen = rng.choice(len(inputs), min(_ROWS, len(inputs)), replace=False)
        start = columns(layer.kernel.numpy(), kinds[layer.name])
        matrix, offset = ridge(inputs[chosen], targets[chosen], start, bias=layer.use_bias)
        layer.kernel.assign(from_columns(matrix.astype(np.float32), kinds[layer.name], tuple(layer.kernel.shape)))
        if layer.use_bias:
            layer.bias.assign(offset.astype(np.float32))
        fitted.append(layer.name)
    return fitted


def ridge(inputs: Array, targets: Array, start: Array, *, bias: bool) -> tuple[Array, Array]:
    """Weights [n, m] and offsets [m] with inputs @ weights + offsets nearest to targets, damped towards ``start``."""
    a, b = inputs.astype(np.float64), targets.astype(np.float64)
    mean_a = a.mean(axis=0) if bias else np.zeros(a.shape[1])
    mean_b = b.mean(axis=0) if bias else np.zeros(b.shape[1])
    a, b = a - mean_a, b - mean_b
    gram = a.T @ a
    damping = _DAMPING * max(float(np.trace(gram)) / len(gram), 1e-12)
    weights = np.linalg.solve(gram + damping * np.eye(len(gram)), a.T @ b + damping * start)
    return weights, mean_b - mean_a @ weights


def _tensor(model: Any, tensor: Any, x: Array) -> Array:
    """Value of an inner tensor on the samples."""
    import tf_keras

    part = tf_keras.Model(model.inputs, tensor)
    return np.concatenate([np.asarray(part(x[i : i + _BATCH], training=False)) for i in range(0, len(x), _BATCH)])


def _input_of(model: Any, name: str) -> Any:
    return next(call.inputs[0] for call in calls(model) if call.layer.name == name)


def _before_activation(layer: Any, inputs: Array) -> Array:
    """A layer's sums before its own activation."""
    import tf_keras

    activation, layer.activation = layer.activation, tf_keras.activations.linear
    try:
        return np.concatenate([np.asarray(layer(inputs[i : i + _BATCH])) for i in range(0, len(inputs), _BATCH)])
    finally:
        layer.activation = activation


def _patches(inputs: Array, layer: Any) -> Array:
    """What each output pixel of a layer sees, as [pixels, height x width x channels]."""
    import tensorflow as tf

    if type(layer).__name__ == "Dense":
        return inputs.reshape(-1, inputs.shape[-1])
    patches = tf.image.extract_patches(
        inputs,
        sizes=[1, *layer.kernel_size, 1],
        strides=[1, *layer.strides, 1],
        rates=[1, *layer.dilation_rate, 1],
        padding=layer.padding.upper(),
    )
    found = np.asarray(patches)
    return found.reshape(-1, found.shape[-1])
