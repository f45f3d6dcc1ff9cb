"""Random models of one elementwise operator, softmax or quantization, as .tflite files.

``GENERATORS[kind](rng)`` draws shapes, broadcasts, constants, quantization and activation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from support.model_builder import ModelBuilder

Rng = np.random.Generator
Shape = tuple[int, ...]

UNARY = ("ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH")
BINARY = ("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM")


def draw_unary(rng: Rng, kind: str, shape: Shape | None = None) -> bytes:
    """A function of one value; every fifth keeps its input's quantization."""
    b = ModelBuilder()
    shape = some_shape(rng, int(rng.integers(1, 5))) if shape is None else shape
    source_scale, source_zero = some_scale(rng), zero_point(rng)
    target_scale = float(np.float32(source_scale * 2 ** rng.uniform(-3, 3)))
    target_zero = zero_point(rng)
    options: dict[str, object] = {}
    if kind == "LOGISTIC":
        target_scale, target_zero = 1 / 256, -128
        source_scale = wide_scale(rng)
    elif kind == "TANH":
        target_scale, target_zero = 1 / 128, 0
        source_scale = wide_scale(rng)
    elif kind == "LEAKY_RELU":
        options = {"alpha": float(rng.choice([0.0, 0.1, 0.2, 0.3, 1.0, 1.7, -0.25, rng.uniform(-2, 2)]))}
    elif kind == "ELU":
        target_scale = float(np.float32(rng.uniform(0.2, 2) / 100))
    if rng.random() < 0.2 and kind not in ("LOGISTIC", "TANH"):
        target_scale, target_zero = source_scale, source_zero
    x = b.input(shape, scale=source_scale, zero_point=source_zero)
    b.output(b.op(kind, [x], shape=shape, scale=target_scale, zero_point=target_zero, options=options))
    return b.build()


def draw_binary(rng: Rng, kind: str) -> bytes:
    """Two operands with equal shapes, broadcast, or one of them a constant."""
    output, first, second = broadcast_shapes(rng)
    scales = [some_scale(rng), some_scale(rng)]
    if rng.random() < 0.2:
        scales[1] = scales[0]
    zeros = [zero_point(rng), zero_point(rng)]
    if kind == "MUL":
        target_scale = scales[0] * scales[1] * 2 ** rng.uniform(2, 9)
    else:
        target_scale = max(scales) * 2 ** rng.uniform(-3, 2)
    b = ModelBuilder()
    operands = [
        operand(b, rng, shape, scale, zero) for shape, scale, zero in zip((first, second), scales, zeros, strict=True)
    ]
    options = {} if kind in ("MINIMUM", "MAXIMUM") else {"fused_activation_function": int(rng.choice([0, 0, 1, 2, 3]))}
    y = b.op(
        kind, operands, shape=output, scale=float(np.float32(target_scale)), zero_point=zero_point(rng), options=options
    )
    b.output(y)
    ensure_input(b, rng, y)
    return b.build()


def draw_prelu(rng: Rng) -> bytes:
    """PRELU, alpha mostly a constant for each channel."""
    b = ModelBuilder()
    if rng.random() < 0.5:
        output = some_shape(rng, 4)
        first, second = output, (1, 1, output[-1])
    else:
        output, first, second = broadcast_shapes(rng)
    scale = some_scale(rng)
    x = b.input(first, scale=scale, zero_point=zero_point(rng))
    alpha_scale, alpha_zero = float(np.float32(2 ** rng.uniform(-10, -5))), zero_point(rng)
    if rng.random() < 0.8:
        alpha = b.constant(stored(rng, second), scales=alpha_scale, zero_points=alpha_zero)
    else:
        alpha = b.input(second, scale=alpha_scale, zero_point=alpha_zero)
    target_scale = float(np.float32(scale * 2 ** rng.uniform(-2, 2)))
    b.output(b.op("PRELU", [x, alpha], shape=output, scale=target_scale, zero_point=zero_point(rng)))
    return b.build()


def draw_softmax(rng: Rng) -> bytes:
    """Softmax to int8, or to int16."""
    b = ModelBuilder()
    shape = (*some_shape(rng, int(rng.integers(1, 4)))[:-1], int(rng.choice([1, 2, 10, 12, rng.integers(1, 400)])))
    x = b.input(shape, scale=float(np.float32(2 ** rng.uniform(-9, 2))), zero_point=zero_point(rng))
    options = {"beta": float(rng.choice([1.0, 1.0, 0.5, 2.0, rng.uniform(0.1, 4)]))}
    if rng.random() < 0.3:
        y = b.op("SOFTMAX", [x], shape=shape, dtype="int16", scale=1 / 65536, zero_point=-32768, options=options)
    else:
        y = b.op("SOFTMAX", [x], shape=shape, scale=1 / 256, zero_point=-128, options=options)
    b.output(y)
    return b.build()


def draw_quantize(rng: Rng) -> bytes:
    """float32 to int8 or int16, or one byte to another."""
    source, target = rng.choice(
        [("float32", "int8"), ("float32", "int16"), ("int8", "int8"), ("int8", "uint8"), ("uint8", "int8")]
    )
    b = ModelBuilder()
    shape = some_shape(rng, int(rng.integers(1, 5)))
    scale = some_scale(rng)
    if source == "float32":
        x = b.input(shape, "float32")
        scale = float(np.float32(2 ** rng.uniform(-14, 0)))
    else:
        x = b.input(shape, source, scale=scale, zero_point=zero_point(rng, source))
        scale = float(np.float32(scale * rng.choice([1, 1, 2, 2 ** rng.uniform(-3, 3)])))
    b.output(b.op("QUANTIZE", [x], shape=shape, dtype=target, scale=scale, zero_point=zero_point(rng, target)))
    return b.build()


def draw_dequantize(rng: Rng) -> bytes:
    """int8, uint8 or int16 to float32."""
    dtype = str(rng.choice(["int8", "int8", "uint8", "int16"]))
    b = ModelBuilder()
    shape = some_shape(rng, int(rng.integers(1, 5)))
    x = b.input(shape, dtype, scale=float(np.float32(2 ** rng.uniform(-14, 3))), zero_point=zero_point(rng, dtype))
    b.output(b.op("DEQUANTIZE", [x], shape=shape, dtype="float32"))
    return b.build()


def broadcast_shapes(rng: Rng) -> tuple[Shape, Shape, Shape]:
    """Output and operands: equal, a scalar, a value for each channel, or anything that broadcasts."""
    kind = rng.random()
    if kind < 0.15:
        # Long enough for a table to pay, if the scalar is a constant.
        output = (int(rng.integers(1, 4)), int(rng.integers(100, 300)))
        return (output, output, ()) if rng.random() < 0.5 else (output, (1, 1), output)
    output = some_shape(rng, int(rng.integers(1, 7)), longest=5)
    if kind < 0.35:
        return output, output, output
    if kind < 0.6:
        choices: list[Shape] = [(), (1,), (1,) * len(output), output[-1:], (1,) * (len(output) - 1) + output[-1:]]
        other = choices[int(rng.integers(len(choices)))]
    else:
        other = tuple(1 if rng.random() < 0.5 else d for d in output)
    first = output
    if kind > 0.8:
        first = tuple(1 if o != 1 and rng.random() < 0.4 else d for d, o in zip(output, other, strict=True))
        output = tuple(int(d) for d in np.broadcast_shapes(first, other))
    return (output, first, other) if rng.random() < 0.5 else (output, other, first)


def operand(b: ModelBuilder, rng: Rng, shape: Shape, scale: float, zero: int) -> int:
    """An input of the model, or a constant."""
    if rng.random() < (0.7 if np.prod(shape) == 1 else 0.3):
        return b.constant(stored(rng, shape), scales=scale, zero_points=zero)
    return b.input(shape, scale=scale, zero_point=zero)


def ensure_input(b: ModelBuilder, rng: Rng, used: int) -> None:
    """A model whose operands are all constants still needs an input."""
    if not b.model().subgraphs[0].inputs:
        x = b.input((3,), scale=some_scale(rng), zero_point=0)
        b.output(b.op("MAXIMUM", [x, x], shape=(3,), scale=0.5))


def some_shape(rng: Rng, rank: int, longest: int = 7) -> Shape:
    """Dimensions of 1 are frequent: they are where loops merge."""
    return tuple(1 if rng.random() < 0.2 else int(rng.integers(1, longest + 1)) for _ in range(rank))


def stored(rng: Rng, shape: Shape) -> np.ndarray:
    """int8 values; now and then one extreme everywhere."""
    if rng.random() < 0.1:
        return np.full(shape, rng.choice([-128, 127]), np.int8)
    return rng.integers(-128, 128, shape, dtype=np.int8)


def some_scale(rng: Rng) -> float:
    """A float32 scale between 2^-10 and 1."""
    return float(np.float32(2 ** rng.uniform(-10, 0)))


def wide_scale(rng: Rng) -> float:
    """A float32 scale from almost flat to saturated after a few steps."""
    return float(np.float32(2 ** rng.uniform(-14, 3.9)))


def zero_point(rng: Rng, dtype: str = "int8") -> int:
    """Any stored value, often at the ends of the range."""
    limits = np.iinfo(dtype)
    if rng.random() < 0.4:
        return int(rng.choice([limits.min, limits.max, (limits.min + limits.max + 1) // 2]))
    return int(rng.integers(limits.min, limits.max + 1))


def _unary(kind: str) -> Callable[[Rng], bytes]:
    return lambda rng: draw_unary(rng, kind)


def _binary(kind: str) -> Callable[[Rng], bytes]:
    return lambda rng: draw_binary(rng, kind)


GENERATORS: dict[str, Callable[[Rng], bytes]] = {
    **{kind: _unary(kind) for kind in UNARY},
    **{kind: _binary(kind) for kind in BINARY},
    "PRELU": draw_prelu,
    "SOFTMAX": draw_softmax,
    "QUANTIZE": draw_quantize,
    "DEQUANTIZE": draw_dequantize,
}
