"""``prune``: magnitude pruning by the Model Optimization Toolkit, by a schedule, iterative, and m:n patterns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.constraints import Clusters, Constraint, Mask, pattern_mask, smallest_mask
from tinygen.compress.kernels import Kernel, Key, override
from tinygen.compress.replay import clone
from tinygen.compress.settings import Prune, Step
from tinygen.compress.state import Context, State, variables_of
from tinygen.compress.steps import tfmot_pruning
from tinygen.compress.train import Variables

__all__ = ["prunable", "prune", "targets"]

Array = NDArray[Any]


def prune(state: State, settings: Prune, context: Context) -> State:
    """Set small weights to zero while training."""
    model, constraints = clone(state.model), dict(state.constraints)
    variables = variables_of(model)
    chosen = prunable(model, constraints, settings, context, depthwise=settings.depthwise)
    if settings.pattern:
        chosen = _fitting(chosen, variables, settings.pattern, context)
    for iteration in range(settings.iterations):
        model = _round(model, constraints, chosen, settings, context, iteration)
    for kernel in chosen:
        context.notes.append(f'"{kernel.layer}": {constraints[kernel.key].text}')
    return replace(state, model=model, constraints=constraints)


def prunable(
    model: Any, constraints: dict[Key, Constraint], settings: Step, context: Context, *, depthwise: bool
) -> list[Kernel]:
    """The kernels that the step may prune; the others go to the log."""
    chosen = []
    for kernel in context.chosen(model, settings):
        if kernel.kind == "depthwise" and not depthwise and not settings.layers:
            context.left_alone.append(
                f'"{kernel.layer}" (depthwise): few weights, much lost; name it in `layers` or set depthwise = true'
            )
        elif isinstance(constraints.get(kernel.key), Clusters):
            context.left_alone.append(f'"{kernel.layer}": shares few values already; prune before clustering')
        else:
            chosen.append(kernel)
    return chosen


def targets(chosen: list[Kernel], variables: Variables, settings: Prune) -> dict[Key, float]:
    """The share of zeros that each kernel is to end with.

    One threshold for all (``scope = "global"``) becomes shares, too: those that it gives the kernels as they are now.
    """
    goals = {k.key: override(k, settings.per_layer, settings.sparsity) for k in chosen}
    if settings.scope == "layer" or not chosen:
        return goals
    weights = {key: np.abs(variables[key].numpy()) for key in goals}
    # Layers differ in the size of their weights: compare them in units of each layer's own.
    sizes = {key: w.ravel() / max(float(np.sqrt(np.mean(w**2))), 1e-12) for key, w in weights.items()}
    keep = smallest_mask(
        np.concatenate(list(sizes.values())),
        sum(goals[key] * size.size for key, size in sizes.items()) / sum(size.size for size in sizes.values()),
    ).keep
    parts = np.split(keep, np.cumsum([size.size for size in sizes.values()])[:-1])
    return {key: 1 - float(part.mean()) for key, part in zip(sizes, parts, strict=True)}


def _round(
    model: Any,
    constraints: dict[Key, Constraint],
    chosen: list[Kernel],
    settings: Prune,
    context: Context,
    iteration: int,
) -> Any:
    """One training from this iteration's first share of the goal to its last; equal steps towards the goal."""
    variables = variables_of(model)
    goals, low = targets(chosen, variables, settings), settings.initial_sparsity
    start, end = iteration / settings.iterations, (iteration + 1) / settings.iterations
    trainer = context.trainer(model, constraints, settings, seed=iteration)
    total = trainer.steps_per_epoch * settings.epochs
    at_once = {k.key for k in chosen if not total or (settings.pattern and not tfmot_pruning.follows_pattern(k))}
    for kernel in chosen:
        if kernel.key in at_once:
            share = low + (goals[kernel.key] - low) * end
            _keep_zeros(constraints, variables, kernel, _mask(variables[kernel.key].numpy(), kernel, settings, share))
    if not total:
        return model
    power = None if settings.schedule == "constant" or settings.pattern else settings.power
    schedule = tfmot_pruning.Schedule.of(total, settings.begin, settings.end, settings.frequency, power)
    spans = {k.key: (low + (goals[k.key] - low) * start, low + (goals[k.key] - low) * end) for k in chosen}
    scheduled = {k.layer: schedule.between(*spans[k.key]) for k in chosen if k.key not in at_once}
    trainer.model = tfmot_pruning.wrap(model, scheduled, settings.pattern)
    tfmot_pruning.prepare(trainer.model)
    # Only weights that have their full sparsity may be kept.
    trainer.choosable = lambda epoch: epoch * trainer.steps_per_epoch >= schedule.end
    context.record(trainer.run())
    stripped, masks = tfmot_pruning.strip(trainer.model)
    model = clone(stripped)
    variables = variables_of(model)
    for kernel in chosen:
        if kernel.layer in masks:
            _keep_zeros(constraints, variables, kernel, Mask(masks[kernel.layer]))
    return model


def _mask(weights: Array, kernel: Kernel, settings: Prune, share: float) -> Mask:
    if not settings.pattern:
        return smallest_mask(weights, share)
    mask = pattern_mask(weights, kernel.kind, settings.pattern)
    assert mask is not None, "kernels that a pattern doesn't fit are not chosen"
    return mask


def _keep_zeros(constraints: dict[Key, Constraint], variables: Variables, kernel: Kernel, mask: Mask) -> None:
    """From now on: these zeros, and those of the steps before."""
    before = constraints.get(kernel.key)
    keep = mask.keep & before.keep if isinstance(before, Mask) else mask.keep
    constraints[kernel.key] = Mask(keep)
    variables[kernel.key].assign(constraints[kernel.key].project(variables[kernel.key].numpy()))


def _fitting(chosen: list[Kernel], variables: Variables, pattern: str, context: Context) -> list[Kernel]:
    fitting = []
    for kernel in chosen:
        if pattern_mask(variables[kernel.key].numpy(), kernel.kind, pattern) is None:
            of = pattern.split(":")[1]
            context.left_alone.append(f'"{kernel.layer}" ({kernel.kind}): its input channels do not divide by {of}')
        else:
            fitting.append(kernel)
    return fitting
