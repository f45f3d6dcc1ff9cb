"""Compress trained models by recipes: pruning, clustering, quantization and their combinations.

Training runs in a child process (``tinygen.compress.worker``); nothing that is imported here imports TensorFlow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.child import Message, run_child
from tinygen.compress.converted import check_recipe
from tinygen.compress.folders import cache_folder
from tinygen.compress.log import CompressionLog, StepRecord, shown
from tinygen.compress.recipe import Recipe, find_recipe, shipped_recipes
from tinygen.convert import ENVIRONMENT
from tinygen.errors import DataError, MismatchError
from tinygen.load import SourceKind
from tinygen.load.dataset import FORMAT_HINT, Dataset
from tinygen.load.source import hash_source

__all__ = [
    "Compressed",
    "CompressionLog",
    "Recipe",
    "StepRecord",
    "compress_model",
    "find_recipe",
    "shipped_recipes",
    "shown",
]

_CRASH_HINT = "TensorFlow crashed. Try the recipe's steps one by one to see which; recurrent layers are a usual cause."


@dataclass(frozen=True, slots=True, eq=False)
class Compressed:
    """What compression gives.

    Attributes:
        tflite: int8 flatbuffer; of the last good step where one missed its floor.
        keras: .keras archive (Keras 2) of the float model with the same weights; ``None`` for .tflite.
        reference: the original model's outputs on all samples, float32 [samples, …]; the float model's if there is one.
        inputs: the samples as the model takes them; none if there was no data.
        validation: positions of the samples that nothing was trained on or chosen by.
        missed: what to raise once the results are safe, if a step fell below its floor.
    """

    tflite: bytes
    keras: bytes | None
    reference: NDArray[Any]
    inputs: NDArray[Any]
    validation: NDArray[np.int64]
    log: CompressionLog
    missed: MismatchError | None


def compress_model(
    source: Path,
    kind: SourceKind,
    dataset: Dataset | None,
    recipe: Recipe,
    *,
    cache: Path | None = None,
    resume: bool = True,
    allow_custom_code: bool = False,
    time_limit: float = 24 * 3600.0,
    on_progress: Callable[[str], None] | None = None,
) -> Compressed:
    """Run a recipe on a Keras model, or one without training on an int8 .tflite.

    Finished steps are kept in ``cache`` and not done again, also after an interruption, unless ``resume`` is false.
    The same model, data and recipe give the same bytes.

    Args:
        source: the model; ``kind`` as ``tinygen.load.detect`` says.
        dataset: samples with or without labels; may be ``None`` for .tflite: then nothing is measured.
        cache: folder; ``None`` for the user's cache folder (``$TINYGEN_CACHE``, ``~/.cache/tinygen``).
        time_limit: seconds.
        on_progress: called with what is being done.

    Raises:
        DataError: no data, too few, or they don't fit.
        OptionError: the recipe asks for what this model or data can't give.
        ModelError, UnsupportedError: unreadable, or without a Keras 2 form; a step that a .tflite can't go through.
        ToolError: TensorFlow crashed or took too long.
    """
    if kind is SourceKind.TFLITE:
        check_recipe(recipe, source.name, measured=dataset is not None)
    elif dataset is None:
        raise DataError(
            f"{source}: recipe {recipe.name} is tuned and judged on samples, and there are none",
            hint=f"Pass them with --data samples.npz. {FORMAT_HINT}",
        )
    request = Message(
        {
            "source": str(source.absolute()),
            "kind": kind.value,
            "data_path": "" if dataset is None else dataset.path,
            "recipe": recipe.to_dict(),
            "hashes": [hash_source(source), "" if dataset is None else _hash_dataset(dataset)],
            "cache": str((cache or cache_folder()).absolute()),
            "resume": resume,
            "allow_custom_code": allow_custom_code,
        },
        {} if dataset is None else _arrays(dataset),
    )
    answer = run_child(
        "tinygen.compress.worker",
        request,
        subject=f"compressing {source.name}",
        time_limit=time_limit,
        on_progress=on_progress,
        environment=ENVIRONMENT | {"TF_USE_LEGACY_KERAS": "1"},
        crash_hint=_CRASH_HINT,
    )
    log = CompressionLog.from_dict(answer.values["log"])
    return Compressed(
        tflite=answer.arrays["tflite"].tobytes(),
        keras=answer.arrays["keras"].tobytes() if "keras" in answer.arrays else None,
        reference=answer.arrays["reference"],
        inputs=answer.arrays["input"],
        validation=answer.arrays["validation"],
        log=log,
        missed=None if answer.values["missed"] is None else _below_floor(source, recipe, log),
    )


def _below_floor(source: Path, recipe: Recipe, log: CompressionLog) -> MismatchError:
    lost = log.steps[-1]
    kept = f"step {lost.index - 1} ({log.steps[-2].kind})" if lost.index > 1 else "the uncompressed model"
    return MismatchError(
        f"{source.name}: recipe {recipe.name}: step {lost.index} ({lost.kind}) fell below its floor: "
        f"{lost.target} {log.metric} {shown(lost.after)}, {shown(lost.drop)} worse than the uncompressed model's; "
        f"at most {lost.max_drop:g} is allowed",
        hint=(
            "Compress less in that step, raise its max_drop, or pass the Keras model to a recipe that trains."
            if source.suffix == ".tflite"
            else "Train longer, on more samples, compress less in that step, or raise its max_drop."
        ),
        details=[f"kept: {kept}, int8 {log.metric} {shown(log.int8_metric)}"],
    )


def _arrays(dataset: Dataset) -> dict[str, NDArray[Any]]:
    return {f"x_{i}": x for i, x in enumerate(dataset.inputs)} | ({} if dataset.y is None else {"y": dataset.y})


def _hash_dataset(dataset: Dataset) -> str:
    digest = hashlib.sha256()
    for array in (*dataset.inputs, *([] if dataset.y is None else [dataset.y])):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
