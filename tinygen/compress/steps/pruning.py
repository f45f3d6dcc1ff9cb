"""``prune``: magnitude pruning at once or by a schedule, iterative, and m:n patterns."""

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
from tinygen.compress.train import Variables

__all__ = ["masks_for", "prunable", "prune", "scheduled"]

Array = NDArray[Any]


def prune(state: State, settings: Prune, context: Context) -> State:
    """Set small weights to zero while training."""
    model, constraints = clone(state.model), dict(state.constraints)
    variables = variables_of(model)
    chosen = prunable(model, constraints, settings, context, depthwise=settings.depthwise)
    if settings.pattern:
        chosen = _fitting(chosen, variables, settings.pattern, context)
    for iteration in range(settings.iterations):
        start, end = _range(settings, iteration)
        _round(model, constraints, chosen, settings, context, start, end, iteration)
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


def scheduled(settings: Prune, share: float, start: float, end: float) -> float:
    """Progress of the schedule, from ``start`` to ``end``, at a share of the training [Zhu & Gupta 2017, eq. 1]."""
    if settings.schedule == "constant":
        return end if share >= settings.begin else start
    done = min(max((share - settings.begin) / max(settings.end - settings.begin, 1e-9), 0.0), 1.0)
    return float(end + (start - end) * (1 - done) ** settings.power)


def masks_for(
    chosen: list[Kernel], variables: Variables, targets: dict[Key, float], *, everywhere: bool
) -> dict[Key, Mask]:
    """Masks that leave each kernel its target share of zeros, or all of them together the mean of it."""
    weights = {kernel.key: variables[kernel.key].numpy() for kernel in chosen}
    if not everywhere or not chosen:
        return {key: smallest_mask(w, targets[key]) for key, w in weights.items()}
    # Layers differ in the size of their weights: compare them in units of each layer's own.
    sizes = {key: np.abs(w) / max(float(np.sqrt(np.mean(w**2))), 1e-12) for key, w in weights.items()}
    flat = np.concatenate([s.ravel() for s in sizes.values()])
    share = sum(targets[key] * w.size for key, w in weights.items()) / flat.size
    joint = smallest_mask(flat, share).keep
    masks, at = {}, 0
    for key, w in weights.items():
        masks[key] = Mask(joint[at : at + w.size].reshape(w.shape))
        at += w.size
    return masks


def _round(
    model: Any,
    constraints: dict[Key, Constraint],
    chosen: list[Kernel],
    settings: Prune,
    context: Context,
    start: float,
    end: float,
    iteration: int,
) -> None:
    """One training with the schedule from ``start`` to ``end`` of each layer's sparsity."""
    variables = variables_of(model)
    goals = {k.key: override(k, settings.per_layer, settings.sparsity) for k in chosen}

    def update(share: float) -> None:
        done = scheduled(settings, share, start, end)
        if settings.pattern:
            # A pattern has no half-way: the mask holds from the beginning of the schedule on.
            active = chosen if share >= settings.begin else []
            masks: dict[Key, Mask | None] = {
                k.key: pattern_mask(variables[k.key].numpy(), k.kind, settings.pattern) for k in active
            }
        else:
            low = settings.initial_sparsity
            targets = {key: low + (goal - low) * done for key, goal in goals.items()}
            masks = dict(masks_for(chosen, variables, targets, everywhere=settings.scope == "global"))
        constraints.update({key: mask for key, mask in masks.items() if mask is not None})

    last = settings.begin if settings.schedule == "constant" or settings.pattern else settings.end
    fixed_after = int(np.ceil(last * settings.epochs))

    def before_step(step: int, total: int) -> None:
        share = step / total
        if share <= last + settings.frequency / total and step % settings.frequency == 0 and step < total:
            update(share)

    trainer = context.trainer(model, constraints, settings, seed=iteration)
    trainer.before_step = before_step
    # Only weights that have their full sparsity may be kept; the last update comes before the epoch is judged.
    trainer.after_epoch = lambda epoch: update(1.0) if epoch == max(fixed_after, 1) else None
    trainer.choosable = lambda epoch: epoch >= max(fixed_after, 1)
    if settings.epochs == 0:
        update(1.0)
        trainer.choosable = lambda epoch: True
    context.record(trainer.run())


def _range(settings: Prune, iteration: int) -> tuple[float, float]:
    """Start and end of one iteration's schedule: equal steps towards the goal."""
    return iteration / settings.iterations, (iteration + 1) / settings.iterations


def _fitting(chosen: list[Kernel], variables: Variables, pattern: str, context: Context) -> list[Kernel]:
    fitting = []
    for kernel in chosen:
        if pattern_mask(variables[kernel.key].numpy(), kernel.kind, pattern) is None:
            of = pattern.split(":")[1]
            context.left_alone.append(f'"{kernel.layer}" ({kernel.kind}): its input channels do not divide by {of}')
        else:
            fitting.append(kernel)
    return fitting
