"""What elementwise operators, softmax and conversions refuse, and how they are lowered."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from support.model_builder import ModelBuilder

from tinygen.errors import ModelError
from tinygen.ir import Alias, Constant, DType, Graph, Op, Quantization, Step, Tensor
from tinygen.load.tflite import read_graph
from tinygen.lower import find, lower
from tinygen.lower.broadcast import broadcast_params
from tinygen.oracle import reference_outputs

UNARY = ("ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH")
BINARY = ("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM", "PRELU")
CONVERSIONS = ("SOFTMAX", "QUANTIZE", "DEQUANTIZE")
DEFAULT = Quantization((0.05,), (0,))


def tensor(
    shape: tuple[int, ...] = (2, 3),
    dtype: DType = DType.INT8,
    quantization: Quantization | None = DEFAULT,
    data: object = None,
) -> Tensor:
    return Tensor("t", dtype, shape, quantization, None if data is None else np.full(shape, data, dtype.numpy))


def quantized(scale: float, zero_point: int = 0) -> Tensor:
    return tensor(quantization=Quantization((float(np.float32(scale)),), (zero_point,)))


def graph_of(kind: str, tensors: list[Tensor | None], **options: object) -> Graph:
    """A graph of one operator; the last tensor is its output, ``None`` an input that is left out."""
    present = [t for t in tensors if t is not None]
    positions = iter(range(len(present)))
    indices = [None if t is None else next(positions) for t in tensors]
    *inputs, output = indices
    assert output is not None
    op = Op(kind, tuple(inputs), (output,), options)  # type: ignore[arg-type]
    variable = tuple(i for i in inputs if i is not None and not present[i].is_constant)
    return Graph("g", tuple(present), (op,), variable, (output,))


def reasons(graph: Graph) -> str:
    operator = find(graph.ops[0].kind)
    assert operator is not None
    return "\n".join(operator.check(graph.ops[0], graph))


def steps(graph: Graph) -> tuple[Step, ...]:
    return lower(graph, source="test").steps


ok = tensor()
per_channel = tensor(quantization=Quantization((0.1, 0.2, 0.3), (0, 0, 0), 1))
softmaxed = quantized(1 / 256, -128)
REFUSED: list[tuple[str, Graph, str]] = [
    ("missing operand", graph_of("ADD", [ok, None, ok]), "second operand is missing"),
    ("one operand", graph_of("MUL", [ok, ok]), "1 inputs"),
    ("float operands", graph_of("SUB", [tensor(dtype=DType.FLOAT32, quantization=None)] * 3), "int8 only"),
    ("int16 extreme", graph_of("MAXIMUM", [tensor(dtype=DType.INT16)] * 3), "int8 only"),
    ("per channel", graph_of("ADD", [per_channel, ok, ok]), "per-tensor"),
    ("shapes", graph_of("ADD", [ok, tensor((2, 2)), ok]), "don't broadcast"),
    ("output shape", graph_of("MINIMUM", [ok, tensor((1, 3)), tensor((1, 3))]), "but the output has shape [1, 3]"),
    ("rank", graph_of("ADD", [tensor((1,) * 7)] * 3), "7 dimensions"),
    ("activation", graph_of("ADD", [ok, ok, ok], fused_activation_function=4), "TANH"),
    ("sum scale", graph_of("ADD", [ok, ok, quantized(1e-8)]), "reference's range"),
    ("difference scale", graph_of("SUB", [ok, quantized(1e38), ok]), "reference's range"),
    ("product scale", graph_of("MUL", [quantized(100), quantized(100), quantized(0.01)]), "overflow"),
    ("prelu scale", graph_of("PRELU", [ok, quantized(1e6), ok]), "too large"),
    ("prelu alpha", graph_of("PRELU", [ok, tensor(dtype=DType.INT16), ok]), "alpha is int16"),
    ("relu scale", graph_of("RELU", [quantized(1e4), quantized(1e-4)]), "too large"),
    ("relu6 scale", graph_of("RELU6", [quantized(1e-9), ok]), "too small"),
    ("relu elements", graph_of("RELU", [tensor((2, 2)), ok]), "4 values"),
    ("alpha", graph_of("LEAKY_RELU", [ok, ok], alpha=float("nan")), "alpha is nan"),
    ("large alpha", graph_of("LEAKY_RELU", [ok, ok], alpha=1e30), "too large"),
    ("logistic zero point", graph_of("LOGISTIC", [ok, quantized(1 / 256, 0)]), "demands -128"),
    ("logistic scale", graph_of("LOGISTIC", [quantized(16.5), softmaxed]), "range"),
    ("tanh scale", graph_of("TANH", [quantized(1e-9), ok]), "range"),
    ("hard swish ratio", graph_of("HARD_SWISH", [quantized(13), quantized(0.05)]), "128 times"),
    ("hard swish scale", graph_of("HARD_SWISH", [quantized(1e5), quantized(1e5)]), "too large"),
    ("softmax output", graph_of("SOFTMAX", [ok, quantized(0.01, -128)], beta=1.0), "1/256"),
    ("softmax zero point", graph_of("SOFTMAX", [ok, quantized(1 / 256, 0)], beta=1.0), "1/256"),
    ("softmax type", graph_of("SOFTMAX", [ok, tensor(dtype=DType.FLOAT32)], beta=1.0), "float32"),
    ("softmax shape", graph_of("SOFTMAX", [tensor((3, 2)), softmaxed], beta=1.0), "shape [3, 2]"),
    ("softmax beta", graph_of("SOFTMAX", [ok, softmaxed], beta=0.0), "beta 0"),
    ("softmax negative beta", graph_of("SOFTMAX", [ok, softmaxed], beta=-1.0), "beta -1"),
    ("softmax beta nan", graph_of("SOFTMAX", [ok, softmaxed], beta=float("nan")), "beta nan"),
    (
        "softmax row",
        graph_of("SOFTMAX", [tensor((1, 4096)), tensor((1, 4096), quantization=softmaxed.quantization)], beta=1.0),
        "4096 values",
    ),
    ("quantize types", graph_of("QUANTIZE", [tensor(dtype=DType.INT32), ok]), "int32 to int8"),
    ("quantize zero point", graph_of("QUANTIZE", [ok, tensor(quantization=Quantization((1.0,), (200,)))]), "200"),
    ("quantize per channel", graph_of("QUANTIZE", [tensor(dtype=DType.FLOAT32), per_channel]), "per-tensor"),
    ("quantize scale", graph_of("QUANTIZE", [quantized(1e4), quantized(1e-4)]), "too large"),
    ("dequantize types", graph_of("DEQUANTIZE", [tensor(dtype=DType.INT32), ok]), "int32 to int8"),
    ("dequantize no scale", graph_of("DEQUANTIZE", [tensor(quantization=None), tensor(dtype=DType.FLOAT32)]), "no per"),
]


@pytest.mark.parametrize(("graph", "reason"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refuses_with_reason(graph: Graph, reason: str) -> None:
    assert reason in reasons(graph)


@pytest.mark.parametrize("kind", UNARY + BINARY + CONVERSIONS)
def test_check_never_raises(kind: str) -> None:
    """Whatever the graph, ``check`` answers with sentences."""
    odd: list[Tensor | None] = [
        None,
        ok,
        per_channel,
        tensor(()),
        tensor((1,) * 8),
        tensor(quantization=None),
        tensor(dtype=DType.FLOAT32, quantization=None),
        tensor(dtype=DType.INT16, quantization=Quantization((1e-30,), (5,))),
        tensor(dtype=DType.UINT8, quantization=Quantization((3e38,), (300,))),
        tensor(quantization=Quantization((1e-45,), (-1000,))),
        tensor(quantization=Quantization((1e-45,), (-128,))),
        tensor(quantization=Quantization((3e38,), (127,))),
        softmaxed,
    ]
    outputs = [t for t in odd if t is not None]
    for first, second, output in itertools.product(odd, odd if kind in BINARY else [None], outputs):
        inputs = [first, second] if kind in BINARY else [first]
        for options in ({}, {"alpha": float("inf"), "beta": float("inf"), "fused_activation_function": 99}):
            graph = graph_of(kind, [*inputs, output], **options)
            assert all(isinstance(r, str) and r for r in find(kind).check(graph.ops[0], graph))  # type: ignore[union-attr]
    for count in (0, 4):
        reasons(graph_of(kind, [ok] * (count + 1)))


@pytest.mark.parametrize(
    ("kind", "scales", "zero_points", "options"),
    [
        ("LOGISTIC", (0.1, 1 / 256), (0, 0), {}),
        ("HARD_SWISH", (13.0, 0.05), (0, 0), {}),
        ("SOFTMAX", (0.1, 0.01), (0, -128), {"beta": 1.0}),
        ("SOFTMAX", (0.1, 1 / 256), (0, -128), {"beta": 0.0}),
    ],
)
def test_reference_refuses_them_too(
    kind: str, scales: tuple[float, float], zero_points: tuple[int, int], options: dict[str, float]
) -> None:
    b = ModelBuilder()
    x = b.input((2, 3), scale=scales[0], zero_point=zero_points[0])
    b.output(b.op(kind, [x], shape=(2, 3), scale=scales[1], zero_point=zero_points[1], options=options))
    tflite = b.build()
    assert reasons(read_graph(tflite, source="test.tflite", name="m"))
    with pytest.raises(ModelError):
        reference_outputs(tflite, [(np.zeros((2, 3), np.int8),)])


def kernels(graph: Graph) -> list[str]:
    return ["alias" if isinstance(s, Alias) else s.kernel for s in steps(graph)]


LONG = (4, 100)
LOWERED: list[tuple[str, Callable[[], Graph], list[str]]] = [
    ("equal quantization", lambda: graph_of("QUANTIZE", [ok, ok]), ["alias"]),
    ("alpha 1", lambda: graph_of("LEAKY_RELU", [ok, ok], alpha=1.0), ["alias"]),
    ("relu without rescaling", lambda: graph_of("RELU", [ok, ok]), ["tg_clip"]),
    ("relu6", lambda: graph_of("RELU6", [ok, quantized(0.3, 9)]), ["tg_clip"]),
    ("relu with rescaling", lambda: graph_of("RELU", [ok, quantized(0.07)]), ["tg_lookup"]),
    ("extreme of a constant", lambda: graph_of("MAXIMUM", [ok, tensor((), data=5), ok]), ["tg_clip"]),
    ("short sum with a constant", lambda: graph_of("ADD", [tensor((1,), data=5), ok, ok]), ["tg_add"]),
    (
        "long sum with a constant",
        lambda: graph_of("ADD", [tensor((1, 1), data=5), tensor(LONG), tensor(LONG)]),
        ["tg_lookup"],
    ),
    ("sum of two", lambda: graph_of("SUB", [ok, ok, ok]), ["tg_add"]),
]


@pytest.mark.parametrize(("make", "expected"), [c[1:] for c in LOWERED], ids=[c[0] for c in LOWERED])
def test_lowers_to_the_least_that_is_enough(make: Callable[[], Graph], expected: list[str]) -> None:
    assert kernels(make()) == expected


def test_equal_shapes_are_one_row() -> None:
    params = broadcast_params((2, 3, 4), (1, 2, 3, 4))
    assert (params["row"], params["loops"]) == (24, 0)


def test_value_for_each_channel_takes_one_loop() -> None:
    params = broadcast_params((2, 3, 5), (5,))
    assert (params["row"], params["loops"], params["first_step"], params["second_step"]) == (5, 1, 1, 1)
    assert params["loop"].data.tolist() == [[6, 5, 0]]  # type: ignore[union-attr]


def test_loops_visit_what_numpy_broadcasts() -> None:
    """The walk of the kernels, step by step, against numpy's own broadcasting."""
    rng = np.random.default_rng(3)
    for _ in range(300):
        output = tuple(int(d) for d in rng.integers(1, 4, rng.integers(0, 7)))
        first, second = (tuple(1 if rng.random() < 0.4 else d for d in output) for _ in range(2))
        if rng.random() < 0.3:
            second = second[int(rng.integers(0, len(second) + 1)) :]
        operands = [np.arange(int(np.prod(s))).reshape(s) for s in (first, second)]
        expected = np.stack([x.reshape(-1) for x in np.broadcast_arrays(*operands)])
        assert np.array_equal(walk(broadcast_params(first, second)), expected), f"{first} {second}"


def walk(params: dict[str, object]) -> np.ndarray:
    """Offsets into both operands in the order in which ``tg_broadcast_t`` visits them."""
    loop = params["loop"]
    assert isinstance(loop, Constant)
    loops = loop.data.reshape(-1, 3).tolist()
    starts, turns, visited = [0, 0], [0] * len(loops), []
    while True:
        for i in range(int(str(params["row"]))):
            steps = (int(str(params["first_step"])), int(str(params["second_step"])))
            visited.append([s + i * step for s, step in zip(starts, steps, strict=True)])
        for level, (repetitions, *moves) in enumerate(loops):
            turns[level] += 1
            if turns[level] < repetitions:
                starts = [s + m for s, m in zip(starts, moves, strict=True)]
                break
            turns[level] = 0
        else:
            return np.array(visited).T
