"""How good the outputs are: those of the float model, of the reference, and of the board.

What a model is for is found out as recipes do it (``tinygen.compress.task``), so that a build, a recipe's log and a
comparison measure alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress import metrics
from tinygen.compress.task import Task, make_task
from tinygen.errors import InputError
from tinygen.ir import ModelInterface, Port
from tinygen.load.dataset import Dataset, fit
from tinygen.load.vectors import Vectors
from tinygen.pipeline.verifying import Verified
from tinygen.report import Accuracy

__all__ = ["NOT_JUDGED", "Judgement", "agreement", "judge"]

Array = NDArray[Any]
# Names in the report -> names of recipes' metrics.
_NAMES = {"accuracy": "accuracy", "f1": "macro_f1", "auc": "auc", "mse": "mse", "agreement": "agreement"}


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What the outputs are worth.

    Attributes:
        metric: the one of ``metrics`` that suits the model best; empty if nothing can be measured.
        metrics: name -> ``float``, ``int8`` and ``board``; ``None`` where there is no such model.
        samples: positions in the user's data of the vectors that were judged.
        choices: the class that the board chose for each of them; ``None`` if the model is no classifier.
    """

    metric: str
    metrics: dict[str, dict[str, float | None]]
    samples: tuple[int, ...] = ()
    choices: NDArray[np.int64] | None = None

    @property
    def accuracy(self) -> Accuracy:
        """The report's oldest metric."""
        return Accuracy(**self.metrics.get("accuracy", {}))


NOT_JUDGED = Judgement("", {})


def judge(
    interface: ModelInterface,
    vectors: Vectors,
    verified: Verified,
    dataset: Dataset | None,
    float_outputs: tuple[Array, ...] | None,
    positions: Sequence[int] | None = None,
    original_outputs: tuple[Array, ...] | None = None,
) -> Judgement:
    """Measure what the data allow: nothing for random vectors or for several inputs or outputs.

    Args:
        dataset: where the vectors are from.
        float_outputs: of the float model on all of ``dataset``.
        positions: of the samples of ``dataset`` in the user's file, if it is a part of that.
        original_outputs: what agreement is measured against, on all of ``dataset``: those of the model before
            compression; by default the float model's, or else the reference's own.
    """
    if dataset is None or vectors.origin != "data" or (len(interface.inputs), len(interface.outputs)) != (1, 1):
        return NOT_JUDGED
    chosen = list(vectors.samples)
    port = interface.outputs[0]
    stored = [np.asarray(outputs[0]) for outputs in verified.expected]
    said = [np.frombuffer(v.outputs[0], s.dtype) for v, s in zip(verified.run.vectors, stored, strict=True)]
    outputs: dict[str, Array | None] = {
        "float": None if float_outputs is None else float_outputs[0][chosen].astype(np.float32),
        "int8": _real(port, np.stack(stored)),
        "board": _real(port, np.stack(said)),
    }
    try:
        known = float_outputs if original_outputs is None else original_outputs
        original = outputs["int8"] if known is None else known[0][chosen].astype(np.float32)
        assert original is not None
        task = _task(interface, vectors, dataset, original)
    except InputError:  # data without a meaning for this model: a build is verified all the same
        return NOT_JUDGED
    everything = np.arange(len(chosen))
    found = {
        name: {key: None if out is None else _measure(task, name, out, everything) for key, out in outputs.items()}
        for name in _measurable(task)
    }
    best = next((name for name, key in _NAMES.items() if key == task.metric and name in found), "")
    samples = tuple(chosen if positions is None else (int(positions[i]) for i in chosen))
    return Judgement(best, found, samples, _choices(task, outputs["board"]))


def agreement(one: Judgement, other: Judgement) -> float | None:
    """Share of the samples that both boards saw on which they choose the same class; ``None`` if there are none."""
    if one.choices is None or other.choices is None:
        return None
    _, ours, theirs = np.intersect1d(one.samples, other.samples, return_indices=True)
    if len(ours) == 0:
        return None
    return float((one.choices[ours] == other.choices[theirs]).mean())


def _real(port: Port, stored: Array) -> Array:
    """Stored values [samples, …] as real numbers of the port's shape; the batch dimension of 1 is the samples'."""
    values = stored.astype(np.float32)
    if port.quantization is not None and port.quantization.per_tensor:
        values = (values - port.quantization.zero_point) * np.float32(port.quantization.scale)
    return values.reshape(len(values), *(port.shape[1:] if port.shape[:1] == (1,) else port.shape))


def _task(interface: ModelInterface, vectors: Vectors, dataset: Dataset, original: Array) -> Task:
    """What the model is for, by the vectors that ran and the original model's outputs for them.

    Raises:
        InputError: labels that don't belong to this model.
    """
    chosen, port = list(vectors.samples), interface.inputs[0]
    x = dataset.inputs[0]
    if x.dtype.kind == "f":
        shape = port.shape[1:] if port.shape[:1] == (1,) else port.shape
        real = fit(dataset, [shape], interface.name).inputs[0][chosen]
    else:
        real = _real(port, np.stack([vector[0] for vector in vectors.inputs]))
    y = None if dataset.y is None else dataset.y[chosen]
    return make_task(Dataset((real,), y, dataset.path), (original,), "auto", interface.name)


def _measurable(task: Task) -> tuple[str, ...]:
    """The metrics that mean something for this model and these data."""
    classes = 0 if task.labels is None else len(np.unique(task.labels))
    if task.kind == "values":
        return ("auc", "mse") if task.labels is not None and classes > 1 else ("mse",)
    if task.labels is not None:
        return ("accuracy", "f1", "auc") if classes > 1 else ("accuracy", "f1")
    sizes = [size for size in task.reference.shape[1:] if size != 1]
    one_choice = len(sizes) == 1 or (not sizes and task.kind == "sigmoid")
    return ("agreement",) if one_choice else ()


def _choices(task: Task, outputs: Array | None) -> NDArray[np.int64] | None:
    if outputs is None or not {"accuracy", "agreement"} & set(_measurable(task)):
        return None
    single_logit = task.kind == "logits" and outputs[0].size == 1
    return metrics.predicted_classes(outputs + 0.5 if single_logit else outputs)  # a logit decides by its sign


def _measure(task: Task, name: str, outputs: Array, chosen: NDArray[np.int64]) -> float:
    return replace(task, metric=_NAMES[name]).measure(outputs, chosen)
