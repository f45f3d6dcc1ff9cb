"""Small models of our own that several tests read, break or run."""

from __future__ import annotations

import numpy as np

from support.model_builder import ModelBuilder, Output

__all__ = ["small_cnn"]


def small_cnn() -> ModelBuilder:
    """int8[1,8,8,3] -> CONV_2D, SPLIT, ADD, MEAN, RESHAPE, FULLY_CONNECTED, SOFTMAX -> int8[1,5], always the same."""
    rng = np.random.default_rng(7)
    b = ModelBuilder()
    image = b.input((1, 8, 8, 3), scale=0.05, zero_point=3, name="image")
    kernel = b.constant(_weights(rng, (4, 3, 3, 3)), scales=[0.01, 0.02, 0.03, 0.04], axis=0, name="kernel")
    bias = b.constant(
        rng.integers(-900, 900, 4, dtype=np.int32), scales=[0.0005, 0.001, 0.0015, 0.002], axis=0, name="bias"
    )
    conv = b.op(
        "CONV_2D",
        [image, kernel, bias],
        shape=(1, 4, 4, 4),
        scale=0.1,
        zero_point=-128,
        name="conv/Relu",
        options={"stride_w": 2, "stride_h": 2, "fused_activation_function": 1},
    )
    axis = b.constant(np.int32(3), name="split/axis")
    halves = [Output((1, 4, 4, 2), scale=0.1, zero_point=-128, name=f"split/{i}") for i in range(2)]
    left, right = b.op_multi("SPLIT", [axis, conv], halves, options={"num_splits": 2})
    added = b.op("ADD", [left, right], shape=(1, 4, 4, 2), scale=0.15, zero_point=-100, name="add")
    rows = b.constant(np.array([1], np.int32), name="mean/axes")
    mean = b.op("MEAN", [added, rows], shape=(1, 4, 2), scale=0.12, zero_point=-90, name="mean")
    flat_shape = b.constant(np.array([1, 8], np.int32), name="flat/shape")
    flat = b.op(
        "RESHAPE",
        [mean, flat_shape],
        shape=(1, 8),
        scale=0.12,
        zero_point=-90,
        options={"new_shape": (1, 8)},
        name="flat",
    )
    dense = b.constant(_weights(rng, (5, 8)), scales=0.02, name="dense")
    logits = b.op("FULLY_CONNECTED", [flat, dense, None], shape=(1, 5), scale=0.2, zero_point=10, name="logits")
    b.output(
        b.op("SOFTMAX", [logits], shape=(1, 5), scale=1 / 256, zero_point=-128, options={"beta": 1.0}, name="probs")
    )
    return b


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-127, 128, shape, dtype=np.int8)
