"""Steps that only train: ``finetune`` and ``distill``."""

from __future__ import annotations

from dataclasses import replace

from tinygen.compress.replay import clone, standardize
from tinygen.compress.settings import Distill, Finetune
from tinygen.compress.state import Context, State, variables_of
from tinygen.compress.steps.quantizing import copy_to_float, refresh_ranges
from tinygen.errors import OptionError

__all__ = ["distill", "finetune"]


def finetune(state: State, settings: Finetune, context: Context) -> State:
    """Train what there is: the float model, or the one with fake quantization."""
    constraints = dict(state.constraints)
    if state.wrapped is None:
        model = clone(state.model)
        context.record(context.trainer(model, constraints, settings).run())
        return replace(state, model=model, constraints=constraints)
    wrapped = state.wrapped
    trainer = context.trainer(wrapped, constraints, settings, variables=variables_of(wrapped))
    trainer.refresh = lambda: refresh_ranges(wrapped)
    context.record(trainer.run())
    return replace(state, model=copy_to_float(wrapped, state.model), constraints=constraints)


def distill(state: State, settings: Distill, context: Context) -> State:
    """Train the current model or another on its teachers' answers.

    Raises:
        OptionError: a student that does not fit the data or the task.
    """
    constraints = dict(state.constraints)
    if settings.student:
        model = standardize(context.load(settings.student))
        _check_student(model, settings.student, context)
        if constraints:
            context.notes.append("the student is another model: what earlier steps made is not carried over")
        constraints = {}
    else:
        model = clone(state.model)
    stages = [(name,) for name in settings.teachers] if settings.staged else [settings.teachers]
    for number, teachers in enumerate(stages):
        context.say(f"learning from {', '.join(teachers)}")
        context.record(context.trainer(model, constraints, settings, teachers=teachers, seed=number).run())
    context.notes.append(f"learned from {', '.join(settings.teachers)}")
    return State(model, constraints)


def _check_student(model: object, name: str, context: Context) -> None:
    inputs, outputs = model.inputs, model.outputs  # type: ignore[attr-defined]
    wanted = (context.task.x.shape[1:], context.task.reference.shape[1:])
    shapes = (tuple(inputs[0].shape[1:]), tuple(outputs[0].shape[1:]))
    if len(inputs) != 1 or len(outputs) != 1 or shapes != wanted:
        raise OptionError(
            f"student {name}: maps {list(shapes[0])} to {list(shapes[1])}, "
            f"but the task maps {list(wanted[0])} to {list(wanted[1])}"
        )
