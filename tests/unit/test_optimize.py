"""What each pass makes of a small graph, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.model_builder import ModelBuilder, Output

from tinygen.ir import Graph, problems
from tinygen.load.tflite import read_graph
from tinygen.lower import find, lower, supported_kinds
from tinygen.optimize.compose_tables import compose_tables
from tinygen.optimize.compose_transposes import compose_transposes
from tinygen.optimize.fold_constants import fold_constants
from tinygen.optimize.fold_pad import fold_pad
from tinygen.optimize.fuse_activations import fuse_activations
from tinygen.optimize.remove_reshapes import remove_reshapes
from tinygen.optimize.tabulate import tabulate
from tinygen.optimize.unused import remove_unused
from tinygen.oracle import InProcessOracle

Q = {"scale": 0.1, "zero_point": -7}
OTHER = {"scale": 0.15, "zero_point": 3}
IMAGE = (1, 4, 4, 2)
STRIDES = {"stride_h": 1, "stride_w": 1}


class Net(ModelBuilder):
    """A builder with one image as input and the layers that these tests need."""

    def __init__(self, shape: tuple[int, ...] = IMAGE) -> None:
        super().__init__()
        self.image = self.input(shape, **Q)

    def conv(self, x: int, size: int = 4, *, padding: int = 1, kernel: int = 1, **q: object) -> int:
        weights = self.constant(np.full((2, kernel, kernel, 2), 3, np.int8), scales=[0.01])
        options = {**STRIDES, "padding": padding}
        return self.op("CONV_2D", [x, weights], shape=(1, size, size, 2), options=options, **(q or Q))  # type: ignore[arg-type]

    def graph(self, *outputs: int) -> Graph:
        self.output(*outputs)
        return read_graph(self.build(), source="test.tflite", name="m")


def run(graph: Graph, *passes: Callable[[Graph], Graph]) -> Graph:
    """Apply passes; the result is sound and can be lowered."""
    for change in passes:
        graph = change(graph)
        assert problems(graph) == []
    lower(graph, source="test.tflite")
    return graph


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


# Constants


def test_operators_on_constants_become_constants() -> None:
    b = Net()
    data = b.constant(np.arange(8, dtype=np.int8).reshape(2, 4), scales=[0.1], zero_points=-7)
    turned = b.op("TRANSPOSE", [data, b.constant(np.array([1, 0], np.int32))], shape=(4, 2), **Q)
    flat = b.op("RESHAPE", [turned], shape=(8,), options={"new_shape": (8,)}, **Q)
    half = b.op("RESHAPE", [flat], shape=(1, 4, 2), options={"new_shape": (1, 4, 2)}, **Q)
    y = b.op("ADD", [b.image, half], shape=IMAGE, options={"fused_activation_function": 0}, **OTHER)
    graph = run(b.graph(y), fold_constants)
    assert kinds(graph) == ["ADD"]
    assert graph.tensors[half].data is not None
    assert graph.tensors[half].data.tolist() == [[[0, 4], [1, 5], [2, 6], [3, 7]]]


def test_an_output_stays_computed() -> None:
    b = Net()
    data = b.constant(np.zeros((2, 4), np.int8), scales=[0.1], zero_points=-7)
    turned = b.op("TRANSPOSE", [data, b.constant(np.array([1, 0], np.int32))], shape=(4, 2), **Q)
    graph = b.graph(b.conv(b.image), turned)
    assert fold_constants(graph) is graph


VALUES = np.random.default_rng(1).integers(-128, 128, (2, 3, 4)).astype(np.int8)
FOLDABLE = {
    "QUANTIZE": ({}, [], Output((2, 3, 4), "int8", 0.23, 9)),
    "DEQUANTIZE": ({}, [], Output((2, 3, 4), "float32")),
    "LOGISTIC": ({}, [], Output((2, 3, 4), "int8", 1 / 256, -128)),
    "TRANSPOSE": ({}, [np.array([2, 0, 1], np.int32)], Output((4, 2, 3), "int8", 0.1, -7)),
    "PAD": ({}, [np.array([[1, 0], [0, 2], [1, 1]], np.int32)], Output((3, 5, 6), "int8", 0.1, -7)),
    "CONCATENATION": ({"axis": 1}, [VALUES[:, :1]], Output((2, 4, 4), "int8", 0.1, -7)),
    "PACK": ({"axis": 1, "values_count": 2}, [VALUES[::-1]], Output((2, 2, 3, 4), "int8", 0.1, -7)),
    "ADD": ({}, [VALUES[:1, :, :1]], Output((2, 3, 4), "int8", 0.2, 5)),
    "SUB": ({}, [np.arange(-60, 60, 5, dtype=np.int8).reshape(1, 2, 3, 4)], Output((1, 2, 3, 4), "int8", 0.2, 5)),
    "MUL": ({"fused_activation_function": 1}, [VALUES[:1, :1]], Output((2, 3, 4), "int8", 0.2, 5)),
    "EXPAND_DIMS": ({}, [np.array(1, np.int32)], Output((2, 1, 3, 4), "int8", 0.1, -7)),
}


@pytest.mark.parametrize("kind", FOLDABLE)
def test_folded_constants_are_what_the_reference_computes(kind: str) -> None:
    """The same operator, once on an input in the reference interpreter, once on the same values as a constant."""
    options, others, output = FOLDABLE[kind]
    results = []
    for constant in (False, True):
        b = ModelBuilder()
        keep = b.input((1,), **Q)
        x = b.constant(VALUES, scales=[0.1], zero_points=-7) if constant else b.input(VALUES.shape, **Q)
        rest = [b.constant(o, **({"scales": [0.1], "zero_points": -7} if o.dtype == np.int8 else {})) for o in others]
        (y,) = b.op_multi(kind, [x, *rest], [output], options=options or None)
        z = b.op("RESHAPE", [keep], shape=(1, 1), options={"new_shape": (1, 1)}, **Q)
        if not constant:
            b.output(y, z)
            results.append(InProcessOracle(b.build()).run(np.zeros(1, np.int8), VALUES)[0])
            continue
        b.output(z)
        folded = fold_constants(read_graph(b.build(), source="test.tflite", name="m"))
        assert kinds(folded) == ["RESHAPE"]
        results.append(folded.tensors[y].data)
    assert np.array_equal(results[0], results[1])
    assert results[0].dtype == results[1].dtype


# Aliases and transpositions


def test_chains_of_reshapes_are_one_or_none() -> None:
    b = Net()
    conv = b.conv(b.image)
    a = b.op("RESHAPE", [conv], shape=(1, 32), options={"new_shape": (1, 32)}, **Q)
    c = b.op("EXPAND_DIMS", [a, b.constant(np.array(1, np.int32))], shape=(1, 1, 32), **Q)
    d = b.op("RESHAPE", [c], shape=IMAGE, options={"new_shape": IMAGE}, **Q)
    graph = run(b.graph(b.conv(d), c), remove_reshapes, remove_unused)
    assert kinds(graph) == ["CONV_2D", "RESHAPE", "CONV_2D"]
    assert graph.ops[1].inputs == (conv,)
    assert graph.ops[2].inputs[0] == conv


def test_a_reshape_forgets_its_computed_shape() -> None:
    """TFLM goes by the output's shape; what computes the shape input then serves nobody."""
    b = Net()
    shape = b.op("RESHAPE", [b.constant(np.array([[1, 32]], np.int32))], shape=(2,), dtype="int32")
    y = b.op("RESHAPE", [b.image, shape], shape=(1, 32), options={"new_shape": (1, 32)}, **Q)
    graph = run(b.graph(y), remove_reshapes, remove_unused)
    assert [op.inputs for op in graph.ops] == [(b.image,)]


def test_operators_that_do_nothing_vanish() -> None:
    b = Net()
    x = b.op("CONCATENATION", [b.image], shape=IMAGE, options={"axis": 3}, **Q)
    (x,) = b.op_multi(
        "SPLIT", [b.constant(np.int32(1)), x], [Output(IMAGE, "int8", 0.1, -7)], options={"num_splits": 1}
    )
    x = b.op("PAD", [x, b.constant(np.zeros((4, 2), np.int32))], shape=IMAGE, **Q)
    x = b.op("QUANTIZE", [x], shape=IMAGE, **Q)
    x = b.op("MEAN", [x, b.constant(np.array([0], np.int32))], shape=IMAGE, options={"keep_dims": True}, **Q)
    window = {**STRIDES, "filter_height": 1, "filter_width": 1}
    x = b.op("AVERAGE_POOL_2D", [x], shape=IMAGE, options=window, **Q)
    x = b.op("ADD", [x, b.constant(np.full((1, 2), 5, np.int8), scales=[0.1], zero_points=5)], shape=IMAGE, **Q)
    graph = run(b.graph(b.conv(x)), tabulate, remove_reshapes)
    # Adding zero is rounded in the reference, so whether it does nothing is a matter of the table.
    assert kinds(graph)[-1] == "CONV_2D"
    assert set(kinds(graph)[:-1]) <= {"ADD"}


def test_transpositions_compose() -> None:
    b = Net((1, 3, 4, 2))
    first = b.op("TRANSPOSE", [b.image, b.constant(np.array([0, 3, 1, 2], np.int32))], shape=(1, 2, 3, 4), **Q)
    second = b.op("TRANSPOSE", [first, b.constant(np.array([0, 3, 1, 2], np.int32))], shape=(1, 4, 2, 3), **Q)
    third = b.op("TRANSPOSE", [second, b.constant(np.array([0, 3, 1, 2], np.int32))], shape=(1, 3, 4, 2), **Q)
    weights = b.constant(np.ones((1, 1, 1, 2), np.int8), scales=[0.01])
    conv = b.op("CONV_2D", [third, weights], shape=(1, 3, 4, 1), options={**STRIDES, "padding": 1}, **Q)
    graph = run(b.graph(conv, second), compose_transposes, remove_unused)
    assert kinds(graph) == ["TRANSPOSE", "CONV_2D"]
    data = graph.input(graph.ops[0], 1).data
    assert data is not None and data.tolist() == [0, 2, 3, 1]
    assert graph.ops[1].inputs[0] == b.image


# Tables and activations


def test_tables_in_a_row_are_one() -> None:
    b = Net()
    x = b.op("QUANTIZE", [b.image], shape=IMAGE, **OTHER)
    x = b.op("RESHAPE", [x], shape=(1, 32), options={"new_shape": (1, 32)}, **OTHER)
    x = b.op("LOGISTIC", [x], shape=(1, 32), scale=1 / 256, zero_point=-128)
    y = b.op("QUANTIZE", [x], shape=(1, 32), scale=1 / 100, zero_point=-100)
    graph = run(b.graph(y), compose_tables)
    assert kinds(graph) == ["TABLE"]
    assert (graph.ops[0].index, graph.ops[0].outputs) == (3, (y,))


def test_a_table_that_others_read_stays() -> None:
    b = Net()
    x = b.op("QUANTIZE", [b.image], shape=IMAGE, **OTHER)
    y = b.op("LOGISTIC", [x], shape=IMAGE, scale=1 / 256, zero_point=-128)
    graph = b.graph(y, x)
    assert compose_tables(graph) is graph


def test_activations_become_the_layers_clamp() -> None:
    b = Net()
    conv = b.conv(b.image)
    relu = b.op("RELU", [conv], shape=IMAGE, **Q)
    relu6 = b.op("RELU6", [relu], shape=IMAGE, **Q)
    graph = run(b.graph(relu6), fuse_activations)
    (op,) = graph.ops
    assert (op.kind, op.index, op.outputs) == ("CONV_2D", 0, (relu6,))
    assert (op.options["output_min"], op.options["output_max"]) == (-7, 53)


def _activation(b: Net, kind: str = "RELU", also: bool = False, **q: object) -> Graph:
    conv = b.conv(b.image)
    relu = b.op(kind, [conv], shape=IMAGE, **(q or Q))  # type: ignore[arg-type]
    return b.graph(relu, *([conv] if also else []))


UNFUSED = {
    "another quantization": lambda: _activation(Net(), **OTHER),
    "no clamp": lambda: _activation(Net(), kind="LOGISTIC", scale=1 / 256, zero_point=-128),
    "another reader": lambda: _activation(Net(), also=True),
}


@pytest.mark.parametrize("why", UNFUSED)
def test_activation_is_not_fused(why: str) -> None:
    graph = UNFUSED[why]()
    assert fuse_activations(graph) is graph


# Padding


def _padded(
    amounts: tuple[int, int, int, int] = (1, 2, 0, 3),
    *,
    value: int | None = None,
    padding: int = 1,
    also: bool = False,
    channels: int = 0,
    q: dict[str, object] = Q,
) -> tuple[Graph, int]:
    top, bottom, left, right = amounts
    b = Net((1, 4, 1 + 4, 2 - channels))
    table = b.constant(np.array([[0, 0], [top, bottom], [left, right], [0, channels]], np.int32))
    shape = (1, 4 + top + bottom, 5 + left + right, 2)
    given = [] if value is None else [b.constant(np.array([value], np.int8), scales=[0.1], zero_points=-7)]
    x = b.op("PAD" if value is None else "PADV2", [b.image, table, *given], shape=shape, **q)  # type: ignore[arg-type]
    weights = b.constant(np.ones((2, 3, 2, 2), np.int8), scales=[0.01])
    options = {"padding": padding, "stride_h": 2, "stride_w": 1}
    rows, columns = (-(-shape[1] // 2), shape[2]) if padding == 0 else ((shape[1] - 3) // 2 + 1, shape[2] - 1)
    y = b.op("CONV_2D", [x, weights], shape=(1, rows, columns, 2), options=options, **Q)
    return b.graph(y, *([x] if also else [])), b.image


@pytest.mark.parametrize(("padding", "pads"), [(1, (1, 2, 0, 3)), (0, (2, 3, 0, 4))])
@pytest.mark.parametrize("value", [None, -7])
def test_pad_moves_into_the_convolution(padding: int, pads: tuple[int, ...], value: int | None) -> None:
    graph, image = _padded(padding=padding, value=value)
    (op,) = run(graph, fold_pad).ops
    assert op.inputs[0] == image
    assert tuple(op.options[f"pad_{side}"] for side in ("top", "bottom", "left", "right")) == pads


UNFOLDED = {
    "another value": lambda: _padded(value=-6),
    "another reader": lambda: _padded(also=True),
    "channels": lambda: _padded(channels=1),
    "another quantization": lambda: _padded(q=OTHER),
}


@pytest.mark.parametrize("why", UNFOLDED)
def test_pad_stays(why: str) -> None:
    graph, _ = UNFOLDED[why]()
    assert fold_pad(graph) is graph


# Unsound graphs


def test_what_cannot_be_translated_is_left_alone() -> None:
    """Its message speaks of the user's operator, not of what a pass made of it."""
    b = Net()
    y = b.op("RELU", [b.conv(b.image)], shape=IMAGE, **Q)
    graph = b.graph(y)
    conv = replace(graph.ops[0], options={**graph.ops[0].options, "stride_h": 0})
    broken = replace(graph, ops=(conv, graph.ops[1]))
    assert fuse_activations(broken) is broken


def test_the_kind_of_passes_is_not_offered_to_users() -> None:
    assert find("TABLE") is not None
    assert "TABLE" not in supported_kinds()
