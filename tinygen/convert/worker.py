"""The child process that loads, (later) compresses and converts a model: ``python -m tinygen.convert.worker DIR``.

Its stages are a flat list in ``handle``; each takes the model of the stage before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.child import Message, progress, serve
from tinygen.convert.quantize import predict, quantize
from tinygen.load import SourceKind
from tinygen.load.dataset import Dataset, fit
from tinygen.load.keras import load_source

__all__ = ["handle"]

# Converting MobileNetV1 0.25 takes less than 2 GiB.
MEMORY_LIMIT_BYTES = 16 << 30


def handle(request: Message) -> Message:
    """Convert one model.

    Request: values ``source``, ``kind``, ``data_path``, ``allow_custom_code``, ``calibration_samples``,
    ``dense_per_channel``;
    arrays ``x_0``, ``x_1``, … .
    Answer: value ``notes``; arrays ``tflite`` (bytes), ``output_0``, … (float model), ``input_0``, … (fitted).
    """
    values = request.values
    source = Path(values["source"])
    raw = Dataset(tuple(request.arrays[f"x_{i}"] for i in range(len(request.arrays))), None, values["data_path"])

    progress("importing TensorFlow")
    import tensorflow  # noqa: F401

    progress(f"loading {source.name}")
    model = load_source(
        source,
        SourceKind(values["kind"]),
        allow_custom_code=values["allow_custom_code"],
        sample_shapes=[x.shape[1:] for x in raw.inputs],
    )
    dataset = fit(raw, model.input_shapes, source.name)

    progress(f"running the float model on {len(dataset)} samples")
    outputs = predict(model, dataset)

    calibration = dataset.spread(values["calibration_samples"])
    progress(f"quantizing on {len(calibration)} samples")
    tflite = quantize(model, calibration, source.name, dense_per_channel=values["dense_per_channel"])

    arrays: dict[str, NDArray[Any]] = {"tflite": np.frombuffer(tflite, np.uint8)}
    arrays |= {f"output_{i}": output for i, output in enumerate(outputs)}
    arrays |= {f"input_{i}": x for i, x in enumerate(dataset.inputs)}
    return Message({"notes": list(model.notes)}, arrays)


if __name__ == "__main__":
    serve(handle, memory_limit_bytes=MEMORY_LIMIT_BYTES)
