"""What a model is for, as far as its data and outputs tell: how it is measured, trained, and on which samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress import metrics
from tinygen.errors import DataError, OptionError, UnsupportedError
from tinygen.load.dataset import Dataset

__all__ = ["Split", "Task", "make_task", "split_samples"]

Array = NDArray[Any]
Predict = Callable[[Array], Array]
# Keeps the logarithm of a probability that rounding has made zero finite, and its gradient alive.
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Positions of samples: trained on, choosing the best epoch, judging."""

    train: NDArray[np.int64]
    selection: NDArray[np.int64]
    validation: NDArray[np.int64]
    stratified: bool

    def to_dict(self) -> dict[str, Any]:
        """For the log: sizes, and the positions of the validation samples, so that others can use the same."""
        return {
            "train": len(self.train),
            "selection": len(self.selection),
            "validation": len(self.validation),
            "stratified": self.stratified,
            "validation_samples": self.validation.tolist(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A model's data and what to do with them.

    Attributes:
        x: samples [n, …] as the model takes them, float32.
        kind: of the outputs: ``softmax`` (probabilities), ``logits``, ``sigmoid`` (one probability), ``values``.
        labels: classes [n], or ``None``.
        targets: numbers [n, …] that a regressor or autoencoder should give, or ``None``.
        metric: name in ``tinygen.compress.metrics``.
        reference: the original model's outputs [n, …]; unlabelled data are judged by them.
    """

    x: Array
    kind: str
    labels: NDArray[np.int64] | None
    targets: Array | None
    metric: str
    reference: Array

    def measure(self, outputs: Array, chosen: NDArray[np.int64]) -> float:
        """The metric of outputs [m, …] on the chosen samples [m].

        Logits of a single class decide by their sign, which is what the sigmoid's half means.
        """
        scores = outputs.reshape(len(outputs), -1)
        if self.kind == "logits" and scores.shape[1] == 1:
            scores = 1 / (1 + np.exp(-scores))
        if self.metric == "agreement":
            return metrics.agreement(scores, self.reference[chosen])
        if self.metric == "mse":
            targets = self.reference if self.targets is None else self.targets
            return metrics.mse(outputs, targets[chosen])
        assert self.labels is not None
        if self.metric == "auc" and self.targets is not None:  # anomaly detection: the error is the score
            scores = ((outputs - self.targets[chosen]).reshape(len(outputs), -1) ** 2).mean(axis=1, keepdims=True)
        function = {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1, "auc": metrics.auc}[self.metric]
        return function(scores, self.labels[chosen])

    def trainable(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Samples to train on: an anomaly detector learns what is normal."""
        if self.metric == "auc" and self.targets is not None and self.labels is not None:
            return np.asarray(chosen[self.labels[chosen] == 0])
        return chosen

    def loss(self, outputs: Any, truth: Any, teacher: Any, alpha: float, temperature: float) -> Any:
        """Training loss of a batch, a scalar tensor: (1 - alpha) x labels + alpha x teacher.

        Args:
            truth: class probabilities [m, classes] (mixed samples have several), or target values; ``None`` without.
            teacher: its outputs, in the same form as ``outputs``; ``None`` without.
        """
        import tensorflow as tf

        total = tf.constant(0.0)
        share = 0.0 if teacher is None else 1.0 if truth is None else alpha
        if truth is not None and share < 1:
            total += (1 - share) * self._distance(outputs, truth, 1.0)
        if teacher is not None and share > 0:
            softened = self._softened(teacher, temperature)
            # T² keeps the size of the gradients independent of T [Hinton 2015]; numbers are not softened.
            weight = 1.0 if self.kind == "values" else temperature**2
            total += share * weight * self._distance(outputs, softened, temperature)
        return total

    def _distance(self, outputs: Any, truth: Any, temperature: float) -> Any:
        import tensorflow as tf

        if self.kind == "values":
            return tf.reduce_mean(tf.square(outputs - truth))
        logs = tf.nn.log_softmax(self._logits(outputs) / temperature)
        truth = self._pair(truth)
        # Minus the truth's own entropy, so that a perfect match is 0.
        return tf.reduce_mean(tf.reduce_sum(truth * (tf.math.log(truth + _EPSILON) - logs), axis=-1))

    def _softened(self, outputs: Any, temperature: float) -> Any:
        import tensorflow as tf

        if self.kind == "values":
            return outputs
        soft = tf.nn.softmax(self._logits(outputs) / temperature)
        return soft[:, 1:] if soft.shape[-1] == 2 and outputs.shape[-1] == 1 else soft

    def _logits(self, outputs: Any) -> Any:
        """Class scores [m, classes] whose softmax gives the probabilities; two for a single probability."""
        import tensorflow as tf

        outputs = tf.reshape(outputs, [tf.shape(outputs)[0], int(np.prod(outputs.shape[1:]))])
        if self.kind == "logits":
            return tf.concat([tf.zeros_like(outputs), outputs], 1) if outputs.shape[1] == 1 else outputs
        return tf.math.log(self._pair(outputs) + _EPSILON)

    @staticmethod
    def _pair(probabilities: Any) -> Any:
        import tensorflow as tf

        if probabilities.shape[-1] != 1:
            return probabilities
        return tf.concat([1.0 - probabilities, probabilities], -1)

    def truth(self, chosen: NDArray[np.int64]) -> Array | None:
        """What the outputs should be for the chosen samples, float32; ``None`` where only a teacher knows."""
        if self.targets is not None:
            return np.asarray(self.targets[chosen], np.float32)
        if self.labels is None:
            return None
        classes = int(np.prod(self.reference.shape[1:]))
        if classes == 1:
            return self.labels[chosen, None].astype(np.float32)
        return np.eye(classes, dtype=np.float32)[self.labels[chosen]]


def make_task(dataset: Dataset, outputs: tuple[Array, ...], metric: str, source: str) -> Task:
    """Find out what the model is for.

    Args:
        dataset: samples fitted to the model.
        outputs: the original model's on all of them.
        metric: of the recipe; ``auto`` decides here.

    Raises:
        UnsupportedError: several inputs or outputs.
        OptionError, DataError: a metric that the data or the model can't give.
    """
    if len(dataset.inputs) != 1 or len(outputs) != 1:
        raise UnsupportedError(
            f"{source}: {len(dataset.inputs)} inputs and {len(outputs)} outputs; compression takes one of each",
            hint="Convert the model without a recipe.",
        )
    x, out = dataset.inputs[0].astype(np.float32), outputs[0].astype(np.float32)
    labels = dataset.labels
    same_shape = x.shape[1:] == out.shape[1:] and out.ndim >= 2 and int(np.prod(out.shape[1:])) > 1
    targets: Array | None = None
    if same_shape and (labels is None or labels.max() <= 1):
        targets = x
    elif dataset.y is not None and dataset.y.size == out.size and (labels is None or out.shape[1:] == (1,)):
        whole = labels is not None and labels.max() <= 1
        targets = None if whole else dataset.y.reshape(out.shape).astype(np.float32)
    if targets is not None and targets is not x:
        labels = None
    kind = "values" if targets is not None else _output_kind(out)
    task = Task(x, kind, labels, targets, "", out)
    return replace(task, metric=_metric(task, metric, dataset.path, source))


def _output_kind(outputs: Array) -> str:
    """What a classifier gives, by the look of it."""
    flat = outputs.reshape(len(outputs), -1)
    unit = bool(flat.min() >= -1e-6 and flat.max() <= 1 + 1e-6)
    if flat.shape[1] == 1:
        return "sigmoid" if unit else "logits"
    return "softmax" if unit and np.allclose(flat.sum(axis=1), 1, atol=1e-3) else "logits"


def _metric(task: Task, wanted: str, data: str, source: str) -> str:
    classes = int(np.prod(task.reference.shape[1:]))
    labels = task.labels
    if labels is not None and task.targets is None and labels.max() >= max(classes, 2):
        raise DataError(f"{data}: labels go up to {labels.max()}, but {source} tells only {classes} classes apart")
    if wanted == "auto":
        if task.targets is not None:
            return "mse" if labels is None else "auc"
        return "agreement" if labels is None else "accuracy"
    if wanted in ("accuracy", "macro_f1", "auc") and labels is None:
        raise OptionError(f"metric {wanted} needs labels, and {data} has no y with classes")
    if wanted in ("accuracy", "macro_f1", "agreement") and task.kind == "values":
        raise OptionError(f"metric {wanted} is for classifiers; {source} is none", hint="Use mse or auc.")
    return wanted


def split_samples(task: Task, validation: float, selection: float, seed: int) -> Split:
    """Shuffle and cut, class by class where there are labels; the same for the same seed.

    Raises:
        DataError: too few samples.
    """
    rng = np.random.default_rng(seed)
    n = len(task.x)
    if n < 10:
        raise DataError(f"{n} samples are too few to compress a model with", hint="A few hundred are a good start.")
    groups = (
        [np.arange(n)] if task.labels is None else [np.flatnonzero(task.labels == c) for c in np.unique(task.labels)]
    )
    parts: tuple[list[Array], ...] = ([], [], [])
    for group in groups:
        order = rng.permutation(group)
        held = round(validation * len(order))
        chosen = round(selection * (len(order) - held))
        for part, piece in zip(parts, np.split(order, [held, held + chosen]), strict=True):
            part.append(piece)
    held_out, chooser, train = (np.sort(np.concatenate(part)) for part in parts)
    if validation and len(held_out) == 0:
        raise DataError(f"{n} samples leave none for validation", hint="Pass more samples, or raise `validation`.")
    if not validation:
        held_out = np.arange(n)
    return Split(train, chooser, held_out, task.labels is not None)
