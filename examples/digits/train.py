"""Train a small DS-CNN on scikit-learn's handwritten digits (8x8 pixels) and save it for tinygen.

Writes, beside this file or into the folder given as argument:
    digits.keras   the model, by Keras 3
    digits.npz     held-out samples: x float32 [450, 8, 8, 1] in 0 … 1, y int64 [450]

Needs scikit-learn (`pip install 'tinygen[rootless]'` brings it); takes some ten seconds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS = 16


def build() -> keras.Model:
    """A convolution, two depthwise-separable blocks, average pooling and a classifier: 3,690 parameters."""
    inputs = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = activate(x, "conv")
    for i, (filters, stride) in enumerate([(32, 2), (48, 1)], start=1):
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"depthwise{i}")(x)
        x = activate(x, f"depthwise{i}")
        x = layers.Conv2D(filters, 1, use_bias=False, name=f"pointwise{i}")(x)
        x = activate(x, f"pointwise{i}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(10, activation="softmax", name="digit")(x)
    return keras.Model(inputs, outputs, name="digits")


def activate(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    # Few training steps: with Keras's momentum of 0.99 the moving averages would not catch up.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    keras.utils.set_random_seed(1)

    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=450, random_state=1, stratify=labels)

    model = build()
    steps = EPOCHS * -(-len(x_train) // 32)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # compiling takes longer than training
    )
    model.fit(x_train, y_train, batch_size=32, epochs=EPOCHS, verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)

    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "digits.keras")
    np.savez_compressed(folder / "digits.npz", x=x_test, y=y_test)
    print(f"{model.count_params():,} parameters, accuracy {accuracy:.1%} on {len(x_test)} held-out digits")
    print(f"wrote {folder / 'digits.keras'} and {folder / 'digits.npz'}")


if __name__ == "__main__":
    main()
