"""Walk a tf_keras model's graph of calls and build another model along the way.

Compression that changes a model's shape (folding, channel removal, factorization) is one ``visit`` function
each: it gets a layer with its new inputs and returns the new outputs. Works on functional and sequential
models; models inside models are unfolded, because quantization-aware training refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tinygen.errors import UnsupportedError

__all__ = ["Call", "Replay", "calls", "clone", "single_consumer", "standardize"]

Visit = Callable[["Replay", Any, list[Any], dict[str, Any]], Any]


class Call:
    """One call of a layer: ``layer``, the tensors that go in and those that come out, by identity."""

    __slots__ = ("inputs", "layer", "node", "outputs")

    def __init__(self, node: Any) -> None:
        import tensorflow as tf

        self.node = node
        self.layer = node.layer
        self.inputs: list[Any] = list(tf.nest.flatten(node.keras_inputs))
        self.outputs: list[Any] = list(tf.nest.flatten(node.outputs))


def calls(model: Any) -> Iterator[Call]:
    """All calls of a model's layers, each after those that it depends on; inputs excepted.

    Raises:
        UnsupportedError: a subclassed model, which has no graph of layers.
    """
    nodes = check_graph(model)
    for depth in sorted(nodes, reverse=True):
        for node in nodes[depth]:
            if not node.is_input:
                yield Call(node)


def check_graph(model: Any) -> dict[int, list[Any]]:
    """The calls of a model's graph by depth.

    Raises:
        UnsupportedError
    """
    nodes: dict[int, list[Any]] | None = getattr(model, "_nodes_by_depth", None)
    if not nodes or not model.inputs:
        raise UnsupportedError(
            f'model "{model.name}" has no graph of layers, which compression needs',
            hint="Build it with the functional API or as Sequential with a known input shape.",
        )
    return nodes


def single_consumer(model: Any) -> dict[int, Call]:
    """The only call that reads a tensor, by the tensor's identity; outputs of the model count as read elsewhere."""
    found: dict[int, list[Call]] = {}
    for call in calls(model):
        for tensor in call.inputs:
            found.setdefault(id(tensor), []).append(call)
    outputs = {id(tensor) for tensor in model.outputs}
    return {key: readers[0] for key, readers in found.items() if len(readers) == 1 and key not in outputs}


class Replay:
    """One rebuilding of a model.

    Args:
        model: a ``tf_keras.Model`` with a graph.
        visit: called for each call of a layer, with this object, the layer, its new arguments; returns new outputs.
    """

    def __init__(self, model: Any, visit: Visit) -> None:
        self._model, self._visit = model, visit
        self._twins: dict[int, tuple[Any, Any]] = {}
        self._names: set[str] = set()

    def run(self) -> Any:
        """The new model, with the weights of every layer that ``twin`` copied."""
        import tf_keras

        check_graph(self._model)
        inputs = []
        for tensor in self._model.inputs:
            # KerasTensor names of inputs are those of their layers.
            name = self._fresh(str(tensor.name).split(":")[0].split("/")[0])
            inputs.append(tf_keras.Input(tuple(tensor.shape[1:]), dtype=tensor.dtype, name=name))
        outputs = self._replay(self._model, inputs)
        result = tf_keras.Model(_single(inputs), _single(outputs), name=self._model.name)
        for old, new in self._twins.values():
            weights = old.get_weights()
            if weights and [w.shape for w in weights] == [tuple(w.shape) for w in new.weights]:
                new.set_weights(weights)
        return result

    def twin(self, layer: Any, **changes: Any) -> Any:
        """A layer of the same class, name and settings but for ``changes``; the same one each time."""
        if id(layer) not in self._twins:
            config = layer.get_config() | changes
            config["name"] = self._fresh(config["name"])
            self._twins[id(layer)] = (layer, type(layer).from_config(config))
        return self._twins[id(layer)][1]

    def default(self, layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call the layer's twin."""
        return self.twin(layer)(*args, **kwargs)

    def _replay(self, model: Any, inputs: list[Any]) -> list[Any]:
        import tensorflow as tf
        import tf_keras

        known = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
        for call in calls(model):
            args, kwargs = tf.nest.map_structure(
                lambda value: known.get(id(value), value), (list(call.node.call_args), dict(call.node.call_kwargs))
            )
            if isinstance(call.layer, tf_keras.Model):
                results = self._replay(call.layer, list(tf.nest.flatten(args[0])))
            else:
                results = list(tf.nest.flatten(self._visit(self, call.layer, args, kwargs)))
            known.update({id(old): new for old, new in zip(call.outputs, results, strict=True)})
        return [known[id(tensor)] for tensor in model.outputs]

    def _fresh(self, name: str) -> str:
        chosen, number = name, 1
        while chosen in self._names:
            chosen, number = f"{name}_{number}", number + 1
        self._names.add(chosen)
        return chosen


def clone(model: Any) -> Any:
    """A model of its own with the same layers and weights."""
    return Replay(model, lambda replay, layer, args, kwargs: replay.default(layer, args, kwargs)).run()


def standardize(model: Any) -> Any:
    """Unfold inner models and split separable convolutions into their two parts, exactly.

    Afterwards every kernel belongs to a dense, plain or depthwise layer, and each step knows them all.
    """
    weights: dict[str, list[Any]] = {}

    def visit(replay: Replay, layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if type(layer).__name__ != "SeparableConv2D":
            return replay.default(layer, args, kwargs)
        depthwise, pointwise = _separated(layer)
        depthwise_kernel, pointwise_kernel, *bias = layer.get_weights()
        weights[depthwise.name] = [depthwise_kernel]
        weights[pointwise.name] = [pointwise_kernel, *bias]
        return pointwise(depthwise(args[0]))

    result = Replay(model, visit).run()
    for name, values in weights.items():
        result.get_layer(name).set_weights(values)
    return result


def _separated(layer: Any) -> tuple[Any, Any]:
    import tf_keras

    depthwise = tf_keras.layers.DepthwiseConv2D(
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        depth_multiplier=layer.depth_multiplier,
        dilation_rate=layer.dilation_rate,
        use_bias=False,
        name=f"{layer.name}_depthwise",
    )
    pointwise = tf_keras.layers.Conv2D(
        layer.filters, 1, use_bias=layer.use_bias, activation=layer.activation, name=f"{layer.name}_pointwise"
    )
    return depthwise, pointwise


def _single(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
