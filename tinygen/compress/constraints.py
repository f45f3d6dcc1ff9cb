"""What a step made of a kernel, and later steps must keep: a pattern of zeros, a few shared values.

A constraint maps any weights to the nearest ones that obey it. Training runs forward on the mapped weights and
applies the gradients to the free ones behind them (straight-through [Courbariaux 2015, BinaryConnect]), so that
one mechanism keeps what pruning and clustering made, in quantization-aware training, too. The schemes by which the
Model Optimization Toolkit preserves zeros and clusters know neither depthwise layers nor the scales of int8.

Everything here is numpy; arrays have the shapes that Keras stores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.kernels import columns, from_columns
from tinygen.compress.kmeans import best_centers, nearest

__all__ = ["Clusters", "Constraint", "Mask", "fit_clusters", "pattern_mask", "smallest_mask"]

Array = NDArray[Any]
LIMIT = 127  # symmetric int8


class Constraint(Protocol):
    """What all constraints can do."""

    def project(self, weights: Array) -> Array:
        """The weights as they are used."""

    def follow(self, weights: Array) -> Constraint:
        """The constraint adapted to weights that training has moved."""

    @property
    def text(self) -> str:
        """What it keeps, for the log."""


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Zeros where ``keep`` is false."""

    keep: NDArray[np.bool_]

    def project(self, weights: Array) -> Array:
        return np.where(self.keep, weights, 0).astype(weights.dtype)

    def follow(self, weights: Array) -> Mask:
        del weights
        return self

    @property
    def text(self) -> str:
        return f"{1 - float(self.keep.mean()):.0%} zeros"


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Few values on int8's grid: weight = scale of its channel x one of the codes.

    Attributes:
        kind: of the kernel, says what is a channel.
        codes: float [values, 1] for the tensor or [values, channels], sorted in each column, within +-127.
        scales: float [channels]; all the same where int8 has one scale for the tensor (dense layers).
        keep: where weights may differ from zero; ``None`` for everywhere.
        shared: the channels have one scale between them.
    """

    kind: str
    codes: Array
    scales: Array
    keep: NDArray[np.bool_] | None = None
    shared: bool = False

    def project(self, weights: Array) -> Array:
        used = self.int8_codes(weights).astype(np.float64) * self.scales
        return from_columns(used, self.kind, weights.shape).astype(weights.dtype)

    def int8_codes(self, weights: Array) -> NDArray[np.int8]:
        """The int8 weights [inputs, channels]."""
        index = self._assigned(columns(weights, self.kind))
        codes = self._rounded()
        picked = np.take_along_axis(np.broadcast_to(codes, (len(codes), index.shape[1])), index, axis=0)
        if self.keep is not None:
            picked = np.where(columns(self.keep, self.kind), picked, 0)
        return picked.astype(np.int8)

    def follow(self, weights: Array) -> Clusters:
        """One round of k-means: codes become the means of what is assigned to them, then scales fit again."""
        w = columns(weights, self.kind).astype(np.float64)
        unit = w / self.scales
        index = self._assigned(w)
        free = np.ones(w.shape, bool) if self.keep is None else columns(self.keep, self.kind)
        codes = self.codes.copy()
        for k in range(len(codes)):
            members = (index == k) & free
            axis = None if codes.shape[1] == 1 else 0
            count = members.sum(axis=axis)
            mean = np.where(members, unit, 0).sum(axis=axis) / np.maximum(count, 1)
            codes[k] = np.where((count > 0) & (codes[k] != 0), np.clip(mean, -LIMIT, LIMIT), codes[k])
        moved = replace(self, codes=np.sort(codes, axis=0))
        return replace(moved, scales=moved._fitted_scales(w))

    @property
    def text(self) -> str:
        return f"{len(self.codes)} values a {'tensor' if self.codes.shape[1] == 1 else 'channel'}"

    def _rounded(self) -> Array:
        return np.clip(np.rint(self.codes), -LIMIT, LIMIT)

    def _assigned(self, w: Array) -> NDArray[np.int64]:
        unit = w / self.scales
        if self.codes.shape[1] == 1:
            return nearest(unit, self.codes[:, 0])
        return np.stack([nearest(unit[:, c], self.codes[:, c]) for c in range(unit.shape[1])], axis=1)

    def _fitted_scales(self, w: Array) -> Array:
        """Least squares: the scales with which the assigned codes come closest to the weights."""
        index = self._assigned(w)
        rounded = np.broadcast_to(self._rounded(), (len(self.codes), w.shape[1]))
        picked = np.take_along_axis(rounded, index, axis=0)
        if self.keep is not None:
            picked = np.where(columns(self.keep, self.kind), picked, 0)
        dot, square = (w * picked).sum(axis=0), (picked * picked).sum(axis=0)
        if self.shared:
            dot, square = np.full_like(dot, dot.sum()), np.full_like(square, square.sum())
        good = (dot > 0) & (square > 0)
        return np.asarray(np.where(good, dot / np.where(square > 0, square, 1), self.scales))


def fit_clusters(
    weights: Array,
    kind: str,
    values: int,
    *,
    per_channel: bool = False,
    keep: NDArray[np.bool_] | None = None,
    shared_scale: bool | None = None,
    rounds: int = 10,
) -> Clusters:
    """The best few values for some weights.

    Args:
        weights: as Keras stores them.
        values: at most so many, zero included where ``keep`` asks for zeros.
        per_channel: values for each output channel instead of for the tensor.
        keep: where weights may differ from zero.
        shared_scale: one scale for the tensor; by default for dense layers, as the converter does it.
        rounds: of k-means with scales fitted along.
    """
    w = columns(weights, kind).astype(np.float64)
    shared = kind == "dense" if shared_scale is None else shared_scale
    largest = np.abs(w).max(axis=None if shared else 0)
    # A channel that is all zero has no scale of its own; any will do.
    scales = np.broadcast_to(np.where(largest > 0, largest, 1.0) / LIMIT, (w.shape[1],)).astype(np.float64)
    allowed = np.ones(w.shape, bool) if keep is None else columns(keep, kind)
    unit = np.rint(w / scales)
    groups = [slice(c, c + 1) for c in range(w.shape[1])] if per_channel else [slice(None)]
    codes = np.stack([_codes(unit[:, g][allowed[:, g]], values, zero=keep is not None) for g in groups], axis=1)
    clusters = Clusters(kind, codes, scales, keep, shared)
    for _ in range(rounds):
        clusters = clusters.follow(weights)
    return clusters


def _codes(unit: Array, values: int, *, zero: bool) -> Array:
    """Sorted codes [values]; repeated where there are fewer different weights."""
    present, counts = np.unique(unit, return_counts=True)
    if zero:
        used = present != 0
        present, counts = present[used], counts[used]
    found = best_centers(present, counts, values - zero) if len(present) else np.zeros(1)
    if zero:
        found = np.append(found, 0.0)
    return np.sort(np.pad(found, (0, values - len(found)), mode="edge"))


def smallest_mask(weights: Array, sparsity: float) -> Mask:
    """Keep all but the given share of the weights: those with the smallest magnitudes go; ties by position."""
    flat = np.abs(weights).ravel()
    keep = np.ones(flat.size, bool)
    keep[np.argsort(flat, kind="stable")[: round(sparsity * flat.size)]] = False
    return Mask(keep.reshape(weights.shape))


def pattern_mask(weights: Array, kind: str, pattern: str) -> Mask | None:
    """Keep the m largest of each n consecutive input weights of a channel; ``None`` if the input doesn't divide by n.

    Consecutive is meant as int8 weights lie in memory: along the input channels of a convolution or dense layer.
    """
    kept, of = (int(part) for part in pattern.split(":"))
    inner = weights.shape[-1] if kind == "transposed" else weights.shape[-2]
    if kind == "depthwise" or inner % of:
        return None
    w = np.abs(columns(weights, kind)).T  # [channels, inputs]; inputs end in the input channels
    blocks = w.reshape(w.shape[0], -1, of)
    ranks = np.argsort(np.argsort(-blocks, axis=2, kind="stable"), axis=2, kind="stable")
    keep = (ranks < kept).reshape(w.shape).T
    return Mask(np.ascontiguousarray(from_columns(keep, kind, weights.shape)))
