"""Rebuild Keras 3 models in tf_keras (Keras 2), which the Model Optimization Toolkit works on.

The model's own configuration, the one that ``save`` writes, lists its layers and how they are called;
it is replayed call by call with Keras 2 layers of the same names, and the weights are copied. Nested
models are unfolded, because quantization-aware training refuses them. The result is compared with the
original on random input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.errors import InternalError, UnsupportedError
from tinygen.load.essence import essence
from tinygen.load.twins import NoTwinError, layer_twin, operation_twin

__all__ = ["largest_difference", "rebuild"]

# float32 sums in another order differ by some 1e-6; layers in float16 are rebuilt in float32.
TOLERANCE = 1e-4
MIXED_PRECISION_TOLERANCE = 5e-2

Shape = tuple[int | None, ...]


def rebuild(model: Any, source: str, *, sample_shapes: Sequence[Shape] | None = None) -> Any:
    """A ``tf_keras.Model`` with the layers' names, the weights and the outputs of a Keras 3 model.

    Args:
        model: a functional or sequential ``keras.Model``.
        source: the model, for messages.
        sample_shapes: input shapes without the batch, where the model leaves dimensions open.

    Raises:
        UnsupportedError: names every layer that has no counterpart, or the difference in the outputs.
    """
    import keras
    import tensorflow as tf

    if not model.built:
        raise UnsupportedError(f"{source}: the model was saved before it knew its input shape", hint=_INPUT_HINT)
    if not isinstance(model, keras.Sequential) and not _is_functional(model):
        raise UnsupportedError(f"{source}: {type(model).__name__} is a subclassed model, without a graph of layers")
    _check_twins(model, source)
    try:
        twin = _Replay().model(model)
        difference = largest_difference(model, twin, sample_shapes)
    except NoTwinError as error:
        raise _no_twin(source, [str(error)]) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, tf.errors.OpError) as error:
        # A layer that Keras 2 calls otherwise than Keras 3 does; there is no list of what it may raise.
        raise UnsupportedError(f"{source}: can't be rebuilt in Keras 2: {essence(error)}") from error
    tolerance = MIXED_PRECISION_TOLERANCE if _mixed_precision(model) else TOLERANCE
    if not difference <= tolerance:  # also if it is NaN
        raise UnsupportedError(
            f"{source}: rebuilt in Keras 2, its outputs differ by {difference:.2g} (at most {tolerance:g} is accepted)",
            hint="Some layer means something else in Keras 2; please report the model's architecture.",
        )
    return twin


_INPUT_HINT = "Begin a Sequential model with keras.Input(shape), or call the model once before saving it."


def largest_difference(model: Any, twin: Any, sample_shapes: Sequence[Shape] | None = None) -> float:
    """Largest difference of two models' outputs on random input, relative to the largest output; NaN if one is."""
    inputs = [
        _random_input(tensor, shape, model)
        for tensor, shape in zip(model.inputs, _shapes(model, sample_shapes), strict=True)
    ]
    argument = inputs[0] if len(inputs) == 1 else inputs
    expected, actual = _outputs(model(argument, training=False)), _outputs(twin(argument, training=False))
    if len(expected) != len(actual) or any(a.shape != b.shape for a, b in zip(expected, actual, strict=True)):
        return math.inf
    differences = [
        float(np.max(np.abs(a - b), initial=0.0)) / max(float(np.max(np.abs(a), initial=0.0)), 1e-6)
        for a, b in zip(expected, actual, strict=True)
    ]
    return float(np.max(differences))


def _check_twins(model: Any, source: str) -> None:
    """Find every layer without a counterpart, so that one message names them all."""
    missing = []
    for operation in _operations(model):
        try:
            _make_twin(operation, operation.name)
        except NoTwinError as error:
            missing.append(str(error))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            missing.append(f'layer "{operation.name}" ({type(operation).__name__}): {essence(error)}')
    if missing:
        raise _no_twin(source, missing)


def _no_twin(source: str, missing: Sequence[str]) -> UnsupportedError:
    return UnsupportedError(
        f"{source}: {len(missing)} of its layers can't be rebuilt in Keras 2, which compression needs",
        hint="Replace them by other layers, or convert without compression.",
        details=tuple(dict.fromkeys(missing)),
    )


def _operations(model: Any) -> Iterator[Any]:
    """All layers and operations of a model and of the models in it; inputs excepted."""
    import keras

    for operation in model.layers if isinstance(model, keras.Sequential) else model.operations:
        if isinstance(operation, keras.Model):
            yield from _operations(operation)
        elif not isinstance(operation, keras.layers.InputLayer):
            yield operation


def _make_twin(operation: Any, name: str) -> Any:
    import keras

    if isinstance(operation, keras.Model):
        return _Replay().model(operation)
    if isinstance(operation, keras.layers.Layer):
        return layer_twin(operation, name, _make_twin)
    return operation_twin(operation, name)


class _Replay:
    """One rebuilding: remembers which twin belongs to which layer, so that shared layers stay shared."""

    def __init__(self) -> None:
        self._twins: dict[int, Any] = {}
        self._names: set[str] = set()

    def model(self, model: Any) -> Any:
        """The Keras 2 model, weights included."""
        import keras
        import tf_keras

        inputs = []
        for tensor, name in zip(model.inputs, _input_names(model), strict=True):
            self._names.add(name)
            shape, batch = tuple(tensor.shape[1:]), tensor.shape[0]
            inputs.append(tf_keras.Input(shape, batch_size=batch, dtype=str(tensor.dtype), name=name))
        outputs = self._call_model(model, inputs, "")
        twin = tf_keras.Model(_single(inputs), _single(outputs), name=model.name)
        for operation in _operations(model):
            if isinstance(operation, keras.layers.Layer) and id(operation) in self._twins:
                _copy_weights(operation, self._twins[id(operation)])
        return twin

    def _call_model(self, model: Any, inputs: list[Any], prefix: str) -> list[Any]:
        import keras

        if isinstance(model, keras.Sequential):
            value = inputs[0]
            for layer in model.layers:
                value = self._call(layer, [value], {}, prefix)
            return _flat(value)
        return self._call_functional(model, inputs, prefix)

    def _call_functional(self, model: Any, inputs: list[Any], prefix: str) -> list[Any]:
        """Replay the calls that a functional model's configuration records, each when its inputs are known."""
        config = model.get_config()
        operations = {operation.name: operation for operation in model.operations}
        known: dict[tuple[str, int, int], Any] = dict(zip(_histories(config["input_layers"]), inputs, strict=True))
        waiting = [
            (layer["name"], number, node)
            for layer in config["layers"]
            for number, node in enumerate(layer["inbound_nodes"])
        ]
        while waiting:
            later = []
            for name, number, node in waiting:
                if any(history not in known for history in _node_inputs(node)):
                    later.append((name, number, node))
                    continue
                args, kwargs = _filled(node["args"], known), _filled(node["kwargs"], known)
                outputs = _flat(self._call(operations[name], args, kwargs, prefix))
                known.update({(name, number, i): output for i, output in enumerate(outputs)})
            if len(later) == len(waiting):
                raise InternalError(f"the calls of model {model.name} depend on each other: {[w[0] for w in later]}")
            waiting = later
        return [known[history] for history in _histories(config["output_layers"])]

    def _call(self, operation: Any, args: Sequence[Any], kwargs: dict[str, Any], prefix: str) -> Any:
        import keras

        if isinstance(operation, keras.Model):
            outputs = self._call_model(operation, _flat(args[0]), f"{prefix}{operation.name}_")
            return _single(outputs)
        # Keras 2 finds masks by itself; training is off wherever these models run.
        kwargs = {k: v for k, v in kwargs.items() if v is not None and k != "training"}
        if isinstance(operation, keras.layers.Layer):
            if id(operation) not in self._twins:
                self._twins[id(operation)] = _make_twin(operation, self._unique(operation.name, prefix))
            return self._twins[id(operation)](*args, **kwargs)
        return operation_twin(operation, self._unique(operation.name, prefix))(*args, **kwargs)

    def _unique(self, name: str, prefix: str) -> str:
        """The layer's own name, unless a layer of another nested model has taken it."""
        chosen, number = name, 1
        while chosen in self._names:
            chosen = f"{prefix}{name}" if number == 1 and prefix else f"{prefix}{name}_{number}"
            number += 1
        self._names.add(chosen)
        return chosen


def _copy_weights(layer: Any, twin: Any) -> None:
    import keras
    import tf_keras

    if type(layer).__name__ == "Normalization" or isinstance(getattr(layer, "layer", None), keras.Model):
        return  # given as options; copied when the inner model was rebuilt
    weights, expected = layer.get_weights(), twin.get_weights()
    if isinstance(twin, tf_keras.layers.Activation):
        return
    shapes, twin_shapes = [w.shape for w in weights], [w.shape for w in expected]
    if shapes != twin_shapes:
        raise NoTwinError(f'layer "{layer.name}" ({type(layer).__name__}): weights {shapes}, in Keras 2 {twin_shapes}')
    if weights:
        twin.set_weights(weights)


def _is_functional(model: Any) -> bool:
    return {"layers", "input_layers", "output_layers"} <= set(model.get_config())


def _input_names(model: Any) -> list[str]:
    """Names of the input layers; a Sequential model does not list its own."""
    import keras

    if isinstance(model, keras.Sequential):
        return [str(tensor.name) for tensor in model.inputs]
    return [name for name, _, _ in _histories(model.get_config()["input_layers"])]


def _histories(value: Any) -> list[tuple[str, int, int]]:
    """References (layer, call, output) in the order of the model's flattened inputs or outputs."""
    if isinstance(value, dict):
        return [history for key in sorted(value) for history in _histories(value[key])]
    if len(value) == 3 and isinstance(value[0], str):
        return [(value[0], int(value[1]), int(value[2]))]
    return [history for item in value for history in _histories(item)]


def _tensor_history(value: Any) -> tuple[str, int, int] | None:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, node, tensor = value["config"]["keras_history"]
        return (name, node, tensor)
    return None


def _node_inputs(value: Any) -> Iterator[tuple[str, int, int]]:
    history = _tensor_history(value)
    if history is not None:
        yield history
    elif isinstance(value, dict):
        for item in value.values():
            yield from _node_inputs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _node_inputs(item)


def _filled(value: Any, known: dict[tuple[str, int, int], Any]) -> Any:
    """Recorded arguments with the tensors put in their places."""
    history = _tensor_history(value)
    if history is not None:
        return known[history]
    if isinstance(value, dict) and "class_name" in value:
        return _literal(value)
    if isinstance(value, dict):
        return {key: _filled(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(item, known) for item in value)
    return value


def _literal(value: dict[str, Any]) -> Any:
    """A recorded constant: slice, ellipsis, array."""
    if value["class_name"] == "__slice__":
        return slice(*(value["config"][key] for key in ("start", "stop", "step")))
    import keras

    constant = keras.saving.deserialize_keras_object(value)
    return constant if constant is Ellipsis else np.asarray(constant)


def _shapes(model: Any, sample_shapes: Sequence[Shape] | None) -> list[Shape]:
    """Input shapes without the batch, with the samples' sizes where the model leaves them open."""
    shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    if sample_shapes is None or [len(shape) for shape in sample_shapes] != [len(shape) for shape in shapes]:
        return shapes
    return [
        tuple(have if want is None else want for want, have in zip(shape, sample, strict=True))
        for shape, sample in zip(shapes, sample_shapes, strict=True)
    ]


def _random_input(tensor: Any, shape: Shape, model: Any) -> NDArray[Any]:
    generator = np.random.default_rng(0)
    size = (tensor.shape[0] or 2, *(32 if d is None else d for d in shape))
    limits = [o.input_dim for o in _operations(model) if type(o).__name__ == "Embedding"]
    dtype = str(tensor.dtype)
    if limits or "int" in dtype:
        return generator.integers(0, min([*limits, 100]), size).astype(dtype)
    return generator.uniform(-1.0, 1.0, size).astype(dtype)


def _mixed_precision(model: Any) -> bool:
    return any(
        getattr(operation, "compute_dtype", "float32") not in ("float32", None) for operation in _operations(model)
    )


def _outputs(value: Any) -> list[NDArray[np.float64]]:
    import tensorflow as tf

    return [np.asarray(tf.cast(output, tf.float64)) for output in tf.nest.flatten(value)]


def _flat(value: Any) -> list[Any]:
    import tensorflow as tf

    return list(tf.nest.flatten(value))


def _single(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
