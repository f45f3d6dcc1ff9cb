"""Rounding that lets weights still to be rounded make up for those that were.

Among a few allowed values the nearest ones are not the best: what counts are the layer's outputs on real inputs, and
inputs that come together can stand in for each other. Weights are rounded one input after the other; each rounding's
error is spread over the inputs that follow, by their covariance [Frantar 2023, "GPTQ"; Hassibi 1993, "Optimal Brain
Surgeon"].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite as schema
from numpy.typing import NDArray

from tinygen.compress.int8 import Int8Weights, int8_weights
from tinygen.compress.running import stored_inputs
from tinygen.ir import Array

__all__ = ["Moments", "compensated", "input_moments"]

# Of the mean variance: inputs that were never seen to move must not be trusted to stay.
_DAMPING = 0.01
# Places of a sample that a convolution's moments are taken from; neighbours say much the same.
_PLACES = 48


@dataclass(slots=True, eq=False)
class Moments:
    """What an operator's inputs were on some samples, without their zero point, in stored units.

    Attributes:
        total: sum over all samples and places, [inputs].
        products: sum of the outer products, [inputs, inputs].
    """

    total: NDArray[np.float64]
    products: NDArray[np.float64]
    count: int = 0

    def add(self, rows: NDArray[np.float64]) -> None:
        """Take in inputs [n, inputs]."""
        self.total += rows.sum(axis=0)
        self.products += rows.T @ rows
        self.count += len(rows)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """About the mean: biases make up for that."""
        mean = self.total / max(self.count, 1)
        return self.products / max(self.count, 1) - np.outer(mean, mean)


def input_moments(tflite: bytes, x: Array, *, seed: int = 1) -> dict[int, Moments]:
    """Moments of the inputs of every convolution and fully connected operator, by operator.

    Args:
        x: float samples [samples, …].
        seed: draws the places of feature maps that are looked at.
    """
    graph = schema.Model.GetRootAs(tflite).Subgraphs(0)
    layers = [w for w in int8_weights(bytearray(tflite)) if w.kind in ("conv", "dense")]
    found = {w.operator: Moments(np.zeros(len(w.matrix)), np.zeros((len(w.matrix),) * 2)) for w in layers}
    rng = np.random.default_rng(seed)
    for tensors in stored_inputs(tflite, x, {w.input_tensor for w in layers}):
        for weights in layers:
            values = tensors[weights.input_tensor].astype(np.float64) - weights.input_zero_point
            rows = values.reshape(-1, len(weights.matrix)) if weights.kind == "dense" else None
            if rows is None:
                rows = _patches(values[0], weights, graph.Operators(weights.operator), rng)
            found[weights.operator].add(rows)
    return found


def compensated(
    real: NDArray[np.float64],
    codes: NDArray[np.int8],
    scales: NDArray[np.float64],
    moments: Moments,
    *,
    per_channel: bool,
    keep_zeros: bool,
) -> NDArray[np.int8]:
    """Other codes of the same values, whose outputs come closer.

    Args:
        real: weights as they are meant, [inputs, channels].
        codes: the nearest allowed ones, [inputs, channels].
        scales: real value of a code's unit, [channels].
        per_channel: a channel's codes are those that it has now; otherwise those of the whole matrix.
        keep_zeros: what is zero in ``real`` stays zero; zero must be among the values.
    """
    covariance = moments.covariance
    damping = _DAMPING * float(np.trace(covariance)) / len(covariance)
    if damping <= 0:
        return codes
    # The inputs that move most come first, while there are many left to make up for them.
    order = np.argsort(-np.diag(covariance), kind="stable")
    inverse = np.linalg.inv(covariance[np.ix_(order, order)] + damping * np.eye(len(order)))
    spread = np.linalg.cholesky(inverse).T  # upper triangular
    nearest = _nearest_in_channel(codes) if per_channel else _nearest_in(np.unique(codes))
    free, result = real[order] / scales, np.empty_like(codes)
    zero = (real[order] == 0) & keep_zeros
    for i in range(len(order)):
        picked = np.where(zero[i], 0, nearest(free[i]))
        result[order[i]] = picked
        free[i + 1 :] -= spread[i, i + 1 :, None] * ((free[i] - picked) / spread[i, i])
    return result


def _nearest_in(values: NDArray[np.int8]) -> Any:
    """Nearest of some values, sorted, for each element."""
    middles = (values[1:].astype(np.float64) + values[:-1]) / 2
    return lambda x: values[np.searchsorted(middles, x)]


def _nearest_in_channel(codes: NDArray[np.int8]) -> Any:
    """Nearest of each channel's own values for an element of each channel."""
    tables = [_nearest_in(np.unique(column)) for column in codes.T]
    return lambda x: np.array([table(value) for table, value in zip(tables, x, strict=True)], np.int8)


def _patches(image: Array, weights: Int8Weights, operator: Any, rng: np.random.Generator) -> NDArray[np.float64]:
    """What a convolution multiplies at some places of its output, [places, height * width * channels]."""
    options = schema.Conv2DOptions()
    table = operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    _, height, width, channels = weights.stored.shape
    image = image[..., :channels]  # of a grouped convolution, the first group stands for all
    axes = []
    for length, taps, stride, dilation in (
        (image.shape[0], height, options.StrideH(), options.DilationHFactor()),
        (image.shape[1], width, options.StrideW(), options.DilationWFactor()),
    ):
        reach = (taps - 1) * dilation + 1
        same = options.Padding() == schema.Padding.SAME
        count = -(-length // stride) if same else (length - reach) // stride + 1
        before = max((count - 1) * stride + reach - length, 0) // 2 if same else 0
        axes.append(np.arange(count)[:, None] * stride - before + np.arange(taps) * dilation)
    rows, columns = axes
    chosen = rng.permutation(len(rows) * len(columns))[:_PLACES]
    at_row, at_column = rows[chosen // len(columns)], columns[chosen % len(columns)]
    inside = ((at_row >= 0) & (at_row < image.shape[0]))[:, :, None] & (
        (at_column >= 0) & (at_column < image.shape[1])
    )[:, None, :]
    taken = image[
        np.clip(at_row, 0, image.shape[0] - 1)[:, :, None], np.clip(at_column, 0, image.shape[1] - 1)[:, None, :]
    ]
    return np.where(inside[..., None], taken, 0.0).reshape(len(chosen), -1)
