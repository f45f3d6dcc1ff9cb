"""BatchNorm folded into the layer before it, or else behind it, as the converter will do."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygen.compress.replay import Replay, calls, clone, single_consumer

__all__ = ["fold_batchnorm"]

# What takes in a BatchNorm that lies before it, too: shifted inputs and zero padding don't go together.
_FOLLOWING = ("Conv2D", "Dense")
_FOLDABLE = ("Conv1D", "Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "Dense")


def fold_batchnorm(model: Any) -> tuple[Any, list[str]]:
    """A model without the BatchNorms that stand beside a layer that can take them in.

    y = gamma (W x + b - mean) / sqrt(var + eps) + beta is a layer with weights W gamma / sqrt(var + eps).

    Returns:
        The model, layers keeping their names; and the BatchNorms that had to stay, with reasons.
    """
    pairs, before, stay = _pairs(model)
    if not pairs and not before:
        return clone(model), stay
    gone = {id(norm) for norm in (*pairs.values(), *before.values())}
    layers = {id(layer): layer for layer in model.layers}

    def visit(replay: Replay, layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if id(layer) in gone:
            return args[0]
        if id(layer) in pairs or id(layer) in before:
            return replay.twin(layer, use_bias=True)(*args, **kwargs)
        return replay.default(layer, args, kwargs)

    result = Replay(model, visit).run()
    for key in {*pairs, *before}:
        layer = layers[key]
        weights = layer.get_weights()
        if key in before:
            weights = _shifted(weights, before[key])
        if key in pairs:
            weights = _folded(layer, weights, pairs[key])
        result.get_layer(layer.name).set_weights(weights)
    return result, stay


def _pairs(model: Any) -> tuple[dict[int, Any], dict[int, Any], list[str]]:
    """Layer (by identity) -> the BatchNorm after it, and the one before it, that it takes in; BatchNorms that stay."""
    import tf_keras

    times: dict[int, int] = {}
    for call in calls(model):
        times[id(call.layer)] = times.get(id(call.layer), 0) + 1
    consumer = single_consumer(model)
    producer = {id(tensor): call.layer for call in calls(model) for tensor in call.outputs}
    pairs: dict[int, Any] = {}
    before: dict[int, Any] = {}
    stay = []
    for call in calls(model):
        if not isinstance(call.layer, tf_keras.layers.BatchNormalization):
            continue
        norm, source = call.layer, producer.get(id(call.inputs[0]))
        alone = id(call.inputs[0]) in consumer and source is not None and times[id(source)] == times[id(norm)] == 1
        linear = source is not None and getattr(getattr(source, "activation", None), "__name__", "") == "linear"
        rank = len(call.inputs[0].shape)
        axis = list(norm.axis) if isinstance(norm.axis, list | tuple) else [norm.axis]
        last = [a % rank for a in axis] == [rank - 1]
        if alone and linear and last and type(source).__name__ in _FOLDABLE:
            pairs[id(source)] = norm
            continue
        reader = consumer.get(id(call.outputs[0]))
        if last and reader is not None and times[id(reader.layer)] == times[id(norm)] == 1 and _takes(reader.layer):
            before[id(reader.layer)] = norm
        else:
            stay.append(f'"{norm.name}" (BatchNormalization): no layer beside it can take it in')
    return pairs, before, stay


def _takes(layer: Any) -> bool:
    """Whether a layer can take in a BatchNorm of its input."""
    if type(layer).__name__ not in _FOLLOWING or getattr(layer, "groups", 1) != 1:
        return False
    return type(layer).__name__ == "Dense" or layer.padding == "valid" or set(layer.kernel_size) == {1}


def _affine(norm: Any) -> tuple[Any, Any]:
    """Factor and offset of a BatchNorm at inference."""
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    gamma = norm.gamma.numpy() if norm.scale else np.ones_like(mean)
    beta = norm.beta.numpy() if norm.center else np.zeros_like(mean)
    factor = gamma / np.sqrt(variance + norm.epsilon)
    return factor, beta - mean * factor


def _shifted(weights: list[Any], norm: Any) -> list[Any]:
    """W (a x + c) + b has weights W a, and the bias W c + b."""
    factor, offset = _affine(norm)
    kernel, *rest = weights
    moved = (kernel * offset[:, None]).reshape(-1, kernel.shape[-1]).sum(axis=0)
    return [kernel * factor[:, None], moved + rest[0] if rest else moved]


def _folded(layer: Any, weights: list[Any], norm: Any) -> list[Any]:
    """Kernel and bias with the BatchNorm of the output in them."""
    factor, offset = _affine(norm)
    kernel, *rest = weights
    bias = rest[0] if rest else np.zeros_like(factor)
    if type(layer).__name__ == "DepthwiseConv2D":
        scaled = kernel * factor.reshape(kernel.shape[-2:])
    elif type(layer).__name__ == "Conv2DTranspose":
        scaled = kernel * factor[:, None]
    else:
        scaled = kernel * factor
    return [scaled.astype(np.float32), (bias * factor + offset).astype(np.float32)]
