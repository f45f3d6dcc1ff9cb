"""Keras 2 counterparts of Keras 3's layers, activations and operations.

What is the same in both is found by name; the tables here hold what differs. Every rebuilt model is
compared with its original afterwards, so a difference that is missing here is found, not shipped.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["NoTwinError", "layer_twin", "operation_twin"]

Function = Callable[..., Any]

_SAME_ACTIVATIONS = {
    *("elu", "exponential", "gelu", "linear", "mish", "relu", "selu"),
    *("sigmoid", "softmax", "softplus", "softsign", "tanh"),
}
_RENAMED_ACTIVATIONS = {"silu": "swish"}
_RENAMED_OPTIONS = {"LeakyReLU": {"negative_slope": "alpha"}}

# Options of Keras 3 that Keras 2 does not know and that change nothing in what a model computes.
_HARMLESS = {
    *("autocast", "build_config", "dtype", "optional", "quantization_config", "ragged", "registered_name", "seed"),
    *("sparse", "synchronized", "value_range", "use_cudnn", "flash_attention", "bounding_box_format"),
    "fill_mode",  # of Resizing with pad_to_aspect_ratio, which is refused
}
_DEFAULTS = (None, False, 0, "channels_last")
# Nothing to copy: the weights that they made are copied.
_INITIALIZER = "initializer"
_ACTIVATION_OPTIONS = ("activation", "recurrent_activation")
_TRAINING_OPTIONS = ("regularizer", "constraint")
_WRAPPERS = ("Bidirectional", "TimeDistributed", "SpectralNormalization")


class NoTwinError(Exception):
    """A layer or operation of Keras 3 that Keras 2 can't express; the text says which and why."""


def layer_twin(layer: Any, name: str, rebuild: Callable[[Any, str], Any]) -> Any:
    """A fresh tf_keras layer that does what a Keras 3 layer does, without its weights.

    Args:
        layer: a ``keras.layers.Layer``.
        name: the twin's name.
        rebuild: makes the twin of an inner layer or model of a wrapper.

    Raises:
        NoTwinError
    """
    import tf_keras

    kind = type(layer).__name__
    if kind.startswith("Random"):  # augmentation: does nothing at inference
        return tf_keras.layers.Activation("linear", name=name)
    if kind == "Normalization":
        return _normalization(layer, name)
    if kind == "Activation":
        return _activation_layer(layer, name)
    cls = getattr(tf_keras.layers, kind, None)
    if cls is None:
        raise NoTwinError(f'layer "{layer.name}" ({kind})')
    config = layer.get_config()
    inner: tuple[Any, ...] = ()
    if kind in _WRAPPERS:
        wrapped = layer.forward_layer if kind == "Bidirectional" else layer.layer
        config.pop("backward_layer", None)
        config.pop("layer")
        inner = (rebuild(wrapped, wrapped.name),)
    elif kind == "RNN":
        config.pop("cell")
        inner = (rebuild(layer.cell, layer.cell.name),)
    options = _options(layer, cls, config)
    return cls(*inner, **{**options, "name": name})


def operation_twin(operation: Any, name: str) -> Function:
    """A function on Keras 2 tensors that does what a Keras 3 operation (``x + y``, ``ops.mean``) does.

    Raises:
        NoTwinError
    """
    import tf_keras

    kind = type(operation).__name__
    maker = _operations().get(kind)
    if maker is not None:
        return maker(operation)
    # Layers instead of bare TensorFlow functions where they exist: compression knows how to treat them.
    activation = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Silu": "silu", "HardSilu": "hard_silu"}
    activation |= {"HardSigmoid": "hard_sigmoid", "Elu": "elu", "Selu": "selu", "Softplus": "softplus"}
    if kind in activation:
        return _unary(tf_keras.layers.Activation(_activation(activation[kind]), name=name))
    if kind == "Relu6":
        return _unary(tf_keras.layers.ReLU(max_value=6.0, name=name))
    if kind == "LeakyRelu":
        return _unary(tf_keras.layers.LeakyReLU(alpha=operation.negative_slope, name=name))
    if kind == "Softmax":
        return _unary(tf_keras.layers.Softmax(axis=operation.axis, name=name))
    raise NoTwinError(f'operation "{operation.name}" (keras.ops: {kind})')


def _options(layer: Any, cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """A Keras 3 layer's options as its Keras 2 class takes them."""
    kind = type(layer).__name__
    accepted = _accepted_options(cls)
    options: dict[str, Any] = {}
    for original, value in config.items():
        key = _RENAMED_OPTIONS.get(kind, {}).get(original, original)
        if key.endswith(_INITIALIZER) or key in _HARMLESS:
            continue
        if key not in accepted:
            if value not in _DEFAULTS:
                raise NoTwinError(f'layer "{layer.name}" ({kind}) with {original}={value!r}')
        elif key in _ACTIVATION_OPTIONS:
            options[key] = _option_activation(layer, key, value)
        elif key.endswith(_TRAINING_OPTIONS):
            options[key] = _training_option(key, value)
        else:
            options[key] = value
    return options


def _accepted_options(cls: type) -> set[str]:
    import tf_keras

    accepted = {"name", "trainable"}
    for base in cls.__mro__:
        if base is tf_keras.layers.Layer:
            break
        accepted.update(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return accepted


def _option_activation(layer: Any, key: str, value: Any) -> Any:
    if isinstance(value, dict):  # a layer as activation: Dense(activation=LeakyReLU())
        inner = getattr(layer, key)
        return layer_twin(inner, inner.name, _no_wrappers)
    try:
        return _activation(value)
    except NoTwinError as error:
        raise NoTwinError(f'layer "{layer.name}" ({type(layer).__name__}): {error}') from None


def _no_wrappers(layer: Any, name: str) -> Any:
    raise NoTwinError(f'layer "{layer.name}" ({type(layer).__name__}) inside an activation')


def _training_option(key: str, value: Any) -> Any:
    """A regularizer or constraint; fine-tuning wants it, but no output depends on it."""
    import tf_keras

    if not isinstance(value, dict):
        return None
    package = tf_keras.constraints if key.endswith("constraint") else tf_keras.regularizers
    cls = getattr(package, value["class_name"], None)
    return None if cls is None else cls(**value["config"])


def _activation_layer(layer: Any, name: str) -> Any:
    import tf_keras

    value = layer.get_config()["activation"]
    if value == "relu6":
        return tf_keras.layers.ReLU(max_value=6.0, name=name)
    if value == "leaky_relu":
        return tf_keras.layers.LeakyReLU(alpha=0.2, name=name)
    return tf_keras.layers.Activation(_option_activation(layer, "activation", value), name=name)


def _normalization(layer: Any, name: str) -> Any:
    """Keras 2 keeps an adapted mean as weights that take effect in a later step: pass it as an option."""
    import numpy as np
    import tf_keras

    config = layer.get_config()
    axis = config["axis"]
    if layer.mean is None:
        raise NoTwinError(f'layer "{layer.name}" (Normalization) that was never adapted')
    mean, variance = (np.squeeze(np.asarray(value)) for value in (layer.mean, layer.variance))
    return tf_keras.layers.Normalization(
        axis=axis, mean=mean, variance=variance, invert=config.get("invert", False), name=name
    )


def _activation(name: Any) -> Any:
    """What Keras 2 takes as ``activation`` for a Keras 3 name: a name or a registered function."""
    if name is None:
        return None
    if name in _SAME_ACTIVATIONS:
        return name
    if name in _RENAMED_ACTIVATIONS:
        return _RENAMED_ACTIVATIONS[name]
    function = _registered_activations().get(name) if isinstance(name, str) else None
    if function is None:
        raise NoTwinError(f"activation {name}")
    return function


@lru_cache(maxsize=1)
def _registered_activations() -> dict[str, Function]:
    """Activations that Keras 2 lacks or defines otherwise, registered so that models with them can be cloned."""
    import tensorflow as tf
    import tf_keras

    functions: dict[str, Function] = {
        "celu": lambda x: tf.nn.relu(x) + tf.minimum(0.0, tf.exp(tf.minimum(x, 0.0)) - 1.0),
        # Keras 2's own hard_sigmoid is clip(0.2 x + 0.5).
        "hard_sigmoid": lambda x: tf.nn.relu6(x + 3.0) * (1.0 / 6.0),
        # In this order of factors the converter recognizes HARD_SWISH.
        "hard_silu": lambda x: x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0),
        "hard_tanh": lambda x: tf.clip_by_value(x, -1.0, 1.0),
        "leaky_relu": lambda x: tf.nn.leaky_relu(x, 0.2),
        "log_sigmoid": tf.math.log_sigmoid,
        "log_softmax": tf.nn.log_softmax,
        "relu6": tf.nn.relu6,
    }

    def register(name: str, function: Function) -> Function:
        def activation(x: Any) -> Any:
            return function(x)

        activation.__name__ = activation.__qualname__ = name
        registered: Function = tf_keras.utils.register_keras_serializable("tinygen", name)(activation)
        return registered

    return {name: register(name, function) for name, function in functions.items()}


def _unary(layer: Any) -> Function:
    return lambda x, **_: layer(x)


@lru_cache(maxsize=1)
def _operations() -> dict[str, Callable[[Any], Function]]:
    """Operation class name -> its options -> function on tensors."""
    import tensorflow as tf

    plain: dict[str, Function] = {
        "Absolute": tf.abs,
        "Add": tf.add,
        "Divide": tf.truediv,
        "Exp": tf.exp,
        "Log": tf.math.log,
        "Matmul": tf.matmul,
        "Maximum": tf.maximum,
        "Minimum": tf.minimum,
        "Multiply": tf.multiply,
        "Negative": tf.negative,
        "Power": tf.pow,
        "Rsqrt": tf.math.rsqrt,
        "Sqrt": tf.sqrt,
        "Square": tf.square,
        "Subtract": tf.subtract,
        "TrueDivide": tf.truediv,
    }

    def reduction(function: Function) -> Callable[[Any], Function]:
        return lambda op: lambda x, **_: function(x, axis=op.axis, keepdims=op.keepdims)

    def constant(function: Function) -> Callable[[Any], Function]:
        return lambda op: function

    return {name: constant(function) for name, function in plain.items()} | {
        "Amax": reduction(tf.reduce_max),
        "Amin": reduction(tf.reduce_min),
        "Argmax": lambda op: lambda x, **_: tf.argmax(x, axis=op.axis, output_type=tf.int32),
        "Clip": lambda op: lambda x, **_: tf.clip_by_value(x, op.x_min, op.x_max),
        "Concatenate": lambda op: lambda xs, **_: tf.concat(xs, op.axis),
        "ExpandDims": lambda op: lambda x, **_: tf.expand_dims(x, op.axis),
        "GetItem": lambda op: lambda x, key, **_: x[tuple(key) if isinstance(key, list) else key],
        "Max": reduction(tf.reduce_max),
        "Mean": reduction(tf.reduce_mean),
        "Min": reduction(tf.reduce_min),
        "Reshape": lambda op: lambda x, **_: tf.reshape(x, [-1 if d is None else d for d in op.newshape]),
        "Squeeze": lambda op: lambda x, **_: tf.squeeze(x, op.axis),
        "Stack": lambda op: lambda xs, **_: tf.stack(xs, op.axis),
        "Sum": reduction(tf.reduce_sum),
        "Transpose": lambda op: lambda x, **_: tf.transpose(x, op.axes),
    }
