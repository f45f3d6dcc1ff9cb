"""The reference interpreter in a child process, where it may crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import tinygen
from tinygen.errors import DataError, ModelError, TinygenError, ToolError
from tinygen.ir import Array

__all__ = ["EXIT_CODES", "reference_outputs", "reference_tensors"]

# How the worker says which error its error.txt describes.
EXIT_CODES: dict[int, type[TinygenError]] = {3: ModelError, 4: DataError, 5: ToolError}

TIMEOUT_SECONDS = 900.0
LAST_LINES = 12


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


def _run(tflite: bytes, inputs: Sequence[tuple[Array, ...]], name: str, **request: object) -> dict[str, Array]:
    with tempfile.TemporaryDirectory(prefix="tinygen-oracle-") as temporary:
        folder = Path(temporary)
        (folder / "model.tflite").write_bytes(tflite)
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        np.savez(folder / "inputs.npz", **_columns(inputs, name))  # type: ignore[arg-type]
        finished = _child(folder, name)
        if finished.returncode != 0:
            raise _failure(folder, finished, name)
        with np.load(folder / "outputs.npz", allow_pickle=False) as outputs:
            return {key: outputs[key] for key in outputs.files}


def _columns(inputs: Sequence[tuple[Array, ...]], name: str) -> dict[str, Array]:
    """All vectors' values of one model input as one array, since thousands of small files are slow."""
    try:
        return {f"input{i}": np.stack(column) for i, column in enumerate(zip(*inputs, strict=True))}
    except ValueError as error:
        raise DataError(f"{name}: the input vectors differ among themselves: {error}") from error


def _child(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    package_home = str(Path(tinygen.__file__).resolve().parents[1])
    search_path = os.pathsep.join(filter(None, [package_home, os.environ.get("PYTHONPATH")]))
    try:
        return subprocess.run(
            [sys.executable, "-m", "tinygen.oracle.worker", str(folder)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": search_path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"{name}: the reference interpreter did not finish within {TIMEOUT_SECONDS:.0f} s",
            hint="Pass fewer vectors.",
        ) from error


def _failure(folder: Path, finished: subprocess.CompletedProcess[str], name: str) -> TinygenError:
    lines = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
    kind = EXIT_CODES.get(finished.returncode, ModelError)
    report = folder / "error.txt"
    if report.exists():
        message = report.read_text(encoding="utf-8")
        # TFLM says first what it stumbled over, and then what followed from it.
        reason = f"{message} ({lines[0]})" if lines and kind is ModelError else message
    else:
        reason = f"the reference interpreter {_ending(finished.returncode)}"
    return kind(f"{name}: {reason}", details=lines[-LAST_LINES:])


def _ending(status: int) -> str:
    if status >= 0:
        return f"failed with status {status}"
    try:
        return f"crashed with {signal.Signals(-status).name}"
    except ValueError:
        return f"crashed with signal {-status}"
