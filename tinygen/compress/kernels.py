"""Which weights a model has, how they lie in memory, and which of them a step means."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygen.errors import OptionError

__all__ = ["Kernel", "Key", "columns", "from_columns", "kernels", "override", "select", "untreated"]

T = TypeVar("T")
Key = tuple[str, str]
Array = NDArray[Any]

# Class -> (attribute, kind). Kinds of more than one spatial size become "pointwise" where the kernel is 1x1.
_CLASSES = {
    "Dense": ("kernel", "dense"),
    "Conv1D": ("kernel", "conv"),
    "Conv2D": ("kernel", "conv"),
    "Conv2DTranspose": ("kernel", "transposed"),
    "DepthwiseConv2D": ("depthwise_kernel", "depthwise"),
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """The main weights of one layer.

    Attributes:
        layer: its name.
        attribute: of the layer, where the weights are.
        kind: ``dense``, ``conv``, ``pointwise`` (1x1), ``depthwise`` or ``transposed``.
        shape: as Keras stores them.
    """

    layer: str
    attribute: str
    kind: str
    shape: tuple[int, ...]

    @property
    def key(self) -> Key:
        return (self.layer, self.attribute)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def kernels(model: Any) -> list[Kernel]:
    """All kernels that tinygen's steps know, in the model's order."""
    found = []
    for layer in model.layers:
        attribute, kind = _CLASSES.get(type(layer).__name__, ("", ""))
        if not attribute:
            continue
        shape = tuple(int(d) for d in getattr(layer, attribute).shape)
        if kind == "conv" and all(d == 1 for d in shape[:-2]):
            kind = "pointwise"
        found.append(Kernel(layer.name, attribute, kind, shape))
    return found


def untreated(model: Any) -> list[str]:
    """Layers with weights that no step knows, each with its kind, for the log."""
    known = {*_CLASSES, "BatchNormalization"}
    return [
        f'"{layer.name}" ({type(layer).__name__}): no step knows this kind of layer'
        for layer in model.layers
        if layer.weights and type(layer).__name__ not in known
    ]


def columns(weights: Array, kind: str) -> Array:
    """Weights as [inputs, output channels], a view or a copy."""
    if kind == "transposed":  # [height, width, out, in]
        weights = weights.swapaxes(-1, -2)
    if kind == "depthwise":  # [height, width, channel, multiplier]
        return weights.reshape(-1, weights.shape[-2] * weights.shape[-1])
    return weights.reshape(-1, weights.shape[-1])


def from_columns(matrix: Array, kind: str, shape: tuple[int, ...]) -> Array:
    """The inverse of ``columns``."""
    if kind == "transposed":
        return matrix.reshape(*shape[:-2], shape[-1], shape[-2]).swapaxes(-1, -2)
    return matrix.reshape(shape)


def select(found: Sequence[Kernel], wanted: Sequence[str], skipped: Sequence[str], step: str) -> list[Kernel]:
    """The kernels that a step's ``layers`` and ``skip`` mean.

    Raises:
        OptionError: a pattern that matches no layer: a misspelt name would silently do nothing.
    """
    missing = [
        f'{key}: "{pattern}" matches no layer'
        for key, patterns in (("layers", wanted), ("skip", skipped))
        for pattern in patterns
        if not any(_matches(kernel, pattern) for kernel in found)
    ]
    if missing:
        names = ", ".join(f"{kernel.layer} ({kernel.kind})" for kernel in found)
        raise OptionError(f"{step}: {missing[0]}", hint=f"Layers with weights: {names}.", details=missing[1:])
    return [
        kernel
        for kernel in found
        if (not wanted or any(_matches(kernel, p) for p in wanted)) and not any(_matches(kernel, p) for p in skipped)
    ]


def override(kernel: Kernel, table: Mapping[str, T], default: T) -> T:
    """What a ``per_layer`` table says of a kernel; an exact name goes before patterns."""
    if kernel.layer in table:
        return table[kernel.layer]
    return next((value for pattern, value in table.items() if _matches(kernel, pattern)), default)


def _matches(kernel: Kernel, pattern: str) -> bool:
    if pattern.startswith("kind:"):
        return pattern.removeprefix("kind:") == kernel.kind
    return fnmatch.fnmatchcase(kernel.layer, pattern)
