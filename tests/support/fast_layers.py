"""Random layers of one operator that reach the fast forms, as .tflite files; convolutions have ``conv_layers.py``.

Shapes leave something over: odd rows and columns, channels that fill no group of four, inputs that fill no step.
Factors, biases and activations are such that each requantization and each constant channel is met.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from support.model_builder import ModelBuilder

__all__ = ["LAYERS"]

Rng = np.random.Generator

SAME, VALID = 0, 1
NONE, RELU, RELU6 = 0, 1, 3


def draw_strip(rng: Rng) -> bytes:
    """Depthwise 3x3 of stride 1."""
    return _depthwise(rng, (3, 3), (1, 1), (1, 1))


def draw_taps(rng: Rng) -> bytes:
    """Depthwise of other windows, most of them 3x3 of stride 2."""
    if rng.random() < 0.5:
        return _depthwise(rng, (3, 3), (2, 2), (1, 1))
    dilations = (int(rng.integers(1, 3)), int(rng.integers(1, 3))) if rng.random() < 0.3 else (1, 1)
    strides = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    return _depthwise(rng, (int(rng.integers(1, 6)), int(rng.integers(1, 6))), strides, dilations)


def draw_dense(rng: Rng) -> bytes:
    """Fully connected, some of several rows; steps of eight in two of three."""
    inputs = 8 * int(rng.integers(1, 20)) if rng.random() < 0.67 else int(rng.integers(1, 100))
    outputs, rows = int(rng.integers(1, 40)), int(rng.choice([1, 1, 1, 3]))
    weights = rng.integers(-127, 128, (outputs, inputs), dtype=np.int8)
    b = ModelBuilder()
    x = b.input((rows, inputs), scale=1.0, zero_point=int(rng.integers(-128, 128)))
    per_channel = rng.random() < 0.3
    scales, bias = _factors(rng, weights.reshape(outputs, -1), per_channel=per_channel, odd=False)
    w = b.constant(weights, scales=scales, axis=0)
    c = b.constant(bias, scales=scales)
    options = {"fused_activation_function": int(rng.choice([NONE, RELU, RELU6]))}
    zero_point = int(rng.choice([-128, rng.integers(-128, 128)]))
    b.output(
        b.op("FULLY_CONNECTED", [x, w, c], shape=(rows, outputs), scale=1.0, zero_point=zero_point, options=options)
    )
    return b.build()


def draw_add(rng: Rng) -> bytes:
    """ADD or SUB of two tensors of one shape."""
    shape = (1, int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    largest = 10 ** rng.uniform(-2, 0)
    scales = [float(np.float32(largest * 4 ** -rng.random())) for _ in range(2)]
    b = ModelBuilder()
    x, y = (b.input(shape, scale=s, zero_point=int(rng.integers(-128, 128))) for s in scales)
    zero_point = int(rng.choice([-128, rng.integers(-128, 128)]))
    options = {"fused_activation_function": int(rng.choice([NONE, RELU, RELU6]))}
    kind = str(rng.choice(["ADD", "SUB"]))
    scale = float(np.float32(max(scales) * 3 ** rng.uniform(-0.5, 1)))
    b.output(b.op(kind, [x, y], shape=shape, scale=scale, zero_point=zero_point, options=options))
    return b.build()


def draw_pool(rng: Rng) -> bytes:
    """Average and maximum pooling; every third over the whole image."""
    rows, columns, channels = (int(rng.integers(1, n)) for n in (10, 10, 45))
    whole = rng.random() < 0.33
    kernel = [rows, columns] if whole else [int(rng.integers(1, n + 1)) for n in (min(rows, 4), min(columns, 4))]
    strides, padding = (int(rng.integers(1, 4)), int(rng.integers(1, 4))), int(rng.integers(2))
    size = _size((rows, columns), kernel, strides, (1, 1), padding)
    scale, zero_point = 0.04, int(rng.integers(-128, 128))
    b = ModelBuilder()
    x = b.input((1, rows, columns, channels), scale=scale, zero_point=zero_point)
    options = {
        "padding": padding,
        "stride_h": strides[0],
        "stride_w": strides[1],
        "filter_height": kernel[0],
        "filter_width": kernel[1],
        "fused_activation_function": int(rng.choice([NONE, RELU, RELU6])),
    }
    kind = str(rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
    b.output(b.op(kind, [x], shape=(1, *size, channels), scale=scale, zero_point=zero_point, options=options))
    return b.build()


def draw_mean(rng: Rng) -> bytes:
    """MEAN over rows and columns."""
    rows, columns, channels = (int(rng.integers(1, n)) for n in (15, 15, 45))
    b = ModelBuilder()
    x = b.input((1, rows, columns, channels), scale=0.1, zero_point=int(rng.integers(-128, 128)))
    axes = b.constant(np.array([1, 2], np.int32))
    scale, zero_point = float(np.float32(0.1 * 3 ** rng.uniform(-1, 1))), int(rng.integers(-128, 128))
    b.output(
        b.op("MEAN", [x, axes], shape=(1, channels), scale=scale, zero_point=zero_point, options={"keep_dims": False})
    )
    return b.build()


LAYERS: dict[str, Callable[[Rng], bytes]] = {
    "strip": draw_strip,
    "taps": draw_taps,
    "dense": draw_dense,
    "add": draw_add,
    "pool": draw_pool,
    "mean": draw_mean,
}


def _depthwise(rng: Rng, kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int]) -> bytes:
    batches = int(rng.choice([1, 1, 1, 2]))
    rows, columns, channels = (int(rng.integers(1, n)) for n in (12, 12, 23))
    padding = int(rng.integers(2))
    if padding == VALID:
        kernel = min(kernel[0], rows), min(kernel[1], columns)
        dilations = 1, 1
    size = _size((rows, columns), kernel, strides, dilations, padding)
    weights = rng.integers(-127, 128, (1, *kernel, channels), dtype=np.int8)
    by_channel = weights.reshape(-1, channels).T
    scales, bias = _factors(rng, by_channel, per_channel=rng.random() < 0.8, odd=rng.random() < 0.4)
    b = ModelBuilder()
    x = b.input((batches, rows, columns, channels), scale=1.0, zero_point=int(rng.integers(-128, 128)))
    w = b.constant(weights, scales=scales, axis=3 if len(scales) > 1 else 0)
    c = b.constant(bias, scales=scales)
    activation = int(rng.choice([NONE, RELU, RELU, RELU6]))
    options = {
        "padding": padding,
        "stride_h": strides[0],
        "stride_w": strides[1],
        "dilation_h_factor": dilations[0],
        "dilation_w_factor": dilations[1],
        "depth_multiplier": 1,
        "fused_activation_function": activation,
    }
    zero_point = int(rng.choice([-128, -128, rng.integers(-128, 100)]))
    shape = (batches, *size, channels)
    b.output(b.op("DEPTHWISE_CONV_2D", [x, w, c], shape=shape, scale=1.0, zero_point=zero_point, options=options))
    return b.build()


def _factors(rng: Rng, weights: np.ndarray, *, per_channel: bool, odd: bool) -> tuple[list[float], np.ndarray]:
    """Scales and biases [channels] such that outputs span int8; of odd layers some channels hardly move at all."""
    channels, depth = weights.shape
    typical = 74.0 * 74.0 * np.sqrt(depth)
    scales = 100 / typical * 3 ** rng.uniform(-1, 1, channels)
    bias = rng.integers(-1, 2, channels) * rng.integers(0, int(2 * typical), channels)
    if odd and per_channel:
        faint = rng.random(channels) < 0.3
        scales[faint] /= 2.0 ** rng.integers(2, 16, int(faint.sum()))
        bias[faint] = (rng.uniform(-100, 100, int(faint.sum())) / scales[faint]).astype(np.int64)
    scales = scales if per_channel else scales[:1]
    return [float(np.float32(s)) for s in scales], bias.clip(-(1 << 30), 1 << 30).astype(np.int32)


def _size(
    image: tuple[int, int],
    kernel: tuple[int, int] | list[int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    padding: int,
) -> tuple[int, int]:
    rows, columns = (
        -(-n // s) if padding == SAME else (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(image, kernel, strides, dilations, strict=True)
    )
    return rows, columns
