"""Random models of one operator over 16-bit activations, as .tflite files.

``GENERATORS[kind](rng)`` draws shapes, scales, biases, options and activation; zero points are 0, as TensorFlow's
converter makes them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from strategies_conv import activation, image, int8_weights, output_size, small, window_options
from strategies_elementwise import broadcast_shapes, some_shape
from support.model_builder import ModelBuilder

Rng = np.random.Generator
Shape = tuple[int, ...]

# The schema's number of the type int32, by which a layer without bias may ask for 32-bit sums.
INT32 = 2


def draw_conv_2d(rng: Rng) -> bytes:
    """Every fourth grouped, every third 1x1 or as wide as its input, some of more than 256 taps."""
    groups = int(rng.integers(2, 5)) if rng.random() < 0.25 else 1
    many = rng.random() < 0.15
    group_inputs = int(rng.integers(40, 90)) if many else small(rng, 9)
    group_outputs = small(rng, 9)
    batches, rows, columns = image(rng, 5 if many else 12)
    kernel = [small(rng, 5), small(rng, 5)]
    shape_of_kernel = rng.random()
    if shape_of_kernel < 0.2:
        kernel = [1, 1]
    elif shape_of_kernel < 0.35:
        kernel = [min(kernel[0], rows), columns]
    options = window_options(rng, (rows, columns), kernel, dilated=True)
    weights = int8_weights(rng, (groups * group_outputs, *kernel, group_inputs))
    shape = (batches, *output_size((rows, columns), kernel, options), groups * group_outputs)
    return _layer(rng, "CONV_2D", (batches, rows, columns, groups * group_inputs), weights, 0, shape, options)


def draw_depthwise_conv_2d(rng: Rng) -> bytes:
    """Every third makes several outputs of an input channel; some have more than 256 taps."""
    channels = small(rng, 13)
    multiplier = int(rng.integers(2, 5)) if rng.random() < 0.35 else 1
    many = rng.random() < 0.1
    batches, rows, columns = (1, 18, 19) if many else image(rng)
    kernel = [17, 18] if many else [small(rng, 5), small(rng, 5)]
    options = window_options(rng, (rows, columns), kernel, dilated=True) | {"depth_multiplier": multiplier}
    weights = int8_weights(rng, (1, *kernel, channels * multiplier))
    shape = (batches, *output_size((rows, columns), kernel, options), channels * multiplier)
    return _layer(rng, "DEPTHWISE_CONV_2D", (batches, rows, columns, channels), weights, 3, shape, options)


def draw_fully_connected(rng: Rng) -> bytes:
    """One row, or a few."""
    inputs, outputs, rows = int(rng.choice([1, 3, 16, 255, 256, 257, 900])), small(rng, 20), small(rng, 3)
    options = {"fused_activation_function": activation(rng)}
    return _layer(
        rng, "FULLY_CONNECTED", (rows, inputs), int8_weights(rng, (outputs, inputs)), 0, (rows, outputs), options
    )


def _layer(
    rng: Rng,
    kind: str,
    source: Shape,
    weights: np.ndarray,
    axis: int,
    shape: Shape,
    options: dict[str, int],
) -> bytes:
    """Scales, and a bias of one of the types that TFLM takes, or none."""
    channels = weights.shape[axis]
    depth = weights.size // channels
    clamped = options["fused_activation_function"] not in (0, 1)
    input_scale, output_scale = scale(rng), 2e-4 if clamped else scale(rng)
    # Typical sums deviate by 300 to 80,000 stored values; with widely differing channels by more and by less.
    typical = input_scale * 19000 * 73 * np.sqrt(depth) / output_scale
    base = 300 * 260 ** rng.random() / typical
    spread = 64.0 if rng.random() < 0.2 else 4.0
    count = channels if rng.random() < 0.6 else 1
    scales = [float(np.float32(base * spread ** rng.uniform(-1, 1))) for _ in range(count)]
    b = ModelBuilder()
    x = b.input(source, "int16", scale=input_scale)
    arguments: list[int | None] = [x, b.constant(weights, scales=scales, axis=axis if count > 1 else 0)]
    kind_of_bias = rng.choice(["int64", "int64", "huge", "int32", "none"])
    if kind_of_bias == "int32" and kind == "DEPTHWISE_CONV_2D":
        kind_of_bias = "int64"
    if kind_of_bias == "none":
        if kind != "DEPTHWISE_CONV_2D" and rng.random() < 0.4:
            options = options | {"quantized_bias_type": INT32}
    else:
        limit = {"huge": 1 << int(rng.integers(31, 44))}.get(str(kind_of_bias), int(1e6 * np.sqrt(depth)))
        bias = rng.integers(-limit, limit, channels)
        bias = bias.astype(np.int32 if kind_of_bias == "int32" else np.int64)
        arguments.append(b.constant(bias, scales=[input_scale * s for s in scales]))
    b.output(b.op(kind, arguments, shape=shape, dtype="int16", scale=output_scale, options=options))
    return b.build()


def draw_pool(rng: Rng, kind: str) -> bytes:
    """Average or maximum, now and then over the whole image."""
    batches, rows, columns = image(rng)
    kernel = [rows, columns] if rng.random() < 0.2 else [small(rng, 5), small(rng, 5)]
    options = window_options(rng, (rows, columns), kernel, dilated=False)
    channels, s = small(rng, 9), 2e-4 if options["fused_activation_function"] > 1 else scale(rng)
    b = ModelBuilder()
    x = b.input((batches, rows, columns, channels), "int16", scale=s)
    shape = (batches, *output_size((rows, columns), kernel, options), channels)
    options |= {"filter_height": kernel[0], "filter_width": kernel[1]}
    b.output(b.op(kind, [x], shape=shape, dtype="int16", scale=s, options=options))
    return b.build()


def draw_reduction(rng: Rng, kind: str) -> bytes:
    """MEAN or SUM over any dimensions."""
    shape = some_shape(rng, int(rng.integers(1, 5)), longest=9)
    axes = [i for i in range(len(shape)) if rng.random() < 0.5] or [0]
    kept = tuple(1 if i in axes else d for i, d in enumerate(shape))
    source = scale(rng)
    target = source * float(rng.uniform(0.5, 2)) * (float(np.sqrt(np.prod(shape))) if kind == "SUM" else 1.0)
    b = ModelBuilder()
    x = b.input(shape, "int16", scale=source)
    y = b.op(
        kind,
        [x, b.constant(np.array(axes, np.int32))],
        shape=kept,
        dtype="int16",
        scale=float(np.float32(target)),
        options={"keep_dims": True},
    )
    b.output(y)
    return b.build()


def draw_binary(rng: Rng, kind: str) -> bytes:
    """Two operands with equal shapes, broadcast, or one of them a constant."""
    output, *shapes = broadcast_shapes(rng)
    scales = [scale(rng), scale(rng)]
    target = scales[0] * scales[1] * 2 ** rng.uniform(8, 17) if kind == "MUL" else max(scales) * 2 ** rng.uniform(-3, 2)
    b = ModelBuilder()
    operands = [b.input(shapes[0], "int16", scale=scales[0])]
    if rng.random() < 0.3:
        values = rng.integers(-32768, 32768, shapes[1], dtype=np.int16)
        operands.append(b.constant(values, scales=scales[1]))
    else:
        operands.append(b.input(shapes[1], "int16", scale=scales[1]))
    if rng.random() < 0.5:
        operands.reverse()
    options = {} if kind in ("MINIMUM", "MAXIMUM") else {"fused_activation_function": activation(rng)}
    b.output(b.op(kind, operands, shape=output, dtype="int16", scale=float(np.float32(target)), options=options))
    return b.build()


def draw_unary(rng: Rng, kind: str, shape: Shape | None = None) -> bytes:
    """A function of one value; LOGISTIC and TANH also with the powers of two that TFLM treats apart."""
    shape = shape or some_shape(rng, int(rng.integers(1, 5)))
    source = scale(rng)
    target = float(np.float32(source * 2 ** rng.uniform(-3, 3))) if rng.random() < 0.8 else source
    options: dict[str, object] = {}
    if kind in ("LOGISTIC", "TANH"):
        target = 1 / 32768
        source = float(np.float32(rng.choice([2.0**-12, 2.0**-11, 2.0**-13, 2 ** rng.uniform(-22, 1)])))
    elif kind == "LEAKY_RELU":
        options = {"alpha": float(rng.choice([0.0, 0.1, 0.3, 1.0, rng.uniform(0, 2)]))}
    b = ModelBuilder()
    x = b.input(shape, "int16", scale=source)
    b.output(b.op(kind, [x], shape=shape, dtype="int16", scale=target, options=options))
    return b.build()


def draw_softmax(rng: Rng) -> bytes:
    """Flat and steep rows, short and long ones."""
    shape = (*some_shape(rng, int(rng.integers(1, 4)))[:-1], int(rng.choice([1, 2, 10, 12, rng.integers(1, 900)])))
    b = ModelBuilder()
    x = b.input(shape, "int16", scale=float(np.float32(2 ** rng.uniform(-17, 1))))
    options = {"beta": float(rng.choice([1.0, 1.0, 0.5, rng.uniform(0.1, 2)]))}
    b.output(b.op("SOFTMAX", [x], shape=shape, dtype="int16", scale=1 / 32768, options=options))
    return b.build()


def draw_quantize(rng: Rng) -> bytes:
    """int16 to int8, from int8, or to another scale."""
    source, target = rng.choice([("int16", "int8"), ("int8", "int16"), ("int16", "int16")])
    shape = some_shape(rng, int(rng.integers(1, 5)))
    steps = {"int8": 256.0, "int16": 65536.0}
    real = 2 ** rng.uniform(-2, 4)
    scales = [float(np.float32(real * 2 ** rng.uniform(-1, 1) / steps[t])) for t in (source, target)]
    zeros = [int(rng.integers(-128, 128)) if t == "int8" else 0 for t in (source, target)]
    b = ModelBuilder()
    x = b.input(shape, str(source), scale=scales[0], zero_point=zeros[0])
    b.output(b.op("QUANTIZE", [x], shape=shape, dtype=str(target), scale=scales[1], zero_point=zeros[1]))
    return b.build()


def scale(rng: Rng) -> float:
    """A float32 scale between 2^-16 and 2^-8."""
    return float(np.float32(2 ** rng.uniform(-16, -8)))


def _of(draw: Callable[[Rng, str], bytes], kind: str) -> Callable[[Rng], bytes]:
    return lambda rng: draw(rng, kind)


GENERATORS: dict[str, Callable[[Rng], bytes]] = {
    "CONV_2D": draw_conv_2d,
    "DEPTHWISE_CONV_2D": draw_depthwise_conv_2d,
    "FULLY_CONNECTED": draw_fully_connected,
    **{kind: _of(draw_pool, kind) for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D")},
    **{kind: _of(draw_reduction, kind) for kind in ("MEAN", "SUM")},
    **{kind: _of(draw_binary, kind) for kind in ("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM")},
    **{kind: _of(draw_unary, kind) for kind in ("LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH")},
    "SOFTMAX": draw_softmax,
    "QUANTIZE": draw_quantize,
}
