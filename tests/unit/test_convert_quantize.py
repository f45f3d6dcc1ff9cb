"""Quantization: the flatbuffer's interface, its closeness to the float model, and the converter's complaints."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import pytest
import tf_keras
import tflite
from numpy.typing import NDArray
from tflite_micro import runtime

from tinygen.convert.quantize import converter_problem, predict, quantize
from tinygen.errors import ModelError, UnsupportedError
from tinygen.load.dataset import Dataset, fit
from tinygen.load.keras import SourceModel

layers = tf_keras.layers


def samples(*shapes: tuple[int, ...], count: int = 40) -> Dataset:
    generator = np.random.default_rng(3)
    return Dataset(tuple(generator.uniform(-1, 1, (count, *s)).astype(np.float32) for s in shapes), None, "d.npz")


def dequantized_outputs(flatbuffer: bytes, data: Dataset) -> list[NDArray[np.float64]]:
    """The int8 model's outputs, run by TensorFlow Lite Micro, as real numbers; one array for each output."""
    interpreter = runtime.Interpreter.from_bytes(flatbuffer)
    outputs = tflite.Model.GetRootAs(flatbuffer).Subgraphs(0).OutputsLength()
    results: list[list[Any]] = [[] for _ in range(outputs)]
    for i in range(len(data)):
        for k, x in enumerate(data.inputs):
            scale, zero = _quantization(interpreter.get_input_details(k))
            interpreter.set_input(np.clip(np.round(x[i : i + 1] / scale) + zero, -128, 127).astype(np.int8), k)
        interpreter.invoke()
        for k, result in enumerate(results):
            scale, zero = _quantization(interpreter.get_output_details(k))
            result.append((interpreter.get_output(k)[0].astype(np.float64) - zero) * scale)
    return [np.array(result) for result in results]


def _quantization(details: dict[str, Any]) -> tuple[float, int]:
    parameters = details["quantization_parameters"]
    return float(parameters["scales"][0]), int(parameters["zero_points"][0])


def opcodes(flatbuffer: bytes) -> list[int]:
    model = tflite.Model.GetRootAs(flatbuffer)
    return [model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())]


def test_two_inputs_and_outputs_keep_their_order_and_stay_close_to_float() -> None:
    second, first = layers.Input((6, 6, 2), name="z_image"), layers.Input((5,), name="a_vector")
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(second))
    y = layers.Dense(7)(layers.Concatenate()([x, first]))
    source = SourceModel.from_keras(tf_keras.Model([second, first], [y, layers.Dense(3, activation="softmax")(x)]))
    data = fit(samples((6, 6, 2), (5,)), source.input_shapes, "m")
    flatbuffer = quantize(source, data, "m")
    assert flatbuffer[4:8] == b"TFL3"
    expected = predict(source, data)
    assert [output.shape for output in expected] == [(40, 7), (40, 3)]
    for want, got in zip(expected, dequantized_outputs(flatbuffer, data), strict=True):
        assert want.shape == got.shape
        assert np.abs(want - got).max() < 0.05 * np.abs(want).max()


def test_keras3_model_without_a_twin_converts_directly() -> None:
    a, b = keras.Input((6, 6, 2), name="z"), keras.Input((3,), name="a")
    x = keras.ops.swapaxes(keras.layers.Conv2D(3, 3, activation="relu")(a), 1, 3)
    outputs = [keras.layers.Dense(4)(b), keras.layers.Flatten()(x)]
    source = SourceModel.from_keras(keras.Model([a, b], outputs), is_tf_keras=False)
    data = samples((6, 6, 2), (3,))
    flatbuffer = quantize(source, data, "m")
    for want, got in zip(predict(source, data), dequantized_outputs(flatbuffer, data), strict=True):
        assert want.shape == got.shape and np.abs(want - got).max() < 0.05 * np.abs(want).max()


def test_integer_inputs_stay_integers() -> None:
    inputs = layers.Input((5,), dtype="int32")
    source = SourceModel.from_keras(
        tf_keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Embedding(9, 3)(inputs))))
    )
    data = Dataset((np.arange(40, dtype=np.int64).reshape(8, 5) % 9,), None, "d")
    flatbuffer = quantize(source, data, "m")
    assert runtime.Interpreter.from_bytes(flatbuffer).get_input_details(0)["dtype"] is np.int32
    assert predict(source, data)[0].shape == (8, 2)


def test_same_model_gives_same_bytes_without_shape_arithmetic() -> None:
    net = [layers.Input((8, 8, 1)), layers.SeparableConv2D(4, 3, dilation_rate=2), layers.BatchNormalization()]
    source = SourceModel.from_keras(tf_keras.Sequential([*net, layers.ReLU(6.0), layers.Flatten(), layers.Dense(3)]))
    data = samples((8, 8, 1))
    flatbuffer = quantize(source, data, "m")
    assert flatbuffer == quantize(source, data, "m")
    operators = tflite.BuiltinOperator
    assert not {operators.SHAPE, operators.PACK, operators.SPACE_TO_BATCH_ND} & set(opcodes(flatbuffer))


@pytest.mark.parametrize("per_channel", [False, True])
def test_dense_scales(per_channel: bool) -> None:
    source = SourceModel.from_keras(tf_keras.Sequential([layers.Input((6,)), layers.Dense(5)]))
    flatbuffer = quantize(source, samples((6,)), "m", dense_per_channel=per_channel)
    graph = tflite.Model.GetRootAs(flatbuffer).Subgraphs(0)
    weights = graph.Tensors(graph.Operators(0).Inputs(1))
    assert weights.Quantization().ScaleLength() == (5 if per_channel else 1)


def test_model_with_a_fixed_batch_of_one() -> None:
    source = SourceModel.from_keras(tf_keras.Sequential([layers.Input((6,), batch_size=1), layers.Dense(5)]))
    data = samples((6,))
    assert predict(source, data)[0].shape == (40, 5)
    assert quantize(source, data, "m")[4:8] == b"TFL3"


@pytest.mark.slow
def test_lstm_converts() -> None:
    source = SourceModel.from_keras(tf_keras.Sequential([layers.Input((5, 3)), layers.LSTM(4)]))
    assert tflite.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM in opcodes(quantize(source, samples((5, 3)), "m"))


def test_operator_that_tflite_lacks() -> None:
    import tensorflow as tf

    inputs = layers.Input((6,))
    source = SourceModel.from_keras(tf_keras.Model(inputs, tf.math.erfinv(tf.math.digamma(inputs))))
    with pytest.raises(UnsupportedError, match="no built-in operator for") as caught:
        quantize(source, samples((6,)), "m.keras")
    assert "Erfinv" in caught.value.message and "Digamma" in caught.value.message
    assert "loc(" not in str(caught.value) and len(str(caught.value)) < 500


def test_what_is_essential_in_the_converters_words() -> None:
    noise = "loc(fused[callsite]): " * 200
    error = converter_problem(f"{noise}\nQuantization not yet supported for op: 'CUSTOM'.\n", "m")
    assert isinstance(error, UnsupportedError) and "int8 form of CUSTOM" in error.message
    error = converter_problem('<unknown>:0: error: loc("x"): failed to legalize\nnote: more', "m")
    assert type(error) is ModelError and error.message.endswith("failed to legalize")
    assert "no reason given" in converter_problem("", "m").message


def test_model_that_fails_on_its_samples() -> None:
    source = SourceModel.from_keras(tf_keras.Sequential([layers.Input((None, 3)), layers.Conv1D(2, 5)]))
    with pytest.raises(ModelError, match="fails on a sample") as caught:
        predict(source, samples((2, 3)))
    assert "File" not in caught.value.message and "egative dimension" in caught.value.message
