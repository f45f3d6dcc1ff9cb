"""Turn float models into int8 TensorFlow Lite flatbuffers.

The conversion itself runs in a child process (``tinygen.convert.worker``); nothing here imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinygen.child import Message, run_child
from tinygen.errors import DataError, UnsupportedError
from tinygen.load import SourceKind
from tinygen.load.dataset import FORMAT_HINT, Dataset

__all__ = ["ENVIRONMENT", "Conversion", "to_int8"]

CALIBRATION_SAMPLES = 256

# On the CPU, quiet, and whatever the user's ~/.keras says (the child works in a directory of its own):
# the same model gives the same bytes everywhere.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": "keras-home",
    "PYTHONHASHSEED": "0",
    "PYTHONWARNINGS": "ignore",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_CRASH_HINT = (
    "TensorFlow's converter crashed on this model. Recurrent layers are the usual cause: "
    "give them a fixed number of time steps or unroll=True, or convert the model yourself and pass the .tflite."
)


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """What conversion gives.

    Attributes:
        tflite: the flatbuffer, int8 in and out, batch 1.
        float_outputs: the float model's outputs on each of the data set's samples, float32 [samples, …].
        inputs: the samples as the model takes them, in its inputs' shapes and types.
        notes: what the user should know, one sentence each.
    """

    tflite: bytes
    float_outputs: tuple[NDArray[Any], ...] | None
    inputs: tuple[NDArray[Any], ...]
    notes: tuple[str, ...]


def to_int8(
    source: Path,
    kind: SourceKind,
    dataset: Dataset | None,
    *,
    allow_custom_code: bool = False,
    calibration_samples: int = CALIBRATION_SAMPLES,
    dense_per_channel: bool = False,
    time_limit: float = 600.0,
    on_progress: Callable[[str], None] | None = None,
) -> Conversion:
    """Quantize a Keras model or SavedModel after training: weights, activations, inputs and outputs in int8.

    Args:
        source: the model; ``kind`` as ``tinygen.load.detect`` says.
        dataset: samples as the model takes them, for the ranges of its activations.
        calibration_samples: how many of them set the ranges, evenly spaced over the data set.
        dense_per_channel: give each neuron of a dense layer a scale of its own: 8 bytes of flash each, often
            closer to the float model.
        time_limit: seconds for loading and converting.
        on_progress: called with what is being done.

    Raises:
        DataError: no data, or samples that don't fit the model.
        ModelError: unreadable or hostile.
        UnsupportedError: the converter has no int8 form of an operator, or ``source`` is a .tflite file.
        ToolError: the converter crashed or took too long.
    """
    if kind is SourceKind.TFLITE:
        raise UnsupportedError(f"{source}: a .tflite file is converted already")
    if dataset is None:
        raise DataError(
            f"{source}: a Keras model is quantized on samples of its input, and there are none",
            hint=f"Pass them with --data samples.npz. {FORMAT_HINT}",
        )
    request = Message(
        {
            "source": str(source.absolute()),
            "kind": kind.value,
            "data_path": dataset.path,
            "allow_custom_code": allow_custom_code,
            "calibration_samples": calibration_samples,
            "dense_per_channel": dense_per_channel,
        },
        {f"x_{i}": x for i, x in enumerate(dataset.inputs)},
    )
    answer = run_child(
        "tinygen.convert.worker",
        request,
        subject=f"converting {source.name}",
        time_limit=time_limit,
        on_progress=on_progress,
        environment=ENVIRONMENT,
        crash_hint=_CRASH_HINT,
    )
    return Conversion(
        tflite=answer.arrays["tflite"].tobytes(),
        float_outputs=_numbered(answer, "output"),
        inputs=_numbered(answer, "input"),
        notes=tuple(answer.values["notes"]),
    )


def _numbered(answer: Message, stem: str) -> tuple[NDArray[Any], ...]:
    """Arrays ``stem_0``, ``stem_1``, … of a message."""
    count = sum(name.startswith(f"{stem}_") for name in answer.arrays)
    return tuple(answer.arrays[f"{stem}_{i}"] for i in range(count))
