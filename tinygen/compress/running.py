"""Run an int8 flatbuffer on float samples: quantize in, dequantize out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tflite as schema
from numpy.typing import NDArray

from tinygen.ir import Array
from tinygen.oracle import InProcessOracle

__all__ = ["input_means", "oracle_outputs", "oracle_scores", "stored_inputs"]

# Operators that make probabilities of scores, and those that may follow.
_SQUASHING = {"SOFTMAX", "LOGISTIC"}
_FOLLOWING = {"DEQUANTIZE", "QUANTIZE", "RESHAPE"}


def oracle_outputs(tflite: bytes, x: Array) -> Array:
    """What the board will answer: TensorFlow Lite Micro's outputs in real numbers, [samples, …]."""
    oracle = InProcessOracle(tflite, preserve_all=False)
    io = _Ports(tflite)
    outputs = [oracle.run(sample)[0] for sample in io.samples(x)]
    return io.real(np.concatenate(outputs))


def oracle_scores(tflite: bytes, x: Array) -> tuple[Array, Array]:
    """Outputs as ``oracle_outputs``, and what they are before a last softmax or sigmoid, real [samples, …]."""
    oracle = InProcessOracle(tflite, preserve_all=True)
    io = _Ports(tflite)
    index, scale = io.scores()
    outputs, scores = [], []
    for sample in io.samples(x):
        outputs.append(oracle.run(sample)[0])
        scores.append(oracle.tensors()[index].astype(np.float32) * scale)
    return io.real(np.concatenate(outputs)), np.stack(scores)


def stored_inputs(tflite: bytes, x: Array, tensors: set[int]) -> Iterator[dict[int, Array]]:
    """Some tensors' stored values [1, …] for each sample, by index; the model's input may be one of them."""
    oracle = InProcessOracle(tflite, preserve_all=True)
    io = _Ports(tflite)
    for sample in io.samples(x):
        oracle.run(sample)
        seen = oracle.tensors() | {io.input_index: sample}
        yield {tensor: seen[tensor] for tensor in tensors & seen.keys()}


def input_means(tflite: bytes, x: Array, tensors: set[int]) -> dict[int, NDArray[np.float64]]:
    """Mean of some tensors over the samples and all but the last dimension, in stored units [channels]."""
    sums: dict[int, NDArray[np.float64]] = {}
    for seen in stored_inputs(tflite, x, tensors):
        for tensor, values in seen.items():
            mean = np.asarray(values, np.float64).reshape(-1, values.shape[-1]).mean(axis=0)
            sums[tensor] = sums.get(tensor, np.zeros_like(mean)) + mean
    return {tensor: total / max(len(x), 1) for tensor, total in sums.items()}


class _Ports:
    """The only input and output of a flatbuffer."""

    def __init__(self, tflite: bytes) -> None:
        self._model = schema.Model.GetRootAs(tflite)
        graph = self._graph = self._model.Subgraphs(0)
        self.input_index = int(graph.Inputs(0))
        self._types: dict[int, type[np.integer[Any]]] = {
            schema.TensorType.INT8: np.int8,
            schema.TensorType.UINT8: np.uint8,
            schema.TensorType.INT16: np.int16,
        }
        self._input, self._output = (graph.Tensors(index) for index in (graph.Inputs(0), graph.Outputs(0)))

    def scores(self) -> tuple[int, np.float32]:
        """Index and scale of the tensor that a last softmax or sigmoid reads; else of the output."""
        codes = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
        operators = [self._graph.Operators(i) for i in range(self._graph.OperatorsLength())]
        makers = {int(operator.Outputs(0)): operator for operator in operators}
        index, kind = int(self._graph.Outputs(0)), "RESHAPE"
        while kind in _FOLLOWING and index in makers:
            code = self._model.OperatorCodes(makers[index].OpcodeIndex())
            kind = codes.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "")
            if kind in _FOLLOWING | _SQUASHING:
                index = int(makers[index].Inputs(0))
        if kind not in _SQUASHING:
            index = int(self._graph.Outputs(0))
        tensor = self._graph.Tensors(index)
        return index, self._quantization(tensor)[0] if tensor.Type() in self._types else np.float32(1)

    def samples(self, x: Array) -> Iterator[Array]:
        """The samples, one by one, as the input stores them [1, …]."""
        shape = self._input.ShapeAsNumpy()
        dtype = self._types.get(self._input.Type())
        if dtype is None:
            stored: Any = x.astype(np.float32)
        else:
            scale, zero = self._quantization(self._input)
            limits = np.iinfo(dtype)
            stored = np.clip(np.rint(np.asarray(x, np.float32) / scale) + zero, limits.min, limits.max).astype(dtype)
        for sample in stored:
            yield sample.reshape(shape)

    def real(self, stored: Array) -> Array:
        if self._output.Type() not in self._types:
            return stored
        scale, zero = self._quantization(self._output)
        return ((stored.astype(np.float32) - zero) * scale).astype(np.float32)

    @staticmethod
    def _quantization(tensor: Any) -> tuple[np.float32, int]:
        quantization = tensor.Quantization()
        return np.float32(quantization.Scale(0)), int(quantization.ZeroPoint(0))
