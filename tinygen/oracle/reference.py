"""The reference interpreter in a child process, where it may crash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygen.child import CrashError, Message, run_child
from tinygen.errors import DataError, ModelError
from tinygen.ir import Array

__all__ = ["reference_outputs", "reference_tensors"]

TIMEOUT_SECONDS = 900.0


def reference_outputs(
    tflite: bytes,
    inputs: Sequence[tuple[Array, ...]],
    *,
    preserve_all: bool = False,
    arena_bytes: int | None = None,
    name: str = "model",
) -> list[tuple[Array, ...]]:
    """What TensorFlow Lite Micro computes.

    Args:
        tflite: the flatbuffer.
        inputs: one tuple for each vector, with one array for each model input, of its exact shape and type.
        preserve_all: keep tensors apart in memory; no output differs by it unless a kernel is wrong.
        arena_bytes: size of TFLM's arena; by default ample for the model.
        name: what messages call the model, such as ``kws.tflite``.

    Returns:
        One tuple for each vector, with one array for each model output.

    Raises:
        ModelError: TFLM refuses the model, or crashes on it.
        DataError: number, shape or type of the inputs does not fit.
        ToolError: the wheel is missing, or took too long.
    """
    if not inputs:
        return []
    stored = _run(tflite, inputs, name, preserve_all=preserve_all, arena_bytes=arena_bytes, tensors=False)
    columns = [stored[f"output{i}"] for i in range(len(stored))]
    return [tuple(column[i] for column in columns) for i in range(len(inputs))]


def reference_tensors(tflite: bytes, vector: tuple[Array, ...], *, name: str = "model") -> dict[int, Array]:
    """Every tensor that an operator writes when TFLM runs ``vector``, by tensor index.

    Arguments and errors are those of ``reference_outputs``.
    """
    stored = _run(tflite, [vector], name, preserve_all=True, arena_bytes=None, tensors=True)
    return {int(key.removeprefix("tensor")): value for key, value in stored.items()}


def _run(tflite: bytes, inputs: Sequence[tuple[Array, ...]], name: str, **settings: object) -> dict[str, Array]:
    arrays = {"tflite": np.frombuffer(tflite, np.uint8), **_columns(inputs, name)}
    try:
        answer = run_child(
            "tinygen.oracle.worker",
            Message(settings, arrays),
            subject=f"{name}: the reference interpreter",
            time_limit=TIMEOUT_SECONDS,
            keep_words=True,
        )
    except CrashError as error:
        reason = f"the reference interpreter failed: {error.how}"
        raise ModelError(f"{name}: {reason}", hint=error.hint, details=error.details) from error
    except ModelError as error:
        # TFLM says first what it stumbled over, and then what followed from it.
        reason = f" ({error.details[0]})" if error.details else ""
        raise ModelError(f"{name}: {error.message}{reason}", details=error.details) from error
    except DataError as error:
        raise DataError(f"{name}: {error.message}", details=error.details) from error
    return dict(answer.arrays)


def _columns(inputs: Sequence[tuple[Array, ...]], name: str) -> dict[str, Array]:
    """All vectors' values of one model input as one array, since thousands of small files are slow."""
    try:
        return {f"input{i}": np.stack(column) for i, column in enumerate(zip(*inputs, strict=True))}
    except ValueError as error:
        raise DataError(f"{name}: the input vectors differ among themselves: {error}") from error
