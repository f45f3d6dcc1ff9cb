"""Recipes on models that are int8 already: a .tflite has no float weights to train, its tensors can be rewritten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.int8 import int8_weights
from tinygen.compress.recipe import Recipe, find_recipe, shipped_recipes
from tinygen.compress.running import oracle_outputs
from tinygen.compress.settings import Phase, Ptq, Sensitivity, Step
from tinygen.compress.task import Split, Task, make_task
from tinygen.errors import DataError, OptionError, UnsupportedError
from tinygen.ir import DType, Graph, ModelInterface
from tinygen.load.dataset import FORMAT_HINT, Dataset, fit
from tinygen.load.source import read_flatbuffer
from tinygen.load.tflite import read_graph
from tinygen.load.vectors import choose_vectors

__all__ = ["UNMEASURED", "Int8Model", "check_recipe", "read_int8", "task_without_samples"]

Array = NDArray[Any]
UNMEASURED = (
    "There were no samples: nothing was measured, so that no floor was judged, and biases were not corrected. "
    "Pass some with --data."
)
_KERAS_HINT = "Pass the .keras, .h5 or SavedModel that it was made from"


@dataclass(frozen=True, slots=True, eq=False)
class Int8Model:
    """A .tflite that tinygen's reader has accepted."""

    tflite: bytes
    graph: Graph
    interface: ModelInterface

    def fitted(self, dataset: Dataset) -> Dataset:
        """The samples in the shape of the model's input.

        Raises:
            DataError: they don't fit.
        """
        port = self.interface.inputs[0]
        return fit(dataset, [port.shape[1:] if port.shape[:1] == (1,) else port.shape], self.interface.name)

    def task(self, dataset: Dataset, metric: str) -> Task:
        """What the model is for, by fitted samples, in real numbers or as its input stores them.

        Raises:
            UnsupportedError, OptionError, DataError: as ``make_task``.
        """
        port = self.interface.inputs[0]
        vectors = choose_vectors(self.interface, dataset, None)
        x = np.stack([vector[0] for vector in vectors.inputs]).reshape(dataset.inputs[0].shape).astype(np.float32)
        if port.quantization is not None:
            x = (x - np.float32(port.quantization.zero_point)) * np.float32(port.quantization.scale)
        real = Dataset((x,), dataset.y, dataset.path)
        return make_task(real, (oracle_outputs(self.tflite, x),), metric, self.interface.name)


def read_int8(path: Path, recipe: Recipe, *, measured: bool) -> Int8Model:
    """Read a .tflite and see that a recipe can work on it.

    Args:
        measured: there are samples.

    Raises:
        ModelError, UnsupportedError, OptionError, DataError: it can't be read, or the recipe can't work on it.
    """
    check_recipe(recipe, path.name, measured=measured)
    tflite = read_flatbuffer(path)
    graph = read_graph(tflite, source=path.name, name=path.name)
    interface = ModelInterface.of(graph, path.name)
    if len(interface.inputs) != 1 or len(interface.outputs) != 1:
        raise UnsupportedError(
            f"{path.name}: {len(interface.inputs)} inputs and {len(interface.outputs)} outputs; "
            "compression takes one of each",
            hint="Build the model without a recipe.",
        )
    weights = int8_weights(bytearray(tflite))
    if not weights:
        raise UnsupportedError(
            f"{path.name}: holds no int8 weights, and recipes rewrite nothing else in a .tflite file",
            hint=f"{_KERAS_HINT}: recipes quantize it.",
        )
    for number, step in enumerate(recipe.steps, 1):
        if isinstance(step, Ptq):
            wide = any(graph.tensors[w.input_tensor].dtype is DType.INT16 for w in weights)
            coarse = any(w.kind == "dense" and len(w.scales) == 1 < w.matrix.shape[1] for w in weights)
            problem = _undone(step, wide=wide, coarse=coarse)
            if problem:
                raise OptionError(
                    f"{_place(path.name, recipe, number, step)}: {problem}; the file is quantized already",
                    hint=f"{_KERAS_HINT}, or take the setting out of the recipe.",
                )
    return Int8Model(tflite, graph, interface)


def check_recipe(recipe: Recipe, source: str, *, measured: bool) -> None:
    """Refuse what no .tflite file can give.

    Raises:
        UnsupportedError: a step that works on the float model.
        DataError: a step that measures, without samples.
    """
    for number, step in enumerate(recipe.steps, 1):
        if step.phase in (Phase.FLOAT, Phase.QAT):
            fit_for_it = ", ".join(name for name in shipped_recipes() if _works_on_int8(find_recipe(name)))
            raise UnsupportedError(
                f"{_place(source, recipe, number, step)}: works on the float model, and a .tflite file has none",
                hint=f"{_KERAS_HINT}, or take a recipe that rewrites int8 tensors: {fit_for_it}.",
            )
        if isinstance(step, Sensitivity) and not measured:
            raise DataError(
                f"{_place(source, recipe, number, step)}: measures on samples, and there are none",
                hint=f"Pass them with --data samples.npz. {FORMAT_HINT}",
            )


def task_without_samples() -> tuple[Task, Split]:
    """A task in which there is nothing to measure, and its split."""
    nothing, nobody = np.zeros((0, 1), np.float32), np.zeros(0, np.int64)
    return Task(nothing, "values", None, None, "", nothing), Split(nobody, nobody, nobody, stratified=False)


def _works_on_int8(recipe: Recipe) -> bool:
    return not any(
        step.phase in (Phase.FLOAT, Phase.QAT) or (isinstance(step, Ptq) and _undone(step, wide=False, coarse=True))
        for step in recipe.steps
    )


def _undone(step: Ptq, *, wide: bool, coarse: bool) -> str:
    """What a conversion would do that a file does not have.

    Args:
        wide: the file's activations have 16 bits.
        coarse: a dense layer has one scale for all of its neurons.
    """
    if step.activations == "int16" and not wide:
        return "can't give 16-bit activations"
    if step.dense_per_channel and coarse:
        return "can't give dense layers a scale for each neuron"
    return ""


def _place(source: str, recipe: Recipe, number: int, step: Step) -> str:
    return f"{source}: recipe {recipe.name}: step {number} ({step.kind})"
