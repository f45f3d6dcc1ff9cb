"""The child process that compresses a model: ``python -m tinygen.compress.worker DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.child import Message, progress, serve
from tinygen.compress.engine import run_recipe
from tinygen.compress.recipe import parse_recipe
from tinygen.compress.saving import save_keras
from tinygen.load import SourceKind
from tinygen.load.dataset import Dataset, fit
from tinygen.load.keras import load_tf_keras

__all__ = ["handle"]

MEMORY_LIMIT_BYTES = 32 << 30


def handle(request: Message) -> Message:
    """Compress one model.

    Request: values ``source``, ``kind``, ``data_path``, ``recipe``, ``hashes``, ``cache``, ``resume``,
    ``allow_custom_code``; arrays ``x_0``, … and ``y`` if there is one.
    Answer: values ``log``, ``missed`` (index of the step that fell below its floor, or null); arrays ``tflite``,
    ``keras`` (bytes), ``reference`` (the original's outputs), ``input`` (fitted), ``validation`` (positions).
    """
    values = request.values
    source = Path(values["source"])
    inputs = tuple(request.arrays[f"x_{i}"] for i in range(sum(name.startswith("x_") for name in request.arrays)))
    raw = Dataset(inputs, request.arrays.get("y"), values["data_path"])

    progress("importing TensorFlow")
    import tensorflow  # noqa: F401

    progress(f"loading {source.name}")
    model = load_tf_keras(
        source,
        SourceKind(values["kind"]),
        allow_custom_code=values["allow_custom_code"],
        sample_shapes=[x.shape[1:] for x in raw.inputs],
    )
    dataset = fit(raw, [tuple(tensor.shape[1:]) for tensor in model.inputs], source.name)
    outcome = run_recipe(
        model,
        dataset,
        parse_recipe(values["recipe"], values["recipe"]["name"]),
        source=source.name,
        hashes=(values["hashes"][0], values["hashes"][1]),
        cache=Path(values["cache"]),
        resume=values["resume"],
        say=progress,
        allow_custom_code=values["allow_custom_code"],
    )
    assert outcome.state.tflite is not None
    arrays: dict[str, NDArray[Any]] = {
        "tflite": np.frombuffer(outcome.state.tflite, np.uint8),
        "keras": np.frombuffer(save_keras(outcome.state.model), np.uint8),
        "reference": outcome.task.reference,
        "input": dataset.inputs[0],
        "validation": outcome.split.validation,
    }
    missed = None if outcome.missed is None else outcome.missed.index
    return Message({"log": outcome.log.to_dict(), "missed": missed}, arrays)


if __name__ == "__main__":
    serve(handle, memory_limit_bytes=MEMORY_LIMIT_BYTES)
