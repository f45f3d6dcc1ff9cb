"""What goes from step to step, and what steps can ask of the run that they are part of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.constraints import Constraint
from tinygen.compress.kernels import Kernel, Key, kernels, select, untreated
from tinygen.compress.settings import Step, Training
from tinygen.compress.task import Split, Task
from tinygen.compress.train import Fit, Trainer, Variables, predict
from tinygen.errors import OptionError
from tinygen.load import detect
from tinygen.load.keras import load_tf_keras

__all__ = ["Context", "State", "variables_of"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A model on its way.

    Attributes:
        model: float ``tf_keras.Model``, with the projected weights; ``None`` for a model that came as .tflite.
        constraints: what its kernels keep, by (layer, attribute).
        wrapped: the same with fake quantization, from ``qat`` on.
        tflite: the int8 flatbuffer, from ``ptq`` on.
        bindings: index of a flatbuffer's operator -> the kernel that its weights come from.
    """

    model: Any
    constraints: dict[Key, Constraint] = field(default_factory=dict)
    wrapped: Any | None = None
    tflite: bytes | None = None
    bindings: dict[int, Kernel] = field(default_factory=dict)

    def is_pruned(self, key: Key) -> bool:
        """Whether a kernel has zeros that must stay."""
        return getattr(self.constraints.get(key), "keep", None) is not None

    def with_model(self, model: Any) -> State:
        """Another float model; constraints of layers that are gone or have another shape are given up."""
        shapes = {kernel.key: kernel.shape for kernel in kernels(model)}
        old = {kernel.key: kernel.shape for kernel in kernels(self.model)}
        kept = {key: c for key, c in self.constraints.items() if key in shapes and shapes[key] == old.get(key)}
        return replace(self, model=model, constraints=kept)


@dataclass(slots=True, eq=False)
class Context:
    """One step's surroundings.

    Attributes:
        original: the float model as it was given: the teacher; ``None`` for .tflite.
        source: the model file's name, for messages.
        folder: where a recipe's own files are.
        seed: this step's.
        say: progress, for people.
        sensitivity: the table of the last step that measured one.
        notes: what the step made, for the log.
        left_alone: layers that it could not treat, with reasons.
        details: numbers for the log.
    """

    task: Task
    split: Split
    original: Any
    source: str
    folder: Path
    seed: int
    say: Callable[[str], None]
    allow_custom_code: bool = False
    sensitivity: Sequence[Mapping[str, Any]] = ()
    notes: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def chosen(self, model: Any, step: Step) -> list[Kernel]:
        """The kernels that the step means; what no step knows goes to the log."""
        self.left_alone.extend(untreated(model))
        return select(kernels(model), step.layers, step.skip, step.kind)

    def trainer(
        self,
        model: Any,
        constraints: dict[Key, Constraint],
        settings: Training,
        *,
        variables: Variables | None = None,
        teachers: tuple[str, ...] | None = None,
        seed: int = 0,
    ) -> Trainer:
        """A trainer on this run's data; ``constraints`` is changed in place as training goes on."""
        answers = self.teacher_answers((settings.teacher,) if teachers is None else teachers, settings)
        return Trainer(
            model=model,
            variables=variables_of(model) if variables is None else variables,
            constraints=constraints,
            task=self.task,
            split=self.split,
            settings=settings,
            seed=self.seed + seed,
            teacher_outputs=answers,
            on_epoch=lambda epoch, epochs, loss: self.say(f"epoch {epoch} of {epochs}, loss {loss:.4f}"),
        )

    def spread(self, count: int) -> Array:
        """At most so many samples of the training split, evenly spaced, so that sorted classes all take part."""
        train = self.split.train
        return self.task.x[train[np.linspace(0, len(train) - 1, min(count, len(train))).astype(np.int64)]]

    def record(self, fit: Fit) -> None:
        """Put a training into the log."""
        self.details.setdefault("training", []).append(fit.to_dict())

    def teacher_answers(self, names: tuple[str, ...], settings: Training) -> Callable[[Array], Array] | None:
        """The mean of the teachers' outputs; ``None`` where nobody asks for it.

        Raises:
            OptionError: a teacher whose outputs have another shape.
        """
        labelled = self.task.labels is not None or self.task.targets is not None
        if labelled and settings.alpha == 0:
            return None
        models = [self._teacher(name) for name in names]

        def answers(x: Array) -> Array:
            return np.asarray(np.mean([predict(model, x) for model in models], axis=0))

        shape = answers(self.task.x[:1]).shape[1:]
        if shape != self.task.reference.shape[1:]:
            raise OptionError(
                f"teacher {', '.join(names)}: outputs of shape {list(shape)}, "
                f"but {self.source} has {list(self.task.reference.shape[1:])}"
            )
        return answers

    def load(self, name: str) -> Any:
        """A model that the recipe names, relative to the recipe."""
        path = self.folder / name
        return load_tf_keras(path, detect(path), allow_custom_code=self.allow_custom_code)

    def _teacher(self, name: str) -> Any:
        return self.original if name == "original" else self.load(name)


def variables_of(model: Any) -> Variables:
    """The variables behind a model's kernels, also behind fake quantization."""
    found: Variables = {}
    inner = {getattr(layer, "layer", layer).name: layer for layer in model.layers}
    for kernel in _all_kernels(model):
        layer = inner[kernel.layer]
        if hasattr(layer, "_weight_vars"):  # TFMOT's wrapper puts the quantized tensor in the variable's place
            variables = {_short(v.name): v for v, _, _ in layer._weight_vars}
            found[kernel.key] = variables.get(kernel.attribute, getattr(layer.layer, kernel.attribute))
        else:
            found[kernel.key] = getattr(layer, kernel.attribute)
    return found


def _all_kernels(model: Any) -> list[Kernel]:
    class Unwrapped:
        layers: tuple[Any, ...] = tuple(getattr(layer, "layer", layer) for layer in model.layers)

    return kernels(Unwrapped)


def _short(name: str) -> str:
    """``kernel`` of ``dense_2/kernel:0``."""
    return name.split(":")[0].split("/")[-1]
