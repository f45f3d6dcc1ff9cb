"""What operators over 16-bit activations refuse, and which room an operator goes to."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tinygen.ir import DType, Graph, Op, Quantization, Tensor
from tinygen.lower import find, find_for
from tinygen.lower.int16.conv_2d import Conv2DInt16
from tinygen.lower.int16.tables import exp_table, reciprocal_table, sigmoid_table

FINE = Quantization((2.0**-12,), (0,))


def tensor(
    shape: tuple[int, ...] = (2, 3),
    dtype: DType = DType.INT16,
    quantization: Quantization | None = FINE,
    data: object = None,
) -> Tensor:
    return Tensor("t", dtype, shape, quantization, None if data is None else np.full(shape, data, dtype.numpy))


def scaled(scale: float, zero_point: int = 0, dtype: DType = DType.INT16) -> Tensor:
    return tensor(dtype=dtype, quantization=Quantization((float(np.float32(scale)),), (zero_point,)))


def graph_of(kind: str, tensors: list[Tensor], **options: Any) -> Graph:
    """A graph of one operator; the last tensor is its output."""
    op = Op(kind, tuple(range(len(tensors) - 1)), (len(tensors) - 1,), options)
    return Graph("g", tuple(tensors), (op,), (0,), op.outputs)


def reasons(graph: Graph) -> str:
    operator = find_for(graph.ops[0], graph)
    assert operator is not None
    return "\n".join(operator.check(graph.ops[0], graph))


ok, shifted = tensor(), scaled(0.1, 5)
unit = scaled(1 / 32768)
image, kernel = tensor((1, 4, 4, 2)), tensor((3, 2, 2, 2), DType.INT8, data=1)
depth_kernel = tensor((1, 2, 2, 2), DType.INT8, data=1)
bias32, bias16 = tensor((2,), DType.INT32, data=1), tensor((3,), DType.INT16, data=1)
WINDOW = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1, "depth_multiplier": 1}

REFUSED: list[tuple[str, Graph, str]] = [
    ("zero point", graph_of("ADD", [ok, shifted, ok]), "zero point is 5"),
    ("other operand", graph_of("MUL", [ok, tensor(dtype=DType.INT8), ok]), "int8 beside int16"),
    ("other output", graph_of("CONV_2D", [image, kernel, tensor((1, 4, 4, 3), DType.INT8)], **WINDOW), "int8 beside"),
    ("no quantization", graph_of("TANH", [tensor(quantization=None), unit]), "no per-tensor"),
    ("sum scale", graph_of("ADD", [ok, ok, scaled(1e-12)]), "reference's range"),
    ("product scale", graph_of("MUL", [scaled(1.0), scaled(1.0), scaled(0.5)]), "reference's range"),
    ("bias type", graph_of("CONV_2D", [image, kernel, bias16, tensor((1, 4, 4, 3))], **WINDOW), "bias is int16"),
    (
        "depthwise bias",
        graph_of("DEPTHWISE_CONV_2D", [image, depth_kernel, bias32, image], **WINDOW),
        "would read it as int64",
    ),
    (
        "depthwise weights",
        graph_of("DEPTHWISE_CONV_2D", [image, tensor((1, 30, 30, 2), DType.INT8, data=127), image], **WINDOW),
        "too large for 32-bit sums",
    ),
    ("layer scale", graph_of("FULLY_CONNECTED", [ok, tensor((2, 3), DType.INT8, data=1), scaled(1e-12)]), "absurdly"),
    ("softmax scale", graph_of("SOFTMAX", [ok, ok], beta=1.0), "1/32768"),
    ("softmax beta", graph_of("SOFTMAX", [ok, unit], beta=0.0), "beta 0"),
    ("softmax steep", graph_of("SOFTMAX", [scaled(10.0), unit], beta=1.0), "beta 1"),
    ("softmax row", graph_of("SOFTMAX", [tensor((65536,)), tensor((65536,), quantization=unit.quantization)], beta=1.0),
     "65536 values"),
    ("logistic output", graph_of("LOGISTIC", [ok, ok]), "1/32768"),
    ("logistic input", graph_of("LOGISTIC", [scaled(3.0), unit]), "too large"),
    ("alpha", graph_of("LEAKY_RELU", [ok, ok], alpha=-0.5), "alpha is -0.5"),
    ("relu scale", graph_of("RELU", [scaled(1e3), scaled(1e-3)]), "too large"),
    ("quantize scale", graph_of("QUANTIZE", [scaled(1e3), scaled(1e-3, 0, DType.INT8)]), "too large"),
    ("elements", graph_of("RELU", [ok, tensor((2, 2))]), "6 values for an output of 4"),
    ("mean", graph_of("MEAN", [tensor((1, 70000)), tensor((1,), DType.INT32, None, data=1), tensor((1,))]), "too many"),
    ("pool", graph_of("AVERAGE_POOL_2D", [image, image], filter_height=300, filter_width=300, stride_h=1, stride_w=1),
     "could overflow"),
    ("no room of its own", graph_of("HARD_SWISH", [ok, ok]), "int8 only"),
    ("reduction", graph_of("REDUCE_MAX", [ok, tensor((1,), DType.INT32, None, data=1), tensor((2,))]), "int8 only"),
]  # fmt: skip


@pytest.mark.parametrize(("graph", "reason"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refuses_with_reason(graph: Graph, reason: str) -> None:
    assert reason in reasons(graph)


KINDS = (
    "ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D",
    "MEAN", "MUL", "QUANTIZE", "RELU6", "SOFTMAX", "TANH",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_check_never_raises(kind: str) -> None:
    """Whatever the graph, ``check`` answers with sentences."""
    odd = [ok, shifted, image, kernel, bias32, tensor(()), tensor((1,) * 8), tensor(quantization=None), scaled(1e-45),
           scaled(3e38), tensor(dtype=DType.FLOAT32, quantization=None),
           tensor(quantization=Quantization((0.1, 0.2), (0, 0), 0))]  # fmt: skip
    for options in ({}, {"alpha": float("nan"), "beta": float("inf"), "fused_activation_function": 99}):
        for second, third in itertools.product(odd, odd):
            for tensors in ([ok, third], [image, second, third], [ok, second, bias32, third]):
                graph = graph_of(kind, list(tensors), **options)
                operator = find_for(graph.ops[0], graph)
                assert operator is not None
                assert all(isinstance(r, str) and r for r in operator.check(graph.ops[0], graph))


def test_the_room_follows_the_type_that_is_read() -> None:
    assert isinstance(find_for(*parts(graph_of("CONV_2D", [image, kernel, image]))), Conv2DInt16)
    for other in (
        graph_of("CONV_2D", [tensor(dtype=DType.INT8), kernel, image]),
        graph_of("SOFTMAX", [tensor(dtype=DType.INT8), ok]),
        graph_of("RESHAPE", [ok, ok]),
    ):
        assert find_for(*parts(other)) is find(other.ops[0].kind)


def parts(graph: Graph) -> tuple[Op, Graph]:
    return graph.ops[0], graph


def test_tables_are_those_of_the_functions() -> None:
    """To half of what interpolation misses, by which the reference corrects them."""
    x = np.linspace(0, 1, 513)
    assert np.abs(exp_table() - 32768 * np.exp(10 * x - 10)).max() < 2.2
    assert np.abs(reciprocal_table() - 32768 / (1 + x)).max() < 1.5
    assert np.abs(sigmoid_table() - 65536 / (1 + np.exp(-np.arange(256) / 24))).max() < 1.5
