"""A small DS-CNN on scikit-learn's 8x8 digits, trained once a process."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from tinygen.load.dataset import Dataset

__all__ = ["digits", "digits_model", "ds_cnn"]


@cache
def digits() -> Dataset:
    """900 images [8,8,1] from 0 to 1, with labels."""
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(x))[:900]
    return Dataset(((x[chosen] / 16).reshape(-1, 8, 8, 1).astype(np.float32),), y[chosen], "digits.npz")


def ds_cnn(*, logits: bool = False) -> Any:
    """conv, two separable blocks with a residual connection, dense; tf_keras, untrained."""
    import tf_keras
    from tf_keras import layers

    inputs = tf_keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="first")(inputs)
    x = layers.BatchNormalization(momentum=0.9, name="first_norm")(x)
    x = skip = layers.ReLU(name="first_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.BatchNormalization(momentum=0.9, name="depthwise_norm")(x)
    x = layers.ReLU(name="depthwise_relu")(x)
    x = layers.Conv2D(16, 1, name="pointwise")(x)
    x = layers.BatchNormalization(momentum=0.9, name="pointwise_norm")(x)
    x = layers.Add(name="residual")([x, skip])
    x = layers.ReLU(name="residual_relu")(x)
    x = layers.Conv2D(24, 3, strides=2, padding="same", activation="relu", name="second")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(10, activation=None if logits else "softmax", name="classes")(x)
    return tf_keras.Model(inputs, outputs, name="digits")


@cache
def digits_model() -> Any:
    """The network, right in about 97 % of the samples that it was trained on. Don't change it."""
    import tf_keras

    tf_keras.utils.set_random_seed(1)
    model, data = ds_cnn(), digits()
    model.compile(tf_keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    model.fit(data.inputs[0], data.y, batch_size=32, epochs=12, verbose=0)
    return model
