"""BatchNorm folded into the layer before it, as the converter will do."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygen.compress.replay import Replay, calls, clone, single_consumer

__all__ = ["fold_batchnorm"]

_FOLDABLE = ("Conv1D", "Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "Dense")


def fold_batchnorm(model: Any) -> tuple[Any, list[str]]:
    """A model without the BatchNorms that follow a layer that can take them in.

    y = gamma (W x + b - mean) / sqrt(var + eps) + beta is a layer with weights W gamma / sqrt(var + eps).

    Returns:
        The model, layers keeping their names; and the BatchNorms that had to stay, with reasons.
    """
    pairs, stay = _pairs(model)
    if not pairs:
        return clone(model), stay
    followers = {id(norm) for norm in pairs.values()}
    layers = {id(layer): layer for layer in model.layers}

    def visit(replay: Replay, layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if id(layer) in followers:
            return args[0]
        if id(layer) in pairs:
            return replay.twin(layer, use_bias=True)(*args, **kwargs)
        return replay.default(layer, args, kwargs)

    result = Replay(model, visit).run()
    for key, norm in pairs.items():
        layer = layers[key]
        result.get_layer(layer.name).set_weights(_folded(layer, norm))
    return result, stay


def _pairs(model: Any) -> tuple[dict[int, Any], list[str]]:
    """Foldable layer (by identity) -> its BatchNorm; BatchNorms that stay."""
    import tf_keras

    times: dict[int, int] = {}
    for call in calls(model):
        times[id(call.layer)] = times.get(id(call.layer), 0) + 1
    consumer = single_consumer(model)
    producer = {id(tensor): call.layer for call in calls(model) for tensor in call.outputs}
    pairs: dict[int, Any] = {}
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
        else:
            stay.append(f'"{norm.name}" (BatchNormalization): no layer before it can take it in')
    return pairs, stay


def _folded(layer: Any, norm: Any) -> list[Any]:
    """Kernel and bias with the BatchNorm in them."""
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    gamma = norm.gamma.numpy() if norm.scale else np.ones_like(mean)
    beta = norm.beta.numpy() if norm.center else np.zeros_like(mean)
    factor = gamma / np.sqrt(variance + norm.epsilon)
    kernel, *rest = layer.get_weights()
    bias = rest[0] if rest else np.zeros_like(mean)
    if type(layer).__name__ == "DepthwiseConv2D":
        scaled = kernel * factor.reshape(kernel.shape[-2:])
    elif type(layer).__name__ == "Conv2DTranspose":
        scaled = kernel * factor[:, None]
    else:
        scaled = kernel * factor
    return [scaled.astype(np.float32), ((bias - mean) * factor + beta).astype(np.float32)]
