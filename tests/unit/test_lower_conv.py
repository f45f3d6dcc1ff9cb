"""What convolutions and pooling refuse, and how their windows are laid out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygen.errors import UnsupportedError
from tinygen.ir import Call, Constant, DType, Graph, Op, Quantization, Tensor
from tinygen.lower import find, live_operator, lower
from tinygen.lower.window import Axis, Layout, lead, padding_before

INT8 = Quantization((0.5,), (0,))
WINDOW = {"padding": 0, "stride_h": 1, "stride_w": 1}


def tensor(shape: tuple[int, ...], dtype: DType = DType.INT8, **changes: Any) -> Tensor:
    fields: dict[str, Any] = {"quantization": INT8 if dtype is DType.INT8 else None, **changes}
    return Tensor("t", dtype, shape, **fields)


def constant(shape: tuple[int, ...], dtype: DType = DType.INT8, **changes: Any) -> Tensor:
    return tensor(shape, dtype, **{"data": np.ones(shape, dtype.numpy), **changes})


def graph_of(kind: str, inputs: list[Tensor | None], output: Tensor, **options: int) -> Graph:
    """A graph of one operator."""
    tensors = [t for t in inputs if t is not None]
    indices = [None if t is None else tensors.index(t) for t in inputs]
    op = Op(kind, tuple(indices), (len(tensors),), {**WINDOW, **options})
    return Graph("g", (*tensors, output), (op,), (0,), (len(tensors),))


def conv(**changes: Any) -> Graph:
    """A sound CONV_2D, or one with other tensors or options: ``x``, ``w``, ``bias``, ``y``, ``stride_h`` …"""
    parts = {
        "x": tensor((1, 6, 5, 4)),
        "w": constant((8, 3, 3, 4)),
        "bias": constant((8,), DType.INT32),
        "y": tensor((1, 6, 5, 8)),
        **changes,
    }
    x, w, bias, y = (parts.pop(name) for name in ("x", "w", "bias", "y"))
    return graph_of("CONV_2D", [x, w, bias], y, **parts)


def depthwise(**changes: Any) -> Graph:
    parts = {"w": constant((1, 3, 3, 8)), "depth_multiplier": 2, "y": tensor((1, 6, 5, 8)), **changes}
    inputs = [tensor((1, 6, 5, 4)), parts.pop("w")]
    if "bias" in parts:
        inputs.append(parts.pop("bias"))
    return graph_of("DEPTHWISE_CONV_2D", inputs, parts.pop("y"), **parts)


def transpose_conv(**changes: Any) -> Graph:
    parts = {
        "shape": constant((4,), DType.INT32, data=np.array([1, 6, 6, 2], np.int32)),
        "x": tensor((1, 3, 3, 4)),
        "w": constant((2, 3, 3, 4)),
        "y": tensor((1, 6, 6, 2)),
        "stride_h": 2,
        "stride_w": 2,
        **changes,
    }
    shape, x, w, y = (parts.pop(name) for name in ("shape", "x", "w", "y"))
    return graph_of("TRANSPOSE_CONV", [shape, w, x], y, **parts)


def pool(**changes: Any) -> Graph:
    parts = {"x": tensor((1, 6, 5, 4)), "y": tensor((1, 6, 5, 4)), "filter_height": 2, "filter_width": 2, **changes}
    x, y = parts.pop("x"), parts.pop("y")
    return graph_of("MAX_POOL_2D", [x], y, **parts)


def reasons(graph: Graph) -> str:
    (op,) = graph.ops
    operator = find(op.kind)
    assert operator is not None
    return " | ".join(operator.check(op, graph))


def only_call(graph: Graph) -> Call:
    (call,) = lower(graph, source="g").calls
    return call


@pytest.mark.parametrize("graph", [conv(), depthwise(), transpose_conv(), pool(), conv(bias=None)])
def test_sound_operators_pass(graph: Graph) -> None:
    assert reasons(graph) == ""
    assert only_call(graph).op == 0


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (conv(x=tensor((1, 6, 5, 4), DType.INT16)), "input is int16"),
        (conv(x=tensor((1, 6, 5, 4), DType.FLOAT32)), "full int8 quantization"),
        (conv(x=tensor((6, 5, 4))), "input has 3 dimensions"),
        (conv(y=tensor((1, 6, 40))), "output has 3 dimensions"),
        (conv(w=tensor((8, 3, 3, 4))), "weights are computed at run time"),
        (conv(w=None), "weights are missing"),
        (conv(w=constant((8, 36))), "weights has 2 dimensions"),
        (conv(w=constant((8, 3, 3, 4), quantization=Quantization((0.5,), (3,)))), "symmetrically"),
        (conv(w=constant((8, 3, 3, 4), quantization=Quantization((0.5,) * 4, (0,) * 4, 3))), "along axis 3"),
        (conv(w=constant((8, 3, 3, 3))), "no whole groups"),
        (conv(w=constant((8, 3, 3, 8))), "no whole groups"),
        (conv(w=constant((7, 3, 3, 2)), bias=None, y=tensor((1, 6, 5, 7))), "no whole groups"),
        (conv(bias=constant((8,), DType.INT64)), "bias is int64"),
        (conv(bias=constant((7,), DType.INT32)), "bias has 7 values"),
        (conv(y=tensor((1, 6, 5, 9))), "output has 9 channels"),
        (conv(y=tensor((1, 6, 4, 8))), "6x5 pixels follow"),
        (conv(y=tensor((2, 6, 5, 8))), "batch 1"),
        (conv(padding=1), "4x3 pixels follow"),
        (conv(padding=1, dilation_h_factor=9), "0x3 pixels follow"),
        (conv(padding=2), "neither SAME nor VALID"),
        (conv(stride_w=0), "stride 1x0 is not positive"),
        (conv(stride_h=-3), "stride -3x1"),
        (conv(dilation_h_factor=0), "dilation 0x1"),
        (conv(dilation_h_factor=1 << 30), "too large"),
        (conv(fused_activation_function=4), "TANH"),
        (conv(y=tensor((1, 6, 5, 8), quantization=Quantization((1e-12,), (0,)))), "absurdly small"),
        (depthwise(depth_multiplier=3), "depth multiplier 3"),
        (depthwise(depth_multiplier=0), "depth multiplier 0"),
        (depthwise(w=constant((2, 3, 3, 8))), "first dimension is to be 1"),
        (depthwise(bias=None), "crashes TensorFlow Lite Micro"),
        (transpose_conv(shape=tensor((4,), DType.INT32)), "output shape is computed at run time"),
        (transpose_conv(shape=None), "output shape is missing"),
        (transpose_conv(y=tensor((1, 6, 7, 2))), "output shape [1, 6, 6, 2]"),
        (transpose_conv(x=tensor((2, 3, 3, 4))), "batch 2 becomes batch 1"),
        (transpose_conv(w=constant((2, 3, 3, 5))), "4 input channels"),
        (transpose_conv(stride_h=0), "stride 0x2"),
        (transpose_conv(stride_w=1 << 20), "stride 2x1048576"),
        (
            pool(
                x=tensor((1, 6, 5, 4), quantization=Quantization((1e-39,), (0,))),
                y=tensor((1, 6, 5, 4), quantization=Quantization((1e-39,), (0,))),
                fused_activation_function=3,
            ),
            "absurdly small for a fused activation",
        ),
        (pool(filter_width=0), "window 2x0 is not positive"),
        (pool(filter_height=1 << 30), "too large"),
        (pool(y=tensor((1, 6, 5, 3))), "4 input channels become 3"),
        (pool(y=tensor((1, 6, 5, 4), quantization=Quantization((0.50001,), (0,)))), "quantized differently"),
        (pool(y=tensor((1, 6, 5, 4), quantization=Quantization((0.5,), (1,)))), "quantized differently"),
    ],
)
def test_refusals_say_why(graph: Graph, reason: str) -> None:
    assert reason in reasons(graph)
    with pytest.raises(UnsupportedError):
        lower(graph, source="g")


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "AVERAGE_POOL_2D"])
@pytest.mark.parametrize("inputs", [0, 1, 2, 3, 5])
def test_odd_inputs_give_reasons(kind: str, inputs: int) -> None:
    """Missing tensors, wrong ranks and absent options end in reasons, never in an exception."""
    for shape in ((), (4,), (1, 2, 3, 4), (1, 1, 1, 1, 1)):
        for given in (tensor(shape), constant(shape), None):
            graph = graph_of(kind, [given] * inputs, tensor(shape))
            (op,) = graph.ops
            bare = Op(kind, op.inputs, op.outputs)
            assert list(live_operator(bare).check(bare, Graph("g", graph.tensors, (bare,), (0,), (0,))))


def test_padding_is_half_of_what_is_missing() -> None:
    assert padding_before(0, 6, 3, 1) == 1
    assert padding_before(0, 6, 3, 2) == 0  # one is missing, and goes to the end
    assert padding_before(0, 5, 3, 2, dilation=2) == 2
    assert padding_before(1, 6, 3, 2) == 0


@pytest.mark.parametrize(
    ("changes", "kernel"),
    [
        ({"w": constant((8, 1, 1, 4))}, "tg_conv_direct"),
        ({"w": constant((8, 1, 1, 2))}, "tg_conv_direct"),
        ({"w": constant((8, 3, 3, 4))}, "tg_conv_2d"),
        ({"w": constant((8, 2, 5, 4)), "padding": 1, "y": tensor((1, 5, 1, 8))}, "tg_conv_direct"),
        ({"w": constant((8, 2, 5, 2)), "padding": 1, "y": tensor((1, 5, 1, 8))}, "tg_conv_2d"),
        ({"w": constant((8, 1, 3, 4)), "padding": 1, "y": tensor((1, 6, 3, 8))}, "tg_conv_direct"),
    ],
)
def test_contiguous_windows_are_read_in_place(changes: dict[str, Any], kernel: str) -> None:
    call = only_call(conv(**changes))
    assert call.kernel == kernel
    assert (call.scratch_bytes == 0) == (kernel == "tg_conv_direct")


def test_zero_point_folds_into_the_bias() -> None:
    x = tensor((1, 6, 5, 4), quantization=Quantization((0.5,), (-3,)))
    filters = only_call(conv(x=x)).params["filters"]
    channels: Any = filters["channels"]  # type: ignore[index]
    bias = channels["bias"]
    assert isinstance(bias, Constant)
    assert bias.data.tolist() == [1 + 3 * 36] * 8


def test_transposed_phases_hold_every_weight_once() -> None:
    weights = constant((2, 3, 3, 4), data=np.arange(72, dtype=np.int8).reshape(2, 3, 3, 4))
    params: Any = only_call(transpose_conv(w=weights)).params
    assert sorted(params["conv"]["filters"]["weights"].data.tolist()) == list(range(72))
    assert params["rows"].data.tolist() == [[2, -1, 3], [1, 0, 3]]


def test_pointwise_convolution_leads_by_a_pixel() -> None:
    axis = Axis(size=10, outputs=10, kernel=1, stride=1, dilation=1, pad=0)
    assert lead(1, axis, axis, Layout(1, 16, 16, held=True)) == {0: 15}
    assert lead(1, axis, axis, Layout(1, 16, 16, held=False)) == {0: 0}
    assert lead(1, axis, axis, Layout(1, 16, 17, held=False)) == {0: 100}


def test_macs_count_padding() -> None:
    for graph, macs in ((conv(), 30 * 8 * 36), (depthwise(), 30 * 8 * 9), (transpose_conv(), 9 * 2 * 36)):
        (op,) = graph.ops
        assert live_operator(op).macs(op, graph) == macs
