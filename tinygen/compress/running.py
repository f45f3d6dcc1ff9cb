"""Run an int8 flatbuffer on float samples: quantize in, dequantize out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Array
from tinygen.oracle import InProcessOracle

__all__ = ["input_means", "oracle_outputs"]


def oracle_outputs(tflite: bytes, x: Array) -> Array:
    """What the board will answer: TensorFlow Lite Micro's outputs in real numbers, [samples, …]."""
    oracle = InProcessOracle(tflite, preserve_all=False)
    io = _Ports(tflite)
    outputs = [oracle.run(sample)[0] for sample in io.samples(x)]
    return io.real(np.concatenate(outputs))


def input_means(tflite: bytes, x: Array, tensors: set[int]) -> dict[int, NDArray[np.float64]]:
    """Mean of some tensors over the samples and all but the last dimension, in stored units [channels]."""
    oracle = InProcessOracle(tflite, preserve_all=True)
    io = _Ports(tflite)
    sums: dict[int, NDArray[np.float64]] = {}
    count = 0
    for sample in io.samples(x):
        oracle.run(sample)
        seen = oracle.tensors() | {io.input_index: sample}
        for tensor in tensors & seen.keys():
            values = np.asarray(seen[tensor], np.float64)
            mean = values.reshape(-1, values.shape[-1]).mean(axis=0)
            sums[tensor] = sums.get(tensor, np.zeros_like(mean)) + mean
        count += 1
    return {tensor: total / max(count, 1) for tensor, total in sums.items()}


class _Ports:
    """The only input and output of a flatbuffer."""

    def __init__(self, tflite: bytes) -> None:
        import tflite as schema

        graph = schema.Model.GetRootAs(tflite).Subgraphs(0)
        self.input_index = int(graph.Inputs(0))
        self._types: dict[int, type[np.integer[Any]]] = {
            schema.TensorType.INT8: np.int8,
            schema.TensorType.UINT8: np.uint8,
            schema.TensorType.INT16: np.int16,
        }
        self._input, self._output = (graph.Tensors(index) for index in (graph.Inputs(0), graph.Outputs(0)))

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
