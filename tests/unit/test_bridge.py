"""Keras 3 models rebuilt in tf_keras: layer by layer, and models of every construction."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import pytest
from keras import layers, ops

from tinygen.errors import UnsupportedError
from tinygen.load import bridge
from tinygen.load.bridge import TOLERANCE, largest_difference, rebuild

IMAGE, SERIES, VECTOR = (8, 8, 3), (6, 4), (10,)


def randomize(model: Any) -> Any:
    """Give every weight a value that matters: fresh biases are 0, fresh averages 0 and 1."""
    generator = np.random.default_rng(7)
    model.set_weights([generator.uniform(0.2, 0.9, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


LAYERS: list[tuple[tuple[int, ...], Callable[[], Any]]] = [
    (IMAGE, lambda: layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")),
    (IMAGE, lambda: layers.Conv2D(4, 3, dilation_rate=2, use_bias=False, activation="relu6")),
    (IMAGE, lambda: layers.Conv2D(6, 3, groups=3, kernel_regularizer="l2", bias_constraint="non_neg")),
    (IMAGE, lambda: layers.Conv2DTranspose(4, 3, strides=2, padding="same")),
    (IMAGE, lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, activation="hard_sigmoid")),
    (IMAGE, lambda: layers.SeparableConv2D(5, 3, padding="same", activation="hard_swish")),
    (IMAGE, lambda: layers.BatchNormalization(epsilon=0.01)),
    (IMAGE, lambda: layers.BatchNormalization(scale=False, trainable=False)),
    (IMAGE, lambda: layers.LayerNormalization()),
    (IMAGE, lambda: layers.GroupNormalization(3)),
    (IMAGE, lambda: layers.UnitNormalization()),
    (IMAGE, lambda: layers.MaxPooling2D(3, strides=2, padding="same")),
    (IMAGE, lambda: layers.AveragePooling2D(2)),
    (IMAGE, lambda: layers.GlobalAveragePooling2D(keepdims=True)),
    (IMAGE, lambda: layers.GlobalMaxPooling2D()),
    (IMAGE, lambda: layers.ZeroPadding2D(((1, 0), (2, 1)))),
    (IMAGE, lambda: layers.Cropping2D(1)),
    (IMAGE, lambda: layers.UpSampling2D(2, interpolation="bilinear")),
    (IMAGE, lambda: layers.Resizing(5, 6)),
    (IMAGE, lambda: layers.CenterCrop(4, 4)),
    (IMAGE, lambda: layers.Rescaling(1 / 255.0, offset=-0.5)),
    (IMAGE, lambda: layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0])),
    (IMAGE, lambda: layers.RandomFlip()),
    (IMAGE, lambda: layers.SpatialDropout2D(0.5)),
    (IMAGE, lambda: layers.GaussianNoise(0.5)),
    (IMAGE, lambda: layers.Permute((3, 1, 2))),
    (IMAGE, lambda: layers.Flatten()),
    (IMAGE, lambda: layers.Reshape((-1, 12))),
    (IMAGE, lambda: layers.PReLU(shared_axes=[1, 2])),
    (IMAGE, lambda: layers.Softmax(axis=-1)),
    (VECTOR, lambda: layers.Dense(4, activation="gelu")),
    (VECTOR, lambda: layers.Dense(4, activation=layers.LeakyReLU(negative_slope=0.1))),
    (VECTOR, lambda: layers.EinsumDense("ab,bc->ac", output_shape=5, bias_axes="c")),
    (VECTOR, lambda: layers.LeakyReLU(negative_slope=0.07)),
    (VECTOR, lambda: layers.ReLU(max_value=0.5, negative_slope=0.1, threshold=0.1)),
    (VECTOR, lambda: layers.ELU(alpha=0.5)),
    (VECTOR, lambda: layers.Dropout(0.3, seed=1)),
    (VECTOR, lambda: layers.ActivityRegularization(0.1)),
    (VECTOR, lambda: layers.RepeatVector(3)),
    (VECTOR, lambda: layers.Identity()),
    (VECTOR, lambda: layers.Embedding(12, 3)),
    (SERIES, lambda: layers.Conv1D(5, 3, padding="causal")),
    (SERIES, lambda: layers.SeparableConv1D(5, 2)),
    (SERIES, lambda: layers.Conv1DTranspose(5, 2)),
    (SERIES, lambda: layers.MaxPooling1D(2)),
    (SERIES, lambda: layers.AveragePooling1D(2)),
    (SERIES, lambda: layers.GlobalAveragePooling1D()),
    (SERIES, lambda: layers.ZeroPadding1D(1)),
    (SERIES, lambda: layers.Cropping1D(1)),
    (SERIES, lambda: layers.UpSampling1D(2)),
    (SERIES, lambda: layers.Masking(0.5)),
    (SERIES, lambda: layers.SimpleRNN(3)),
    (SERIES, lambda: layers.LSTM(3, return_sequences=True)),
    (SERIES, lambda: layers.GRU(3)),
    (SERIES, lambda: layers.RNN(layers.LSTMCell(3))),
    (SERIES, lambda: layers.Bidirectional(layers.LSTM(2))),
    (SERIES, lambda: layers.TimeDistributed(layers.Dense(2))),
]

ACTIVATIONS = [
    *("celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_swish", "hard_tanh", "leaky_relu", "linear"),
    *("log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus"),
    *("softsign", "swish", "tanh"),
]


def _name(value: object) -> str | None:
    return type(value()).__name__ if callable(value) else None


@pytest.mark.parametrize(("shape", "make"), LAYERS, ids=_name)
def test_layer_has_an_equal_twin(shape: tuple[int, ...], make: Callable[[], Any]) -> None:
    model = randomize(keras.Sequential([keras.Input(shape), make()]))
    twin = rebuild(model, "m.keras")  # compares the outputs
    assert [layer.name for layer in twin.layers[1:]] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_means_the_same(activation: str) -> None:
    inputs = keras.Input(VECTOR)
    outputs = [layers.Dense(6, activation=activation)(inputs), layers.Activation(activation)(inputs * 5.0)]
    twin = rebuild(randomize(keras.Model(inputs, outputs)), "m.keras")
    assert len(twin.outputs) == 2


MERGES = [layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum]


@pytest.mark.parametrize("merge", [*MERGES, layers.Concatenate], ids=lambda cls: cls.__name__)
def test_merging_layers(merge: type) -> None:
    a, b = keras.Input(IMAGE, name="a"), keras.Input(IMAGE, name="b")
    twin = rebuild(keras.Model([a, b], merge()([a, b])), "m.keras")
    assert [tensor.name for tensor in twin.inputs] == ["a", "b"]


def test_multi_branch_model_with_operations_and_two_outputs() -> None:
    a, b = keras.Input(IMAGE), keras.Input(IMAGE)
    shared = layers.Conv2D(4, 3, padding="same", activation="relu")
    x = ops.relu(shared(a) + shared(b) * 0.5)
    x = ops.concatenate([x[:, 1:, :, ::2], x[:, :-1, :, 1::2]], axis=-1)
    x = layers.Dropout(0.2)(ops.mean(x, axis=(1, 2)))
    y = ops.reshape(ops.sigmoid(x), (-1, 2, 2))
    model = randomize(keras.Model([a, b], {"second": layers.Dense(3)(x), "first": y}))
    twin = rebuild(model, "m.keras")
    assert [tuple(t.shape) for t in twin.outputs] == [(None, 2, 2), (None, 3)]
    assert sum(layer.name == shared.name for layer in twin.layers) == 1


def test_a_shared_layer_whose_second_call_needs_a_later_layer() -> None:
    inputs = keras.Input(VECTOR)
    shared = layers.Dense(10)
    rebuild(randomize(keras.Model(inputs, shared(layers.Dense(10)(shared(inputs))))), "m.keras")


def test_nested_models_are_unfolded_and_name_clashes_resolved() -> None:
    def block(name: str) -> Any:
        inner = [keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same", name="conv"), layers.ReLU(name="relu")]
        return keras.Sequential(inner, name=name)

    inputs = keras.Input(IMAGE)
    stem = layers.Conv2D(4, 1, name="conv")(inputs)
    middle = keras.Input((8, 8, 4))
    deeper = keras.Model(middle, layers.Add()([middle, block("inner")(middle)]), name="outer")
    shared = block("shared")
    model = randomize(keras.Model(inputs, shared(shared(deeper(stem)))))
    names = [layer.name for layer in rebuild(model, "m.keras").layers]
    assert {"conv", "outer_inner_conv", "shared_conv"} <= set(names)


def test_time_distributed_model() -> None:
    inner = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten()])
    rebuild(randomize(keras.Sequential([keras.Input((3, 8, 8, 1)), layers.TimeDistributed(inner)])), "m.keras")


def test_open_dimensions_are_taken_from_the_samples() -> None:
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(inputs)))
    rebuild(model, "m.keras", sample_shapes=[(9, 7, 3)])


def test_every_layer_without_a_twin_is_named() -> None:
    inputs = keras.Input((8, 8, 4))
    x = layers.AdaptiveAveragePooling2D(2, name="adaptive")(inputs)
    x = layers.Dense(3, activation="sparsemax", name="sparse")(layers.Flatten()(x))
    with pytest.raises(UnsupportedError) as caught:
        rebuild(keras.Model(inputs, ops.cumsum(layers.RMSNormalization(name="rms")(x), axis=-1)), "m.keras")
    assert caught.value.message.startswith("m.keras: 4 of its layers")
    text = "\n".join(caught.value.details)
    for expected in ("adaptive", "AdaptiveAveragePooling2D", "rms", "sparse", "sparsemax", "Cumsum"):
        assert expected in text


def test_a_wrong_twin_is_found_by_comparing_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = randomize(keras.Sequential([keras.Input(VECTOR), layers.Dense(3, name="dense")]))
    monkeypatch.setattr(bridge, "_copy_weights", lambda layer, twin: None)
    with pytest.raises(UnsupportedError, match="outputs differ by"):
        rebuild(model, "m.keras")


def test_a_layer_that_fails_in_keras_2_is_an_error_for_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    model = keras.Sequential([keras.Input(VECTOR), layers.Dense(3)])

    def fail(self: Any, model: Any) -> Any:
        raise KeyError("some option")

    monkeypatch.setattr(bridge._Replay, "model", fail)
    with pytest.raises(UnsupportedError, match="can't be rebuilt in Keras 2: 'some option'"):
        rebuild(model, "m.keras")


def test_subclassed_model_is_refused() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    model = Own()
    model(np.zeros((1, 4), np.float32))
    with pytest.raises(UnsupportedError, match="subclassed"):
        rebuild(model, "m.keras")


def test_twin_with_registered_activation_can_be_cloned() -> None:
    import tf_keras

    model = randomize(keras.Sequential([keras.Input(VECTOR), layers.Dense(4, activation="hard_silu")]))
    twin = rebuild(model, "m.keras")
    clone = tf_keras.models.clone_model(twin)
    clone.set_weights(twin.get_weights())
    assert largest_difference(model, clone) < TOLERANCE
