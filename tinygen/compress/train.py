"""Fine-tuning: one loop for every step.

Forward passes use the weights that the constraints allow, gradients go to the free weights behind them
(see ``tinygen.compress.constraints``). The best epoch is restored. The same seed gives the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.constraints import Constraint, Mask
from tinygen.compress.kernels import Key
from tinygen.compress.settings import Training
from tinygen.compress.task import Split, Task

__all__ = ["Fit", "Trainer", "Variables", "seed_everything"]

Array = NDArray[Any]
Variables = dict[Key, Any]
_EVALUATION_BATCH = 256
_FLOOR_RATE = 0.01
# Keras default of 0.99 needs hundreds of steps to arrive.
_SHORT_MOMENTUM = 0.9


@dataclass(frozen=True, slots=True)
class Fit:
    """How a training went: losses on the selection split, before it and after each epoch; which was kept."""

    losses: tuple[float, ...]
    kept_epoch: int

    def to_dict(self) -> dict[str, Any]:
        return {"kept_epoch": self.kept_epoch, "losses": [round(loss, 6) for loss in self.losses]}


@dataclass(slots=True, eq=False)
class Trainer:
    """One model in training.

    Attributes:
        model: a ``tf_keras.Model``; changed in place.
        variables: its kernels by (layer, attribute).
        constraints: what they must keep; updated as they follow the weights.
        before_step: called with (step, steps in all) before each training step; may change the constraints.
        after_epoch: called with the epoch's number from 1, before it is evaluated.
        choosable: whether an epoch's weights may be kept; by default any, the start included.
        refresh: called before the model is evaluated, such as to take new ranges of quantized weights.
        on_epoch: called with (epoch, epochs, loss) for people.
    """

    model: Any
    variables: Variables
    constraints: dict[Key, Constraint]
    task: Task
    split: Split
    settings: Training
    seed: int
    teacher_outputs: Callable[[Array], Array] | None = None
    before_step: Callable[[int, int], None] | None = None
    after_epoch: Callable[[int], None] | None = None
    choosable: Callable[[int], bool] = field(default=lambda epoch: True)
    refresh: Callable[[], None] | None = None
    on_epoch: Callable[[int, int, float], None] | None = None
    _gradients: Any = None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches; what is left over is trained on in another epoch."""
        samples = len(self.task.trainable(self.split.train))
        return samples // min(self.settings.batch_size, samples)

    def run(self) -> Fit:
        """Train, and leave the best epoch's weights, projected, in the model."""
        import tf_keras

        settings = self.settings
        rng = np.random.default_rng(self.seed)
        prepare_batchnorm(self.model, settings.batchnorm)
        optimizer = tf_keras.optimizers.Adam(settings.learning_rate)
        samples = self.task.trainable(self.split.train)
        size = min(settings.batch_size, len(samples))
        per_epoch = self.steps_per_epoch
        total = per_epoch * settings.epochs
        losses = [self.selection_loss()]
        kept_epoch, kept = (0, self._snapshot()) if self.choosable(0) or not total else (-1, None)
        for epoch in range(1, settings.epochs + 1):
            order = rng.permutation(samples)
            for i in range(per_epoch):
                step = (epoch - 1) * per_epoch + i
                if self.before_step is not None:
                    self.before_step(step, total)
                optimizer.learning_rate.assign(self._rate(step, total))
                self._step(optimizer, order[i * size : (i + 1) * size], rng)
            if self.after_epoch is not None:
                self.after_epoch(epoch)
            losses.append(self.selection_loss())
            if self.on_epoch is not None:
                self.on_epoch(epoch, settings.epochs, losses[-1])
            if self.choosable(epoch) and (kept is None or losses[-1] < losses[kept_epoch]):
                kept_epoch, kept = epoch, self._snapshot()
        assert kept is not None
        self._restore(kept)
        return Fit(tuple(losses), kept_epoch)

    def selection_loss(self) -> float:
        """Loss on the selection split; on the training split where that has too few samples to judge by."""
        chosen = self.task.trainable(self.split.selection)
        if len(chosen) < 8:
            chosen = self.task.trainable(self.split.train)
        x = self.task.x[chosen]
        with self._projected():
            if self.refresh is not None:
                self.refresh()
            outputs = predict(self.model, x)
        teacher = self.teacher_outputs(x) if self.teacher_outputs is not None else None
        settings = self.settings
        loss = self.task.loss(outputs, self.task.truth(chosen), teacher, settings.alpha, settings.temperature)
        return float(loss)

    def dense_gradients(self, chosen: NDArray[np.int64]) -> dict[Key, Array]:
        """Gradients of every kernel at the projected weights, zeros included: where RigL grows."""
        x, truth, teacher = self._batch(chosen, np.random.default_rng(self.seed))
        gradients, variables = self._gradients_at(x, truth, teacher)
        by_identity = {id(v): g for v, g in zip(variables, gradients, strict=True)}
        found = {key: by_identity.get(id(v)) for key, v in self.variables.items()}
        return {key: np.asarray(g) for key, g in found.items() if g is not None}

    def _step(self, optimizer: Any, chosen: NDArray[np.int64], rng: np.random.Generator) -> None:
        gradients, variables = self._gradients_at(*self._batch(chosen, rng))
        pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        optimizer.apply_gradients(pairs)
        for key, constraint in list(self.constraints.items()):
            weights = self.variables[key].numpy()
            if isinstance(constraint, Mask):  # what is pruned has no weight behind it
                self.variables[key].assign(constraint.project(weights))
            else:
                self.constraints[key] = constraint.follow(weights)

    def _gradients_at(self, x: Array, truth: Array | None, teacher: Array | None) -> tuple[list[Any], list[Any]]:
        import tensorflow as tf

        variables = self.model.trainable_variables
        if self._gradients is None:
            settings = self.settings

            @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
            def gradients(x: Any, truth: Any, teacher: Any) -> Any:
                with tf.GradientTape() as tape:
                    outputs = self.model(x, training=True)
                    loss = self.task.loss(outputs, truth, teacher, settings.alpha, settings.temperature)
                    loss += tf.add_n([*self.model.losses, 0.0])
                return tape.gradient(loss, variables)

            self._gradients = gradients
        tensors = [None if value is None else tf.constant(value, tf.float32) for value in (x, truth, teacher)]
        with self._projected():
            return self._gradients(*tensors), variables

    def _batch(self, chosen: NDArray[np.int64], rng: np.random.Generator) -> tuple[Array, Array | None, Array | None]:
        """Samples, what is true of them, and what the teacher says, after the augmentations asked for."""
        settings = self.settings
        x, truth = self.task.x[chosen], self.task.truth(chosen)
        same = self.task.targets is self.task.x
        if settings.mixup:
            share = rng.beta(settings.mixup, settings.mixup, len(x)).astype(np.float32)
            order = rng.permutation(len(x))
            x = _mixed(x, order, share)
            truth = None if truth is None else _mixed(truth, order, share)
        if settings.noise:
            deviation = self.task.x[self.split.train].std(axis=0)
            x = (x + settings.noise * deviation * rng.standard_normal(x.shape)).astype(np.float32)
        if same and settings.mixup:
            truth = x
        wanted = self.teacher_outputs is not None and (settings.alpha > 0 or truth is None)
        return x, truth, self.teacher_outputs(x) if wanted and self.teacher_outputs is not None else None

    def _rate(self, step: int, total: int) -> float:
        settings = self.settings
        if settings.schedule_rate == "constant":
            return settings.learning_rate
        share = 0.5 * (1 + math.cos(math.pi * step / max(total, 1)))
        return settings.learning_rate * (_FLOOR_RATE + (1 - _FLOOR_RATE) * share)

    def _projected(self) -> _Projected:
        return _Projected(self.variables, self.constraints)

    def _snapshot(self) -> tuple[list[Array], dict[Key, Constraint]]:
        with self._projected():
            if self.refresh is not None:
                self.refresh()
            return self.model.get_weights(), dict(self.constraints)

    def _restore(self, kept: tuple[list[Array], dict[Key, Constraint]]) -> None:
        self.model.set_weights(kept[0])
        self.constraints.clear()
        self.constraints.update(kept[1])


class _Projected:
    """Within the block, the model has the weights that its constraints allow; afterwards the free ones again."""

    def __init__(self, variables: Variables, constraints: dict[Key, Constraint]) -> None:
        self._variables, self._constraints = variables, constraints
        self._free: dict[Key, Array] = {}

    def __enter__(self) -> None:
        for key, constraint in self._constraints.items():
            self._free[key] = self._variables[key].numpy()
            self._variables[key].assign(constraint.project(self._free[key]))

    def __exit__(self, *_: object) -> None:
        for key, weights in self._free.items():
            self._variables[key].assign(weights)


def predict(model: Any, x: Array) -> Array:
    """A model's outputs at inference, float32 [samples, …]."""
    parts = [
        np.asarray(model(x[i : i + _EVALUATION_BATCH], training=False)) for i in range(0, len(x), _EVALUATION_BATCH)
    ]
    return np.concatenate(parts)


def prepare_batchnorm(model: Any, mode: str) -> None:
    """Freeze BatchNorms, or let them learn with a momentum that arrives within a short run."""
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        if type(inner).__name__ == "BatchNormalization":
            inner.trainable = mode == "update"
            inner.momentum = min(inner.momentum, _SHORT_MOMENTUM)


def seed_everything(seed: int) -> None:
    """Make TensorFlow repeat itself: seeds, and kernels that sum in a fixed order."""
    import tensorflow as tf
    import tf_keras

    tf_keras.utils.set_random_seed(seed % (1 << 32))
    tf.config.experimental.enable_op_determinism()


def _mixed(values: Array, order: NDArray[np.int64], share: Array) -> Array:
    weight = share.reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(weight * values + (1 - weight) * values[order], np.float32)
