"""Random convolutions that reach the fast forms, as .tflite files of one operator.

Shapes are chosen so that what is left over is there: odd windows, odd filters, channels that fill no word,
rows that end in the middle of a pair; factors and activations so that each requantization is met.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from support.model_builder import ModelBuilder
from tinygen.forms import Target, forms_for
from tinygen.ir import Call, Program

__all__ = ["LAYERS", "draw_direct", "draw_ring", "draw_winograd", "in_form"]

Rng = np.random.Generator

# Knows every instruction that a form may want; forms are picked by name.
TARGET = Target(dsp=True, mve=True)

SAME, VALID = 0, 1
NONE, RELU, RELU6 = 0, 1, 3


def draw_direct(rng: Rng) -> bytes:
    """1x1, now and then with strides, or a kernel as wide as its input."""
    rows, columns, inputs = _size(rng, 7), _size(rng, 7), _size(rng, 40)
    if rng.random() < 0.2:
        return _layer(rng, (rows, columns, inputs), (_size(rng, rows), columns), (1, 1), (1, 1), VALID)
    strides = (int(rng.integers(1, 4)), int(rng.integers(1, 4))) if rng.random() < 0.4 else (1, 1)
    return _layer(rng, (rows, columns, inputs), (1, 1), strides, (1, 1), int(rng.integers(2)))


def draw_ring(rng: Rng) -> bytes:
    """Kernels up to 5x5 with strides, paddings and dilations."""
    rows, columns, inputs = _size(rng, 9), _size(rng, 9), int(rng.choice([1, 2, 3, 4, 5, 8, 12, 16]))
    padding = int(rng.integers(2))
    kernel = _size(rng, 5), _size(rng, 5)
    dilations = (int(rng.integers(1, 3)), int(rng.integers(1, 3))) if rng.random() < 0.3 else (1, 1)
    if padding == VALID:
        fits = [(n - 1) // d + 1 for n, d in zip((rows, columns), dilations, strict=True)]
        kernel = min(kernel[0], fits[0]), min(kernel[1], fits[1])
    strides = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    return _layer(rng, (rows, columns, inputs), kernel, strides, dilations, padding)


def draw_winograd(rng: Rng) -> bytes:
    """3x3 of stride 1 over whole words of channels."""
    image = int(rng.integers(3, 9)), int(rng.integers(3, 11)), 4 * _size(rng, 5)
    return _layer(rng, image, (3, 3), (1, 1), (1, 1), int(rng.integers(2)))


LAYERS: dict[str, Callable[[Rng], bytes]] = {
    "direct": draw_direct,
    "ring": draw_ring,
    "winograd": draw_winograd,
}


def in_form(name: str, program: Program) -> Program:
    """The program with every call in the named form, where it has one."""
    steps = []
    for step in program.steps:
        forms = forms_for(step.kernel) if isinstance(step, Call) else ()
        found = [c for f in forms for c in f.candidates(step, program.graph, TARGET) if c.form == name]
        steps += found[0].calls if found else [step]
    return Program(program.graph, tuple(steps))


def _layer(
    rng: Rng,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    padding: int,
) -> bytes:
    filters = int(rng.integers(2, 20))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    size = [
        -(-n // s) if padding == SAME else (n - r) // s + 1 for n, s, r in zip(image[:2], strides, reach, strict=True)
    ]
    activation = int(rng.choice([NONE, RELU, RELU, RELU6]))
    weights = rng.integers(-127, 128, (filters, *kernel, image[2]), dtype=np.int8)
    if rng.random() < 0.2:
        weights[rng.integers(filters)] = 0
    depth = weights[0].size
    # Weights of about 74 and activations of about 74 make sums of 74 * 74 * sqrt(depth); outputs should span int8.
    typical = 74.0 * 74.0 * np.sqrt(depth)
    scales = [float(np.float32(100 / typical * 3 ** rng.uniform(-1, 1))) for _ in range(filters)]
    bias = rng.integers(-1, 2, filters) * rng.integers(0, int(2 * typical), filters)
    zero_point = int(rng.choice([-128, -128, rng.integers(-128, 100)]))
    output_scale = 6.0 / 255 if activation == RELU6 and rng.random() < 0.5 else 1.0
    b = ModelBuilder()
    x = b.input((1, *image), scale=output_scale, zero_point=int(rng.integers(-128, 128)))
    w = b.constant(weights, scales=scales, axis=0)
    c = b.constant(bias.astype(np.int32), scales=[output_scale * s for s in scales])
    options = {
        "padding": padding,
        "stride_h": strides[0],
        "stride_w": strides[1],
        "dilation_h_factor": dilations[0],
        "dilation_w_factor": dilations[1],
        "fused_activation_function": activation,
    }
    shape = (1, *size, filters)
    b.output(b.op("CONV_2D", [x, w, c], shape=shape, scale=output_scale, zero_point=zero_point, options=options))
    return b.build()


def _size(rng: Rng, largest: int) -> int:
    return int(rng.integers(1, largest + 1))
