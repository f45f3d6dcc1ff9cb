"""How good a model's outputs are.

Each function takes outputs [samples, …] and what they should be; higher is better, except for errors.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOWER_IS_BETTER", "accuracy", "agreement", "auc", "drop", "macro_f1", "mse", "predicted_classes"]

LOWER_IS_BETTER = frozenset({"mse"})

Array = NDArray[Any]


def predicted_classes(scores: Array) -> NDArray[np.int64]:
    """The class of each sample: of the highest score, or, of a single score, whether it is over one half."""
    flat = scores.reshape(len(scores), -1)
    if flat.shape[1] == 1:
        return np.asarray(flat[:, 0] > 0.5, np.int64)
    return np.asarray(flat.argmax(axis=1), np.int64)


def accuracy(scores: Array, labels: NDArray[np.int64]) -> float:
    """Share of samples whose class is right."""
    return float((predicted_classes(scores) == labels).mean())


def agreement(scores: Array, reference: Array) -> float:
    """Share of samples on which two models choose the same class; needs no labels."""
    return float((predicted_classes(scores) == predicted_classes(reference)).mean())


def macro_f1(scores: Array, labels: NDArray[np.int64]) -> float:
    """F1, the harmonic mean of precision and recall, averaged over the classes that occur."""
    predicted = predicted_classes(scores)
    values = []
    for label in np.union1d(labels, predicted):
        hit = int(((predicted == label) & (labels == label)).sum())
        values.append(2 * hit / int((predicted == label).sum() + (labels == label).sum()))
    return float(np.mean(values))


def auc(scores: Array, labels: NDArray[np.int64]) -> float:
    """Area under the receiver operating characteristic; ties count half.

    Of several classes: each against the rest, averaged over those that occur.
    """
    flat = scores.reshape(len(scores), -1)
    if flat.shape[1] == 1:
        return _binary_auc(flat[:, 0], labels > 0)
    if flat.shape[1] == 2:
        return _binary_auc(flat[:, 1] - flat[:, 0], labels > 0)
    return float(np.mean([_binary_auc(flat[:, label], labels == label) for label in np.unique(labels)]))


def _binary_auc(scores: Array, positive: NDArray[np.bool_]) -> float:
    """The Mann-Whitney statistic; one half where there is only one class."""
    count, others = int(positive.sum()), int((~positive).sum())
    if count == 0 or others == 0:
        return 0.5
    unique, inverse, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    ranks = (ends - (sizes - 1) / 2)[inverse]
    assert len(unique) == len(sizes)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


def mse(outputs: Array, targets: Array) -> float:
    """Mean squared error over all samples and elements."""
    return float(np.mean((outputs.reshape(len(outputs), -1) - targets.reshape(len(targets), -1)) ** 2))


@overload
def drop(metric: str, before: float, after: float) -> float: ...
@overload
def drop(metric: str, before: float | None, after: float | None) -> float | None: ...
def drop(metric: str, before: float | None, after: float | None) -> float | None:
    """How much worse ``after`` is: a difference for shares, relative for errors; negative if it is better.

    ``None`` if either was not measured.
    """
    if before is None or after is None:
        return None
    if metric in LOWER_IS_BETTER:
        return (after - before) / max(before, 1e-12)
    return before - after
