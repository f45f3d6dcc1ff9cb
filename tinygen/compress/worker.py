"""The child process that compresses a model: ``python -m tinygen.compress.worker DIR``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.child import Message, progress, serve
from tinygen.compress.converted import read_int8
from tinygen.compress.engine import Outcome, run_on_int8, run_recipe
from tinygen.compress.recipe import Recipe, parse_recipe
from tinygen.compress.saving import save_keras
from tinygen.load import SourceKind
from tinygen.load.dataset import Dataset, fit
from tinygen.load.keras import load_tf_keras

__all__ = ["handle"]

MEMORY_LIMIT_BYTES = 32 << 30


def handle(request: Message) -> Message:
    """Compress one model.

    Request: values ``source``, ``kind``, ``data_path``, ``recipe``, ``hashes``, ``cache``, ``resume``,
    ``allow_custom_code``; arrays ``x_0``, … if there are samples, and ``y`` if there is one.
    Answer: values ``log``, ``missed`` (index of the step that fell below its floor, or null); arrays ``tflite``,
    ``keras`` (bytes; not of a .tflite), ``reference`` (the original's outputs), ``input`` (fitted), ``validation``
    (positions).
    """
    values = request.values
    source = Path(values["source"])
    inputs = tuple(request.arrays[f"x_{i}"] for i in range(sum(name.startswith("x_") for name in request.arrays)))
    raw = Dataset(inputs, request.arrays.get("y"), values["data_path"]) if inputs else None
    recipe = parse_recipe(values["recipe"], values["recipe"]["name"])
    run = _on_int8 if values["kind"] == SourceKind.TFLITE.value else _on_keras
    outcome, dataset = run(source, raw, recipe, values)
    assert outcome.state.tflite is not None
    arrays: dict[str, NDArray[Any]] = {
        "tflite": np.frombuffer(outcome.state.tflite, np.uint8),
        "reference": outcome.task.reference,
        "input": outcome.task.x if dataset is None else dataset.inputs[0],
        "validation": outcome.split.validation,
    }
    if outcome.state.model is not None:
        arrays["keras"] = np.frombuffer(save_keras(outcome.state.model), np.uint8)
    missed = None if outcome.missed is None else outcome.missed.index
    return Message({"log": outcome.log.to_dict(), "missed": missed}, arrays)


def _on_keras(source: Path, raw: Dataset | None, recipe: Recipe, values: Mapping[str, Any]) -> tuple[Outcome, Dataset]:
    assert raw is not None, "compress_model asks for samples"
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
    custom = values["allow_custom_code"]
    return run_recipe(model, dataset, recipe, source=source.name, allow_custom_code=custom, **_common(values)), dataset


def _on_int8(
    source: Path, raw: Dataset | None, recipe: Recipe, values: Mapping[str, Any]
) -> tuple[Outcome, Dataset | None]:
    model = read_int8(source, recipe, measured=raw is not None)
    dataset = None if raw is None else model.fitted(raw)
    return run_on_int8(model, dataset, recipe, **_common(values)), dataset


def _common(values: Mapping[str, Any]) -> dict[str, Any]:
    hashes = (values["hashes"][0], values["hashes"][1])
    return {"hashes": hashes, "cache": Path(values["cache"]), "resume": values["resume"], "say": progress}


if __name__ == "__main__":
    serve(handle, memory_limit_bytes=MEMORY_LIMIT_BYTES)
