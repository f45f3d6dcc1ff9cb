"""``prune_low_magnitude`` of the Model Optimization Toolkit (TFMOT), made to keep its word.

Where the wrappers would quietly do something else, this module makes up for it:

- A polynomial schedule whose end is no whole number of updates away from its begin never reaches its sparsity.
- Steps count from 1, and a mask is made only at a step that the schedule names: a short training would pass it by.
- ``sparsity_m_by_n`` counts zeros, not what stays; it takes the wrong axis of transposed kernels, and raises on Conv1D.
- DepthwiseConv2D is wrapped, and never pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.kernels import Kernel

__all__ = ["Schedule", "follows_pattern", "prepare", "strip", "wrap"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When masks change, in training steps as TFMOT counts them, from 1.

    Attributes:
        begin, end: the first update and the one that brings the full sparsity.
        frequency: steps between updates.
        power: of the polynomial; ``None`` for the full sparsity from ``begin`` on.
    """

    begin: int
    end: int
    frequency: int
    power: float | None

    @classmethod
    def of(cls, total: int, begin: float, end: float, frequency: int, power: float | None) -> Schedule:
        """The schedule between two shares of a training of ``total`` steps, at least one."""
        first = min(1 + int(begin * total), total)
        last = int(end * total)
        if power is None or last <= first:
            return cls(first, first, frequency, None)
        frequency = min(frequency, last - first)
        return cls(last - (last - first) // frequency * frequency, last, frequency, power)

    def between(self, start: float, goal: float) -> Any:
        """TFMOT's object for a layer that goes from one share of zeros to another."""
        from tensorflow_model_optimization.sparsity import keras as tfmot

        if self.power is None:
            return tfmot.ConstantSparsity(goal, self.begin, frequency=self.frequency)
        return tfmot.PolynomialDecay(start, goal, self.begin, self.end, self.power, self.frequency)


def follows_pattern(kernel: Kernel) -> bool:
    """Whether TFMOT lays m:n patterns along this kernel's inputs."""
    return kernel.kind != "transposed" and len(kernel.shape) in (2, 4)


def wrap(model: Any, schedules: Mapping[str, Any], pattern: str = "") -> Any:
    """The model with pruning wrappers around its own layers: train the one, and the other is trained.

    Args:
        schedules: ``Schedule.between`` by layer.
        pattern: m:n, of which m stay; replaces the schedules' sparsity, from the first step on.
    """
    import tf_keras
    from tensorflow_model_optimization.sparsity import keras as tfmot

    params: dict[str, Any] = {}
    if pattern:
        kept, of = (int(part) for part in pattern.split(":"))
        params["sparsity_m_by_n"] = (of - kept, of)

    def wrapped(layer: Any) -> Any:
        if layer.name not in schedules:
            return layer
        if type(layer).__name__ == "DepthwiseConv2D":  # what TFMOT asks layers of one's own
            layer.get_prunable_weights = lambda: [layer.depthwise_kernel]
        return tfmot.prune_low_magnitude(layer, pruning_schedule=schedules[layer.name], **params)

    return tf_keras.models.clone_model(model, clone_function=wrapped)


def prepare(wrapped: Any) -> None:
    """Let the wrappers count: what ``UpdatePruningStep`` does when ``fit`` begins.

    What it does when an epoch ends, they do by themselves whenever the model is evaluated.
    """
    from tensorflow_model_optimization.sparsity import keras as tfmot

    callback = tfmot.UpdatePruningStep()
    callback.set_model(wrapped)
    callback.on_train_begin()


def strip(wrapped: Any) -> tuple[Any, dict[str, NDArray[np.bool_]]]:
    """The model without wrappers, and where the kernels of wrapped layers may differ from zero, by layer."""
    from tensorflow_model_optimization.sparsity import keras as tfmot

    masks = {
        layer.layer.name: np.asarray(layer.pruning_vars[0][1]) > 0
        for layer in wrapped.layers
        if hasattr(layer, "pruning_vars")
    }
    return tfmot.strip_pruning(wrapped), masks
