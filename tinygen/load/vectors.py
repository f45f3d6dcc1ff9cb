"""Test vectors: what goes into the model's inputs, byte for byte."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinygen.errors import DataError
from tinygen.ir import DType, ModelInterface, Port
from tinygen.load.dataset import Dataset, fit

__all__ = ["Vectors", "choose_vectors", "random_vectors"]

Vector = tuple[NDArray[Any], ...]
_SEED = 20261121


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Inputs of a validation run.

    Attributes:
        inputs: one tuple for each vector, with one array for each model input.
        samples: their positions in the user's data; empty for random vectors.
        labels: int labels of the vectors, if the data has them.
        origin: where they come from.
    """

    inputs: tuple[Vector, ...]
    samples: tuple[int, ...]
    labels: NDArray[np.int64] | None
    origin: Literal["data", "random"]


def choose_vectors(interface: ModelInterface, dataset: Dataset | None, count: int | None) -> Vectors:
    """Take ``count`` vectors, evenly spaced over the data, or seeded random ones without data.

    Args:
        count: how many; ``None`` takes all samples of the data.

    Raises:
        DataError: the samples don't fit the model's inputs.
    """
    if dataset is None:
        return Vectors(_extremes_and_random(interface, count or 20), (), None, "random")
    fitted = fit(dataset, [_sample_shape(port) for port in interface.inputs], interface.name)
    columns = [_stored(port, x, dataset.path) for port, x in zip(interface.inputs, fitted.inputs, strict=True)]
    total = len(columns[0])
    chosen = range(total) if count is None or count >= total else [i * total // count for i in range(count)]
    labels = None if dataset.labels is None else dataset.labels[list(chosen)]
    inputs = tuple(tuple(column[i] for column in columns) for i in chosen)
    return Vectors(inputs, tuple(chosen), labels, "data")


def random_vectors(interface: ModelInterface, count: int) -> tuple[Vector, ...]:
    """``count`` seeded uniformly random vectors."""
    rng = np.random.default_rng(_SEED)
    return tuple(tuple(_random(port, rng) for port in interface.inputs) for _ in range(count))


def _sample_shape(port: Port) -> tuple[int, ...]:
    """The shape of one sample: without the batch dimension that converters put in front."""
    return port.shape[1:] if port.shape[:1] == (1,) else port.shape


def _stored(port: Port, samples: NDArray[Any], path: str) -> NDArray[Any]:
    """Samples as the input stores them: [samples, *shape], quantized if they are real numbers."""
    shaped = samples.reshape(len(samples), *port.shape)
    dtype = port.dtype.numpy
    if shaped.dtype == dtype or port.dtype is DType.FLOAT32:
        return shaped.astype(dtype)
    if shaped.dtype.kind == "f" and port.quantization is not None and port.quantization.per_tensor:
        return _quantize(port, shaped)
    if shaped.dtype.kind not in "iub":
        raise DataError(f"{path}: {shaped.dtype} samples don't fit input {port.index}, which is {port.dtype.value}")
    limits = np.iinfo(port.dtype.value)
    if shaped.min() < limits.min or shaped.max() > limits.max:
        raise DataError(
            f"{path}: samples from {shaped.min()} to {shaped.max()} don't fit input {port.index}, "
            f"which is {port.dtype.value}",
            hint="Store real numbers (float32) to have them quantized, or the stored values themselves.",
        )
    return shaped.astype(dtype)


def _quantize(port: Port, samples: NDArray[Any]) -> NDArray[Any]:
    """round(x / scale) + zero point, clipped: what an application does before it calls the model."""
    assert port.quantization is not None
    limits = np.iinfo(port.dtype.value)
    scaled = np.round(samples.astype(np.float32) / np.float32(port.quantization.scale)) + port.quantization.zero_point
    clipped: NDArray[Any] = np.clip(scaled, limits.min, limits.max).astype(port.dtype.numpy)
    return clipped


def _extremes_and_random(interface: ModelInterface, count: int) -> tuple[Vector, ...]:
    """Uniformly random values, and first of all the extremes: lowest, highest, alternating."""
    patterns = ((0, 0), (1, 1), (0, 1), (1, 0))
    extremes = (tuple(_extreme(port, pattern) for port in interface.inputs) for pattern in patterns)
    return (*extremes, *random_vectors(interface, max(count - len(patterns), 0)))[:count]


def _range(port: Port) -> tuple[float, float]:
    if port.dtype is DType.FLOAT32:
        return -1.0, 1.0
    if port.dtype is DType.BOOL:
        return 0, 1
    limits = np.iinfo(port.dtype.value)
    return int(limits.min), int(limits.max)


def _extreme(port: Port, pattern: tuple[int, int]) -> NDArray[Any]:
    bounds = _range(port)
    flat = np.resize(np.array([bounds[i] for i in pattern]), math.prod(port.shape))
    return flat.astype(port.dtype.numpy).reshape(port.shape)


def _random(port: Port, rng: np.random.Generator) -> NDArray[Any]:
    low, high = _range(port)
    if port.dtype is DType.FLOAT32:
        return rng.uniform(low, high, port.shape).astype(np.float32)
    return rng.integers(int(low), int(high), port.shape, endpoint=True).astype(port.dtype.numpy)
