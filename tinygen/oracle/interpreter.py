"""TensorFlow Lite Micro's interpreter, in this process."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygen.errors import DataError, ModelError, ToolError
from tinygen.ir import Array

__all__ = ["InProcessOracle"]

MIB = 1 << 20
# Enough for any microcontroller's model many times over; keeps a mistaken shape from taking the machine's memory.
MAX_ARENA_BYTES = 1 << 30


class InProcessOracle:
    """One model in the reference interpreter.

    TFLM believes what it reads: a model that tinygen's reader has not accepted may crash this process.

    Args:
        tflite: the flatbuffer.
        preserve_all: keep every tensor apart in memory, so that ``tensors`` can show them.
        arena_bytes: size of TFLM's arena; by default ample for the model.

    Raises:
        ModelError: TFLM refuses the model; the reason is on stderr.
        ToolError: the wheel is missing.
    """

    def __init__(self, tflite: bytes, *, preserve_all: bool = True, arena_bytes: int | None = None) -> None:
        runtime = _runtime()
        self._tflite = tflite
        self._graph = _first_graph(runtime, tflite)
        self._preserve_all = preserve_all
        config = runtime.InterpreterConfig
        try:
            self._interpreter = runtime.Interpreter.from_bytes(
                tflite,
                arena_size=_arena_bytes(self._graph, len(tflite)) if arena_bytes is None else arena_bytes,
                intrepreter_config=config.kPreserveAllTensors if preserve_all else config.kAllocationRecording,
            )
        except RuntimeError as error:
            raise ModelError(f"TensorFlow Lite Micro refuses the model: {error}") from error

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        """Run one inference.

        Args:
            inputs: one array for each model input, of its exact shape and type.

        Returns:
            One array for each model output.

        Raises:
            DataError: number, shape or type of the inputs does not fit.
            ModelError: TFLM refuses the model at run time.
        """
        if len(inputs) != len(self._graph.inputs):
            raise DataError(f"the model takes {len(self._graph.inputs)} inputs, got {len(inputs)}")
        for index, value in enumerate(inputs):
            try:
                self._interpreter.set_input(np.asarray(value, order="C"), index)
            except ValueError as error:
                raise DataError(f"input {index}: {error}") from error
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ModelError(f"TensorFlow Lite Micro fails to run the model: {error}") from error
        return tuple(np.array(self._interpreter.get_output(i)) for i in range(len(self._graph.outputs)))

    def tensors(self) -> dict[int, Array]:
        """Contents of every tensor that an operator wrote in the last run, by tensor index."""
        assert self._preserve_all, "without preserve_all, tensors share memory"
        written = sorted({int(t) for op in self._graph.operators for t in op.outputs})
        return {t: np.array(self._interpreter.GetTensor(t, 0)["tensor_data"]) for t in written}


def _runtime() -> Any:
    try:
        from tflite_micro import runtime
    except ImportError as error:
        raise ToolError(
            f"the reference interpreter can't be imported: {error}",
            hint="Install tinygen's pinned version of the tflite-micro wheel.",
        ) from error
    return runtime


def _first_graph(runtime: Any, tflite: bytes) -> Any:
    try:
        return runtime.convert_bytearray_to_object(tflite).subgraphs[0]
    except Exception as error:  # the generated accessors raise whatever the bytes lead them to
        raise ModelError(f"not a readable TensorFlow Lite flatbuffer: {error}") from error


def _arena_bytes(graph: Any, model_bytes: int) -> int:
    """An arena that is always large enough.

    The wheel's own guess, ten times the file, is too small for small models with large activations. With all
    tensors preserved, activations add up; scratch buffers hold at most some int32 for each element.
    """
    activations = sum(math.prod(_dims(t)) for t in graph.tensors)
    return int(min(MIB + 10 * model_bytes + 16 * activations, MAX_ARENA_BYTES))


def _dims(tensor: Any) -> list[int]:
    return [] if tensor.shape is None else [max(int(d), 1) for d in tensor.shape]
