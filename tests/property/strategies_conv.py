"""Random models of one convolution or pooling, as .tflite files.

Each generator draws shapes, strides, paddings, dilations, quantization and activation; ``GENERATORS`` names
them all, so that tests of chained graphs and long runs can draw from them too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from support.model_builder import ModelBuilder

Rng = np.random.Generator

SAME, VALID = 0, 1
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3


def draw_conv_2d(rng: Rng) -> bytes:
    """A convolution; every fourth grouped, every third 1x1 or as wide as its input."""
    groups = int(rng.integers(2, 5)) if rng.random() < 0.25 else 1
    group_inputs, group_outputs = small(rng, 9), small(rng, 9)
    batches, rows, columns = image(rng)
    kernel = [small(rng, 5), small(rng, 5)]
    shape_of_kernel = rng.random()
    if shape_of_kernel < 0.2:
        kernel = [1, 1]
    elif shape_of_kernel < 0.35:
        kernel = [min(kernel[0], rows), columns]
    options = window_options(rng, (rows, columns), kernel, dilated=True)
    weights = int8_weights(rng, (groups * group_outputs, *kernel, group_inputs))
    b = ModelBuilder()
    x = b.input((batches, rows, columns, groups * group_inputs), scale=scale(rng), zero_point=zero_point(rng))
    shape = (batches, *output_size((rows, columns), kernel, options), groups * group_outputs)
    return filtered(b, rng, "CONV_2D", [x], weights, 0, shape, options)


def draw_depthwise_conv_2d(rng: Rng) -> bytes:
    """A depthwise convolution; every third makes several outputs of an input channel."""
    channels = small(rng, 13)
    multiplier = int(rng.integers(2, 5)) if rng.random() < 0.35 else 1
    batches, rows, columns = image(rng)
    kernel = [small(rng, 5), small(rng, 5)]
    options = window_options(rng, (rows, columns), kernel, dilated=True) | {"depth_multiplier": multiplier}
    weights = int8_weights(rng, (1, *kernel, channels * multiplier))
    b = ModelBuilder()
    x = b.input((batches, rows, columns, channels), scale=scale(rng), zero_point=zero_point(rng))
    shape = (batches, *output_size((rows, columns), kernel, options), channels * multiplier)
    return filtered(b, rng, "DEPTHWISE_CONV_2D", [x], weights, 3, shape, options)


def draw_transpose_conv(rng: Rng) -> bytes:
    """A transposed convolution; output sizes are those of the training frameworks, or a little off."""
    inputs, outputs = small(rng, 9), small(rng, 7)
    batches, rows, columns = image(rng, 7)
    kernel = [small(rng, 5), small(rng, 5)]
    strides = [small(rng, 4), small(rng, 4)]
    padding = int(rng.integers(2))
    size = [
        max((n - 1) * s + max(k, s) if padding == VALID else n * s, k if padding == VALID else 1)
        for n, k, s in zip((rows, columns), kernel, strides, strict=True)
    ]
    freedom = rng.random()
    if freedom < 0.3:
        size = [n + int(rng.integers(3)) for n in size]
    elif freedom < 0.4:
        size = [small(rng, 5), small(rng, 5)]
    options = {
        "padding": padding,
        "stride_h": strides[0],
        "stride_w": strides[1],
        "fused_activation_function": activation(rng),
    }
    shape = (batches, *size, outputs)
    b = ModelBuilder()
    target = b.constant(np.array(shape, np.int32))
    x = b.input((batches, rows, columns, inputs), scale=scale(rng), zero_point=zero_point(rng))
    weights = int8_weights(rng, (outputs, *kernel, inputs))
    return filtered(b, rng, "TRANSPOSE_CONV", [target, x], weights, 0, shape, options)


def draw_average_pool_2d(rng: Rng) -> bytes:
    """Average pooling."""
    return _pool(rng, "AVERAGE_POOL_2D")


def draw_max_pool_2d(rng: Rng) -> bytes:
    """Maximum pooling."""
    return _pool(rng, "MAX_POOL_2D")


GENERATORS: dict[str, Callable[[Rng], bytes]] = {
    "CONV_2D": draw_conv_2d,
    "DEPTHWISE_CONV_2D": draw_depthwise_conv_2d,
    "TRANSPOSE_CONV": draw_transpose_conv,
    "AVERAGE_POOL_2D": draw_average_pool_2d,
    "MAX_POOL_2D": draw_max_pool_2d,
}


def _pool(rng: Rng, kind: str) -> bytes:
    batches, rows, columns = image(rng)
    whole = rng.random() < 0.2
    kernel = [rows, columns] if whole else [small(rng, 5), small(rng, 5)]
    options = window_options(rng, (rows, columns), kernel, dilated=False)
    channels, s, z = small(rng, 9), scale(rng), zero_point(rng)
    b = ModelBuilder()
    x = b.input((batches, rows, columns, channels), scale=s, zero_point=z)
    shape = (batches, *output_size((rows, columns), kernel, options), channels)
    options |= {"filter_height": kernel[0], "filter_width": kernel[1]}
    b.output(b.op(kind, [x], shape=shape, scale=s, zero_point=z, options=options))
    return b.build()


def filtered(
    b: ModelBuilder,
    rng: Rng,
    kind: str,
    inputs: list[int],
    weights: NDArray[np.int8],
    axis: int,
    shape: tuple[int, ...],
    options: dict[str, int],
) -> bytes:
    """Finish a model whose operator has weights: their quantization, a bias or none, an output scale."""
    channels = weights.shape[axis]
    strides = options["stride_h"] * options["stride_w"] if kind == "TRANSPOSE_CONV" else 1
    depth = max(weights.size // channels // strides, 1)
    input_scale = b.model().subgraphs[0].tensors[inputs[-1]].quantization.scale[0]
    # A fused activation to 6 shows only where 6 lies in the output's range; the weights' scales are such that
    # typical outputs deviate by 4 to 150 from the zero point: they saturate sometimes, not always.
    output_scale = scale(rng) if options["fused_activation_function"] in (NONE, RELU) else 0.01 * 10 ** rng.random()
    typical = input_scale * 73 * 73 * np.sqrt(depth) / output_scale
    base = 4 * 40 ** rng.random() / typical
    scales = [float(np.float32(base * 4 ** rng.uniform(-1, 1))) for _ in range(channels if rng.random() < 0.6 else 1)]
    w = b.constant(weights, scales=scales, axis=axis if len(scales) > 1 else 0)
    arguments: list[int | None] = [inputs[0], w, *inputs[1:]]
    with_bias = rng.random()
    if with_bias < 0.75:
        limit = int(5000 * np.sqrt(depth)) + 1
        bias = rng.integers(-limit, limit, channels, dtype=np.int32)
        arguments.append(b.constant(bias, scales=[input_scale * s for s in scales]))
    y = b.op(kind, arguments, shape=shape, scale=output_scale, zero_point=zero_point(rng), options=options)
    b.output(y)
    return b.build()


def window_options(rng: Rng, size: tuple[int, int], kernel: list[int], *, dilated: bool) -> dict[str, int]:
    """Padding, strides, activation and, for some, dilations. VALID shrinks the kernel until it fits."""
    options = {
        "padding": int(rng.integers(2)),
        "stride_h": small(rng, 4),
        "stride_w": small(rng, 4),
        "fused_activation_function": activation(rng),
    }
    dilations = [1, 1]
    if dilated:
        dilations = [int(rng.integers(1, 4)), int(rng.integers(1, 4))] if rng.random() < 0.3 else dilations
        options |= {"dilation_h_factor": dilations[0], "dilation_w_factor": dilations[1]}
    if options["padding"] == VALID:
        for i, (n, d) in enumerate(zip(size, dilations, strict=True)):
            kernel[i] = min(kernel[i], (n - 1) // d + 1)
    return options


def output_size(size: tuple[int, int], kernel: list[int], options: dict[str, int]) -> tuple[int, int]:
    """Output rows and columns by the schema's rules."""
    strides = options["stride_h"], options["stride_w"]
    dilations = options.get("dilation_h_factor", 1), options.get("dilation_w_factor", 1)
    if options["padding"] == SAME:
        rows, columns = (-(-n // s) for n, s in zip(size, strides, strict=True))
    else:
        rows, columns = (
            (n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(size, kernel, strides, dilations, strict=True)
        )
    return rows, columns


def int8_weights(rng: Rng, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Uniform weights; now and then all at one end of the range, where sums are largest."""
    if rng.random() < 0.1:
        return np.full(shape, rng.choice([-128, -127, 127, 0]), np.int8)
    return rng.integers(-127, 128, shape, dtype=np.int8)


def image(rng: Rng, largest: int = 12) -> tuple[int, int, int]:
    """Batch, rows, columns; every fifth is one-dimensional."""
    rows, columns = int(rng.integers(1, largest + 1)), int(rng.integers(1, largest + 1))
    if rng.random() < 0.2:
        rows, columns = (1, columns) if rng.random() < 0.5 else (rows, 1)
    return int(rng.choice([1, 1, 1, 2, 3])), rows, columns


def small(rng: Rng, largest: int) -> int:
    """From 1 to ``largest``."""
    return int(rng.integers(1, largest + 1))


def scale(rng: Rng) -> float:
    """A float32 scale between 0.0005 and 0.3."""
    return float(np.float32(10 ** rng.uniform(-3.3, -0.5)))


def zero_point(rng: Rng) -> int:
    """Any int8 value, often one at the ends of the range."""
    return int(rng.choice([-128, 127, 0])) if rng.random() < 0.4 else int(rng.integers(-128, 128))


def activation(rng: Rng) -> int:
    """A fused activation that clamps."""
    return int(rng.choice([NONE, NONE, RELU, RELU6, RELU_N1_TO_1]))
