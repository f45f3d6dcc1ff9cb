"""The reference interpreter, in a child process and in this one, on models that the builder makes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from support.model_builder import ModelBuilder, Output, pack
from support.sample_models import small_cnn
from support.shared import data_file, model_file

from tinygen.errors import DataError, ModelError, ToolError
from tinygen.oracle import InProcessOracle, interpreter, reference, reference_outputs, reference_tensors


def images(count: int) -> list[tuple[np.ndarray]]:
    rng = np.random.default_rng(1)
    return [(rng.integers(-128, 128, (1, 8, 8, 3), dtype=np.int8),) for _ in range(count)]


def test_child_equals_in_process() -> None:
    tflite, vectors = small_cnn().build(), images(5)
    oracle = InProcessOracle(tflite)
    expected = [oracle.run(*vector) for vector in vectors]
    for preserve_all in (False, True):
        outputs = reference_outputs(tflite, vectors, preserve_all=preserve_all)
        assert [len(o) for o in outputs] == [1] * 5
        assert all(np.array_equal(a, b) for (a,), (b,) in zip(outputs, expected, strict=True))


def test_tensors_of_every_operator() -> None:
    tflite, (vector,) = small_cnn().build(), images(1)
    tensors = reference_tensors(tflite, vector)
    oracle = InProcessOracle(tflite)
    (output,) = oracle.run(*vector)
    here = oracle.tensors()
    assert len(tensors) == 8  # SPLIT writes two
    assert tensors.keys() == here.keys()
    assert all(np.array_equal(tensors[t], here[t]) and tensors[t].dtype == np.int8 for t in tensors)
    assert np.array_equal(tensors[max(tensors)], output)


def test_values_by_hand() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), "int8", scale=1.0)
    y = b.input((1, 4), "int8", scale=1.0)
    b.output(b.op("ADD", [x, y], shape=(1, 4), scale=1.0), b.op("RELU", [x], shape=(1, 4), scale=1.0))
    x_values, y_values = np.array([[1, -2, 3, 100]], np.int8), np.array([[10, 20, 30, 100]], np.int8)
    ((total, positive),) = reference_outputs(b.build(), [(x_values, y_values)])
    assert total.tolist() == [[11, 18, 33, 127]]
    assert positive.tolist() == [[1, 0, 3, 100]]


@pytest.mark.parametrize("dtype", ["float32", "int32", "int8", "int16"])
def test_element_types_and_shapes_survive(dtype: str) -> None:
    b = ModelBuilder()
    x = b.input((2, 3), dtype, scale=None if dtype in ("float32", "int32") else 0.5)
    shape = b.constant(np.array([3, 2], np.int32))
    b.output(b.op("RESHAPE", [x, shape], shape=(3, 2), dtype=dtype, scale=0.5))
    value = np.arange(6).reshape(2, 3).astype(dtype)
    ((output,),) = reference_outputs(b.build(), [(value,)])
    assert output.dtype == np.dtype(dtype)
    assert np.array_equal(output, value.reshape(3, 2))


def test_scalar_output_keeps_its_shape() -> None:
    b = ModelBuilder()
    x = b.input((1, 8), scale=0.1)
    axes = b.constant(np.array([0, 1], np.int32))
    b.output(b.op("MEAN", [x, axes], shape=(), scale=0.1))
    ((output,),) = reference_outputs(b.build(), [(np.full((1, 8), 7, np.int8),)])
    assert output.shape == ()
    assert output == 7


def test_small_model_with_large_activations_has_arena_enough() -> None:
    b = ModelBuilder()
    x = b.input((1, 256, 256, 8), scale=0.1)
    for _ in range(4):
        x = b.op("RELU", [x], shape=(1, 256, 256, 8), scale=0.1)
    b.output(x)
    (output,) = InProcessOracle(b.build()).run(np.ones((1, 256, 256, 8), np.int8))
    assert output.min() == output.max() == 1


def test_no_vectors() -> None:
    assert reference_outputs(small_cnn().build(), []) == []


def test_refused_operator_is_named() -> None:
    b = ModelBuilder()
    b.output(b.op("GELU", [b.input((1, 4), scale=0.1)], shape=(1, 4), scale=0.1))
    with pytest.raises(ModelError, match=r"gelu\.tflite: .*Didn't find op for builtin opcode 'GELU'"):
        reference_outputs(b.build(), [(np.zeros((1, 4), np.int8),)], name="gelu.tflite")


def test_small_arena_is_refused_with_the_numbers() -> None:
    with pytest.raises(ModelError, match=r"Requested: .* available"):
        reference_outputs(small_cnn().build(), images(1), arena_bytes=1024)


def test_crash_of_the_wheel_is_an_error() -> None:
    b = small_cnn()
    model = b.model()
    model.subgraphs[0].operators[0].inputs[0] = 100_000_000  # TFLM follows it
    with pytest.raises(ModelError, match=r"cnn\.tflite: the reference interpreter failed: SIG"):
        reference_outputs(pack(model), images(1), name="cnn.tflite")


def test_unreadable_model() -> None:
    with pytest.raises(ModelError, match="not a readable"):
        reference_outputs(small_cnn().build()[:200], images(1))


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([(np.zeros((1, 8, 8, 2), np.int8),)], "input 0: .*Dimension mismatch"),
        ([(np.zeros((1, 8, 8, 3), np.float32),)], "input 0: .*FLOAT32"),
        ([(np.zeros((1, 8, 8, 3), np.int8),) * 2], "takes 1 inputs, got 2"),
        ([(np.zeros((1, 8, 8, 3), np.int8),), (np.zeros((1, 8, 8, 2), np.int8),)], "differ among themselves"),
        ([(np.zeros((1, 8, 8, 3), np.int8),), ()], "differ among themselves"),
    ],
)
def test_wrong_data(vectors: list[tuple[Any, ...]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        reference_outputs(small_cnn().build(), vectors)


def test_missing_wheel_is_a_tool_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "tflite_micro.py").write_text("raise ImportError('no wheel here')")
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    with pytest.raises(ToolError, match="no wheel here"):
        reference_outputs(small_cnn().build(), images(1))


def test_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "TIMEOUT_SECONDS", 0.01)
    with pytest.raises(ToolError, match=r"model: the reference interpreter took more than 0\.01 s"):
        reference_outputs(small_cnn().build(), images(1))


def test_arena_is_bounded() -> None:
    graph = InProcessOracle(small_cnn().build())._graph
    graph.tensors[0].shape = [2**31 - 1] * 4
    assert interpreter._arena_bytes(graph, 1000) == interpreter.MAX_ARENA_BYTES


def test_multiple_outputs_of_one_operator() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), scale=0.5)
    axis = b.constant(np.int32(1))
    b.output(*b.op_multi("SPLIT", [axis, x], [Output((1, 2), scale=0.5)] * 2, options={"num_splits": 2}))
    ((left, right),) = reference_outputs(b.build(), [(np.array([[1, 2, 3, 4]], np.int8),)])
    assert (left.tolist(), right.tolist()) == ([[1, 2]], [[3, 4]])


def test_kws_accuracy_of_the_reference() -> None:
    tflite = model_file("kws").read_bytes()
    with np.load(data_file("kws01.npz")) as data:
        x, y = data["x_int8"][:200], data["y"][:200]
    outputs = reference_outputs(tflite, [(sample[np.newaxis],) for sample in x])
    right = sum(int(np.argmax(output)) == label for (output,), label in zip(outputs, y, strict=True))
    assert right >= 0.9 * len(y)
