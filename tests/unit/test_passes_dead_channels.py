"""Dead channels: what goes, what stays, and what the next bias becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.host_runner import assert_exact
from support.model_builder import ModelBuilder

from tinygen.ir import Graph, problems
from tinygen.load.tflite import read_graph
from tinygen.optimize.channel_ranges import channel_ranges
from tinygen.optimize.dead_channels import dead_channels

Q = {"scale": 0.1, "zero_point": -128}
SIZE = 5


class Net(ModelBuilder):
    """Layers over images of 5x5; ``live`` says which filters are not all zero."""

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        self.rng = np.random.default_rng(4)
        self.channels = {self.input((1, SIZE, SIZE, channels), **Q): channels}
        (self.image,) = self.channels

    def _weights(self, shape: tuple[int, ...], axis: int, bias: list[int], zero: list[int], unread: list[int]) -> Any:
        data = self.rng.integers(1, 128, shape).astype(np.int8)
        np.moveaxis(data, axis, 0)[zero] = 0
        data[..., unread] = 0
        scales = [0.004 + 0.001 * i for i in range(shape[axis])]
        biases = np.array(bias or [50] * shape[axis], np.int32)
        return self.constant(data, scales=scales, axis=axis), self.constant(biases)

    def conv(
        self,
        x: int,
        outputs: int,
        *,
        kernel: int = 1,
        bias: list[int] | None = None,
        zero: list[int] | None = None,
        unread: list[int] | None = None,
    ) -> int:
        """A convolution that keeps the size; filters ``zero`` are all zero, no filter reads inputs ``unread``."""
        shape = (outputs, kernel, kernel, self.channels[x])
        weights, biases = self._weights(shape, 0, bias or [], zero or [], unread or [])
        options = {"stride_h": 1, "stride_w": 1, "padding": 0, "fused_activation_function": 1}
        y = self.op("CONV_2D", [x, weights, biases], shape=(1, SIZE, SIZE, outputs), options=options, **Q)
        self.channels[y] = outputs
        return y

    def depthwise(self, x: int, *, multiplier: int = 1) -> int:
        outputs = self.channels[x] * multiplier
        weights, biases = self._weights((1, 3, 3, outputs), 3, [], [], [])
        options = {"stride_h": 1, "stride_w": 1, "padding": 0, "depth_multiplier": multiplier}
        shape = (1, SIZE, SIZE, outputs)
        y = self.op("DEPTHWISE_CONV_2D", [x, weights, biases], shape=shape, options=options, **Q)
        self.channels[y] = outputs
        return y

    def same(self, kind: str, inputs: list[int], options: dict[str, object] | None = None) -> int:
        """An operator whose output has the first input's shape."""
        shape = (1, SIZE, SIZE, self.channels[inputs[0]])
        y = self.op(kind, inputs, shape=shape, options=options, **Q)
        self.channels[y] = self.channels[inputs[0]]
        return y


@pytest.fixture
def exact(tmp_path: Path) -> Any:
    """Finish a net: its graph before and after the pass; the generated C is held to the reference."""

    def finish(net: Net, *outputs: int) -> tuple[Graph, Graph]:
        net.output(*outputs)
        tflite = net.build()
        assert_exact(tflite, tmp_path, optimize=True)
        before = read_graph(tflite, source="test.tflite", name="m")
        after = dead_channels(before)
        assert problems(after) == []
        return before, after

    return finish


def channels(graph: Graph) -> list[int]:
    """Output channels of each operator."""
    return [graph.output(op).shape[-1] for op in graph.ops]


def bias(graph: Graph, position: int) -> NDArray[np.generic]:
    data = graph.input(graph.ops[position], 2).data
    assert data is not None
    return data


def test_constant_channel_goes_into_the_next_bias(exact: Any) -> None:
    """Filter 1 is zero and its bias 3000: the channel is a constant above the zero point."""
    b = Net()
    first = b.conv(b.image, 3, bias=[50, 3000, 50], zero=[1])
    before, after = exact(b, b.conv(first, 4))
    assert channels(after) == [2, 4]
    known = channel_ranges(before)[first]
    assert known.constant.tolist() == [False, True, False]
    weights = before.input(before.ops[1], 1).data
    assert weights is not None
    expected = 50 + weights[:, 0, 0, 1].astype(np.int64) * (known.low[1] + 128)
    assert bias(after, 1).tolist() == expected.tolist()
    assert after.input(after.ops[0], 1).quantization.scales == pytest.approx((0.004, 0.006))  # type: ignore[union-attr]


def test_padding_keeps_a_constant_that_is_not_the_zero_point(exact: Any) -> None:
    b = Net()
    first = b.conv(b.image, 3, bias=[50, 3000, -9], zero=[1, 2])  # channel 2 is the zero point: RELU of less
    _, after = exact(b, b.conv(first, 4, kernel=3))
    assert channels(after) == [2, 4]
    assert bias(after, 1).tolist() == [50] * 4


def test_unread_channels_go_back_through_everything_that_ties(exact: Any) -> None:
    b = Net()
    x = b.depthwise(b.conv(b.image, 4))
    x = b.same("HARD_SWISH", [x])
    x = b.same("MAX_POOL_2D", [x], {"stride_h": 1, "stride_w": 1, "filter_height": 2, "filter_width": 2})
    x = b.same("ADD", [x, b.constant(np.arange(4, dtype=np.int8), scales=[0.1])], {"fused_activation_function": 0})
    _, after = exact(b, b.conv(x, 2, unread=[0, 3]))
    assert channels(after) == [2, 2, 2, 2, 2, 2]
    data = after.input(after.ops[4], 1).data
    assert data is not None and data.tolist() == [1, 2]


def test_a_sum_keeps_what_either_reader_wants(exact: Any) -> None:
    b = Net()
    left, right = b.conv(b.image, 4), b.conv(b.image, 4)
    added = b.same("ADD", [left, right], {"fused_activation_function": 1})
    _, after = exact(b, b.conv(added, 2, unread=[0, 1]), b.conv(left, 2, unread=[0, 3]))
    assert channels(after) == [3, 3, 3, 2, 2]


def test_a_sum_of_constants_is_constant(exact: Any) -> None:
    b = Net()
    left, right = b.conv(b.image, 3, zero=[0], bias=[900, 50, 50]), b.conv(b.image, 3, zero=[0, 1], bias=[700] * 3)
    added = b.same("ADD", [left, right], {"fused_activation_function": 0})
    before, after = exact(b, b.conv(added, 2))
    assert channels(after) == [2, 2, 2, 2]
    assert channel_ranges(before)[added].constant.tolist() == [True, False, False]


def test_concatenated_channels_go_one_by_one(exact: Any) -> None:
    b = Net()
    left, right = b.conv(b.image, 3, zero=[2]), b.conv(b.image, 4)
    y = b.op("CONCATENATION", [left, right], shape=(1, SIZE, SIZE, 7), options={"axis": 3}, **Q)
    b.channels[y] = 7
    _, after = exact(b, b.conv(y, 2, unread=[0, 6]))
    assert channels(after) == [1, 3, 4, 2]


@pytest.mark.parametrize("flatten", [True, False])
def test_a_matrix_behind_flattened_pixels(flatten: bool, exact: Any) -> None:
    """A channel goes if no column of the matrix reads it, at any pixel."""
    b = Net()
    x = b.conv(b.image, 4, zero=[1], bias=[50, 800, 50, 50])
    if flatten:
        inputs = SIZE * SIZE * 4
        flat = b.op("RESHAPE", [x], shape=(1, inputs), options={"new_shape": (1, inputs)}, **Q)
    else:
        inputs = 4
        flat = b.op("MEAN", [x, b.constant(np.array([1, 2], np.int32))], shape=(1, 4), **Q)
    data = b.rng.integers(1, 20, (3, inputs)).astype(np.int8)
    data[:, 3::4] = 0
    y = b.op("FULLY_CONNECTED", [flat, b.constant(data, scales=[0.001])], shape=(1, 3), scale=0.2, zero_point=0)
    _, after = exact(b, y)
    assert channels(after) == [2, inputs // 2, 3]
    assert after.input(after.ops[2], 1).shape == (3, inputs // 2)
    assert len(after.ops[2].inputs) == 3  # the folded constant needs a bias where there was none


def test_depth_multiplier(exact: Any) -> None:
    """An input channel goes only with all the outputs that it makes."""
    b = Net()
    x = b.depthwise(b.conv(b.image, 3), multiplier=2)
    _, after = exact(b, b.conv(x, 2, unread=[0, 2, 3]))
    assert channels(after) == [2, 4, 2]


def test_the_models_own_tensors_keep_all(exact: Any) -> None:
    b = Net()
    first = b.conv(b.image, 3, zero=[1], unread=[0])
    before, after = exact(b, b.conv(first, 4, zero=[0]), first)
    assert after is before


def test_at_least_one_channel_stays(exact: Any) -> None:
    """The whole first layer is constant; the one channel that stays is a constant one, whose inputs nobody needs."""
    b = Net()
    x = b.depthwise(b.conv(b.conv(b.image, 3), 3, zero=[0, 1, 2], bias=[-5] * 3))
    _, after = exact(b, b.conv(x, 2))
    assert channels(after) == [1, 1, 1, 2]


def test_a_matrix_with_scales_may_keep_one_row(exact: Any) -> None:
    """Its one scale makes the same factor as it did among others."""
    b = ModelBuilder()
    x = b.input((1, 6), **Q)
    rows = np.ones((4, 6), np.int8)
    first = b.op(
        "FULLY_CONNECTED", [x, b.constant(rows, scales=[0.1, 0.2, 0.3, 0.4])], shape=(1, 4), scale=3.0, zero_point=0
    )
    columns = np.array([[0, 1, 0, 0], [0, 2, 0, 0]], np.int8)
    y = b.op("FULLY_CONNECTED", [first, b.constant(columns, scales=[0.1])], shape=(1, 2), scale=1.0, zero_point=0)
    _, after = exact(b, y)
    assert channels(after) == [1, 2]


def test_weights_that_two_layers_share_are_cut_for_each(exact: Any) -> None:
    b = Net(3)
    data = b.rng.integers(1, 50, (3, 1, 1, 3)).astype(np.int8)
    weights = b.constant(data, scales=[0.01])
    options = {"stride_h": 1, "stride_w": 1, "padding": 0}
    x = b.op("CONV_2D", [b.image, weights], shape=(1, SIZE, SIZE, 3), options=options, **Q)
    x = b.op("CONV_2D", [x, weights], shape=(1, SIZE, SIZE, 3), options=options, **Q)
    b.channels[x] = 3
    _, after = exact(b, b.conv(x, 2, unread=[2]))
    assert [after.input(op, 1).shape for op in after.ops] == [(3, 1, 1, 3), (2, 1, 1, 3), (2, 1, 1, 2)]


def test_a_bias_near_its_limits_takes_nothing_in() -> None:
    """Folding could leave 32 bits, so the constant channel stays."""
    b = Net()
    first = b.conv(b.image, 3, bias=[50, 3000, 50], zero=[1])
    b.output(b.conv(first, 2, bias=[(1 << 31) - 10, 50]))
    graph = read_graph(b.build(), source="test.tflite", name="m")
    assert dead_channels(graph) is graph


@pytest.mark.parametrize(("value", "expected"), [(20000, 127), (-20000, -128)])
def test_a_bias_that_always_saturates_is_a_constant(value: int, expected: int, exact: Any) -> None:
    """Interval arithmetic: no input brings the sum back into the range."""
    b = Net()
    first = b.conv(b.image, 3, bias=[50, value * 40, 50])
    before, after = exact(b, b.conv(first, 2))
    known = channel_ranges(before)[first]
    assert (known.low[1], known.high[1]) == (expected, expected)
    assert channels(after) == [2, 2]
