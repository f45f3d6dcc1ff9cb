"""k-means on a line, exactly.

In one dimension clusters are intervals, and dynamic programming finds the best ones [Wang & Song 2011,
"Ckmeans.1d.dp"]. int8 has 255 values at most, so that this takes milliseconds, and there is no start to choose.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_centers", "nearest"]

Array = NDArray[Any]


def best_centers(values: Array, weights: Array, count: int) -> NDArray[np.float64]:
    """The centers with the smallest weighted sum of squared distances.

    Args:
        values: different numbers, at most some hundreds [n].
        weights: how often each occurs, positive [n].
        count: how many centers at most.

    Returns:
        Sorted centers, ``min(count, n)`` of them.
    """
    order = np.argsort(values)
    v, w = np.asarray(values, np.float64)[order], np.asarray(weights, np.float64)[order]
    n = len(v)
    if n <= count:
        return v
    costs = _interval_costs(v, w)
    best = costs[0].copy()  # best[j]: cost of values 0..j in as many clusters as rounds were made
    starts = np.zeros((count, n), np.int64)
    for k in range(1, count):
        # The last cluster is i..j; those before hold 0..i-1.
        totals = np.concatenate([[0.0], best[:-1]])[:, None] + costs
        starts[k] = totals.argmin(axis=0)
        best = totals[starts[k], np.arange(n)]
    centers, end = [], n - 1
    for k in range(count - 1, -1, -1):
        start = int(starts[k, end]) if k else 0
        centers.append(float((v[start : end + 1] * w[start : end + 1]).sum() / w[start : end + 1].sum()))
        end = start - 1
        if end < 0:
            break
    return np.array(centers[::-1])


def _interval_costs(v: Array, w: Array) -> Array:
    """Cost of one cluster over values i..j, at [i, j]; infinite below the diagonal."""
    s0, s1, s2 = (np.concatenate([[0.0], np.cumsum(w * v**power)]) for power in (0, 1, 2))
    n = len(v)
    i, j = np.arange(n)[:, None], np.arange(n)[None, :] + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        mass = s0[j] - s0[i]
        costs = (s2[j] - s2[i]) - (s1[j] - s1[i]) ** 2 / mass
    costs[i >= j] = np.inf
    return np.asarray(np.maximum(costs, 0.0))


def nearest(values: Array, centers: Array) -> NDArray[np.int64]:
    """Index of the nearest of the sorted centers for each value; the lower one of two equally near."""
    return np.searchsorted((centers[1:] + centers[:-1]) / 2, values).astype(np.int64)
