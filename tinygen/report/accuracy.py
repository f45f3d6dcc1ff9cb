"""How often the highest output is the right class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["top1"]


def top1(outputs: Sequence[NDArray[Any]] | NDArray[Any], labels: NDArray[np.int64] | None) -> float | None:
    """Share of samples whose label has the highest output; ties go to the lower class, as argmax does.

    Args:
        outputs: one array of class scores for each sample, or an array [samples, …, classes].
        labels: class of each sample.

    Returns:
        ``None`` without labels, or if the outputs are no class scores (fewer than two, or fewer than a label needs).
    """
    if labels is None or len(labels) == 0:
        return None
    scores = np.stack([np.asarray(o).reshape(-1) for o in outputs])
    if scores.shape[1] < 2 or int(labels.max()) >= scores.shape[1]:
        return None
    return float((scores.argmax(axis=1) == labels).mean())
