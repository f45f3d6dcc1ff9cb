"""Rebuilding models: replay, BatchNorm folding, channel removal through every kind of connection, factorization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygen.compress.channels import ChannelGraph
from tinygen.compress.fold import fold_batchnorm
from tinygen.compress.kernels import kernels
from tinygen.compress.replay import clone, standardize
from tinygen.compress.saving import load_keras, save_keras
from tinygen.compress.settings import Structured
from tinygen.compress.steps.shrinking import remove_channels, weakest
from tinygen.errors import UnsupportedError

RNG = np.random.default_rng(2)


def _models() -> dict[str, Callable[[Any, Any], Any]]:
    """Name -> maker of the inner part of a model: (layers, image) -> tensor."""

    def residual(layers: Any, x: Any) -> Any:
        y = layers.Conv2D(8, 3, padding="same", name="a")(x)
        z = layers.Conv2D(8, 3, padding="same", use_bias=False, name="b")(layers.ReLU()(y))
        z = layers.BatchNormalization(name="norm")(z)
        return layers.Conv2D(6, 1, name="c")(layers.Add()([y, z]))

    def depthwise(layers: Any, x: Any) -> Any:
        y = layers.Conv2D(8, 3, name="a")(x)
        y = layers.DepthwiseConv2D(3, depth_multiplier=2, name="d")(y)
        y = layers.PReLU(shared_axes=[1, 2])(layers.BatchNormalization()(y))
        return layers.Conv2D(6, 1, activation="relu", name="c")(y)

    def concat(layers: Any, x: Any) -> Any:
        left, right = (layers.Conv2D(n, 3, name=f"a{n}")(x) for n in (8, 4))
        return layers.Conv2D(6, 1, name="c")(layers.Concatenate()([left, right]))

    def flat(layers: Any, x: Any) -> Any:
        y = layers.MaxPooling2D()(layers.Conv2D(8, 3, name="a")(x))
        y = layers.Dense(8, activation="tanh", name="b")(layers.Flatten()(y))
        return layers.Reshape((1, 1, 8))(y)

    def transposed(layers: Any, x: Any) -> Any:
        y = layers.Conv2DTranspose(8, 3, strides=2, name="a")(x)
        return layers.Conv2DTranspose(4, 2, name="b")(layers.UpSampling2D()(y))

    def squeeze(layers: Any, x: Any) -> Any:
        y = layers.Conv2D(8, 3, name="a")(x)
        gate = layers.Dense(4, activation="relu", name="g1")(layers.GlobalAveragePooling2D(keepdims=True)(y))
        return layers.Multiply()([y, layers.Dense(8, activation="sigmoid", name="g2")(gate)])

    def lambda_add(layers: Any, x: Any) -> Any:
        import tensorflow as tf

        y, z = layers.Conv2D(8, 3, name="a")(x), layers.Conv2D(8, 3, name="b")(x)
        return layers.Conv2D(6, 1, name="c")(tf.nn.relu(y + z))

    def separable(layers: Any, x: Any) -> Any:
        return layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=2, activation="relu", name="s")(x)

    found = (residual, depthwise, concat, flat, transposed, squeeze, lambda_add, separable)
    return {maker.__name__: maker for maker in found}


def _model(name: str) -> Any:
    """A whole model around one part, with weights and statistics that are not trivial."""
    import tf_keras
    from tf_keras import layers

    tf_keras.utils.set_random_seed(3)
    inputs = tf_keras.Input((8, 8, 3), name="image")
    x = _models()[name](layers, layers.Conv2D(8, 3, padding="same", name="stem")(inputs))
    outputs = layers.Dense(3, name="out")(layers.GlobalAveragePooling2D()(x))
    model = tf_keras.Model(inputs, outputs)
    model.set_weights([RNG.uniform(0.2, 1.0, w.shape) * RNG.choice([-1, 1], w.shape) for w in model.get_weights()])
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.moving_variance.assign(np.abs(layer.moving_variance.numpy()))
    return model


def _same(first: Any, second: Any, tolerance: float = 2e-4) -> None:
    x = RNG.normal(size=(4, *first.inputs[0].shape[1:])).astype(np.float32)
    a, b = np.asarray(first(x)), np.asarray(second(x))
    assert np.abs(a - b).max() <= tolerance * max(1.0, np.abs(a).max())


@pytest.mark.parametrize("name", _models())
def test_clone_standardize_fold_and_save_change_no_output(name: str) -> None:
    model = _model(name)
    _same(model, clone(model))
    plain = standardize(model)
    _same(model, plain)
    folded, _ = fold_batchnorm(plain)
    _same(model, folded)
    assert save_keras(plain) == save_keras(clone(plain))
    _same(plain, load_keras(save_keras(plain)))


@pytest.mark.parametrize("name", _models())
def test_removing_channels_that_do_nothing_changes_no_output(name: str) -> None:
    """Silence half of the units with all that they pass through; without them the model computes the same."""
    model = standardize(_model(name))
    graph = ChannelGraph.of(model)
    fixed = graph.fixed_roots()
    free = {r for p in graph.producers.values() for r in graph.roots(p.outputs).tolist()} - fixed
    removed = set(sorted(free)[::2])
    assert removed
    for producer in graph.producers.values():  # nobody listens to what is removed
        kernel = producer.layer.kernel.numpy()
        deaf = ~graph.roots_outside(producer.inputs, removed)
        if type(producer.layer).__name__ == "Conv2DTranspose":
            kernel[..., deaf] = 0
        else:
            kernel[..., deaf, :] = 0
        producer.layer.kernel.assign(kernel)
    if name == "squeeze":  # global pooling's result is read by a dense layer, and by nobody else
        assert any(len(p.outputs) == 4 for p in graph.producers.values())
    smaller = remove_channels(model, graph, removed)
    assert smaller.count_params() < model.count_params()
    _same(model, smaller)


def test_what_is_tied_shrinks_together_and_outputs_stay() -> None:
    model = standardize(_model("residual"))
    graph = ChannelGraph.of(model)
    settings = Structured(fraction=0.5, multiple=2)
    found = kernels(model)
    removed = weakest(model, graph, found, settings, {k.layer: k.shape[-1] for k in found}, 1.0)
    smaller = remove_channels(model, graph, removed)
    widths = {kernel.layer: kernel.shape[-1] for kernel in kernels(smaller)}
    assert widths == {"stem": 4, "a": 4, "b": 4, "c": 4, "out": 3}  # 6 / 2 = 3 becomes a multiple of 2
    assert smaller.output_shape == model.output_shape


def test_global_scope_takes_from_where_it_matters_least() -> None:
    model = standardize(_model("flat"))
    kernel = model.get_layer("a").kernel
    kernel.assign(kernel * np.array([1, 1, 1, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3]))
    graph = ChannelGraph.of(model)
    settings = Structured(fraction=0.2, scope="global", multiple=1)
    found = kernels(model)
    removed = weakest(model, graph, found, settings, {k.layer: k.shape[-1] for k in found}, 1.0)
    assert removed <= set(graph.roots(graph.producers["a"].outputs).tolist())


def test_unknown_layers_hold_their_channels_and_are_named() -> None:
    import tf_keras
    from tf_keras import layers

    inputs = tf_keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, name="a")(inputs)
    x = layers.LayerNormalization(name="odd")(x)
    model = tf_keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    graph = ChannelGraph.of(model)
    assert set(graph.roots(graph.producers["a"].outputs).tolist()) <= graph.fixed_roots()
    assert "odd" in graph.reasons["odd"]


def test_nested_models_are_unfolded() -> None:
    import tf_keras
    from tf_keras import layers

    inner = tf_keras.Sequential([layers.Conv2D(4, 3, input_shape=(8, 8, 3)), layers.ReLU()], name="inner")
    inputs = tf_keras.Input((8, 8, 3))
    model = tf_keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inner(inputs))))
    plain = standardize(model)
    assert not any(isinstance(layer, tf_keras.Model) for layer in plain.layers)
    _same(model, plain)


def test_a_subclassed_model_is_refused() -> None:
    import tf_keras

    class Own(tf_keras.Model):  # type: ignore[misc]
        pass

    with pytest.raises(UnsupportedError, match="no graph of layers"):
        clone(Own(name="own"))
