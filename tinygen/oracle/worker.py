"""The child process of ``tinygen.oracle.reference``: runs vectors through the interpreter."""

from __future__ import annotations

import numpy as np

from tinygen.child import Message, serve
from tinygen.oracle.interpreter import InProcessOracle

__all__ = ["handle"]


def handle(request: Message) -> Message:
    """Run all vectors of a request.

    Request: values ``preserve_all``, ``arena_bytes`` (null for ample), ``tensors`` (whether to return the last vector's
    tensors instead of all outputs); arrays ``tflite``, ``input0``, …, each with one row for each vector.
    Answer: arrays ``output0``, …, or ``tensor<index>``.
    """
    inputs = dict(request.arrays)
    tflite = inputs.pop("tflite").tobytes()
    oracle = InProcessOracle(
        tflite, preserve_all=request.values["preserve_all"], arena_bytes=request.values["arena_bytes"]
    )
    columns = [inputs[f"input{i}"] for i in range(len(inputs))]
    outputs = [oracle.run(*vector) for vector in zip(*columns, strict=True)]
    if request.values["tensors"]:
        return Message(arrays={f"tensor{t}": value for t, value in oracle.tensors().items()})
    return Message(arrays={f"output{i}": np.stack(column) for i, column in enumerate(zip(*outputs, strict=True))})


if __name__ == "__main__":
    serve(handle)
