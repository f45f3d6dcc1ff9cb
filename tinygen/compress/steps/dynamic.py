"""Steps that look for a good mask: ``lottery`` rewinds, ``rigl`` moves the mask while training."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.constraints import Constraint, Mask, smallest_mask
from tinygen.compress.kernels import Key
from tinygen.compress.replay import clone
from tinygen.compress.settings import Lottery, Rigl
from tinygen.compress.state import Context, State, variables_of
from tinygen.compress.steps.pruning import prunable

__all__ = ["lottery", "moved_mask", "rigl"]

Array = NDArray[Any]


def lottery(state: State, settings: Lottery, context: Context) -> State:
    """Iterative magnitude pruning with rewinding [Frankle 2020].

    Each round trains, prunes by the trained magnitudes, and returns what is left to its early weights; the last
    training runs under the final mask.
    """
    model, constraints = clone(state.model), dict(state.constraints)
    variables = variables_of(model)
    chosen = prunable(model, constraints, settings, context, depthwise=False)
    early = model.get_weights()

    def remember(epoch: int) -> None:
        nonlocal early
        if epoch == settings.rewind_epoch:
            early = model.get_weights()

    for number in range(settings.rounds):
        trainer = context.trainer(model, constraints, settings, seed=0)
        # Later rounds start from the early weights: the order of samples repeats, as the method has it.
        trainer.after_epoch = remember if number == 0 else None
        context.say(f"round {number + 1} of {settings.rounds}")
        context.record(trainer.run())
        share = 1 - (1 - settings.sparsity) ** ((number + 1) / settings.rounds)
        masks = {k.key: smallest_mask(variables[k.key].numpy(), share) for k in chosen}
        model.set_weights(early)
        constraints.update(masks)
        for key, mask in masks.items():
            variables[key].assign(mask.project(variables[key].numpy()))
    context.record(context.trainer(model, constraints, settings, seed=0).run())
    context.notes.append(f"rewound {settings.rounds} times to epoch {settings.rewind_epoch}")
    return replace(state, model=model, constraints=constraints)


def rigl(state: State, settings: Rigl, context: Context) -> State:
    """Train sparsely; now and then, drop the smallest weights and grow those with the largest gradients."""
    model, constraints = clone(state.model), dict(state.constraints)
    variables = variables_of(model)
    chosen = prunable(model, constraints, settings, context, depthwise=False)
    for kernel in chosen:
        mask = smallest_mask(variables[kernel.key].numpy(), settings.sparsity)
        constraints[kernel.key] = mask
        variables[kernel.key].assign(mask.project(variables[kernel.key].numpy()))
    trainer = context.trainer(model, constraints, settings)
    rng = np.random.default_rng(context.seed)
    moves = [0]

    def before_step(step: int, total: int) -> None:
        if step == 0 or step % settings.frequency or step >= settings.until * total:
            return
        share = settings.moved / 2 * (1 + math.cos(math.pi * step / (settings.until * total)))
        size = min(settings.batch_size, len(context.split.train))
        gradients = trainer.dense_gradients(rng.choice(context.split.train, size, replace=False))
        moves[0] += _move(constraints, {k.key: variables[k.key] for k in chosen}, gradients, share)

    trainer.before_step = before_step
    context.record(trainer.run())
    context.notes.append(f"{moves[0]} weights moved")
    return replace(state, model=model, constraints=constraints)


def _move(
    constraints: dict[Key, Constraint], variables: dict[Key, Any], gradients: dict[Key, Array], share: float
) -> int:
    """Move each mask; returns how many weights were dropped and grown."""
    count = 0
    for key, variable in variables.items():
        mask = constraints[key]
        assert isinstance(mask, Mask)
        fresh = moved_mask(variable.numpy(), mask, gradients[key], share)
        count += int((fresh.keep & ~mask.keep).sum())
        constraints[key] = fresh
        variable.assign(fresh.project(variable.numpy()))  # what grows begins at zero
    return count


def moved_mask(weights: Array, mask: Mask, gradients: Array, share: float) -> Mask:
    """A mask with as many zeros [Evci 2020, algorithm 1].

    Args:
        share: of the kept weights, how many give way to the pruned ones with the largest gradients.
    """
    keep = mask.keep.ravel().copy()
    count = min(round(share * int(keep.sum())), int((~keep).sum()))
    if count == 0:
        return mask
    pruned = np.flatnonzero(~keep)
    alive = np.flatnonzero(keep)
    dropped = alive[np.argsort(np.abs(weights.ravel()[alive]), kind="stable")[:count]]
    grown = pruned[np.argsort(-np.abs(gradients.ravel()[pruned]), kind="stable")[:count]]
    keep[dropped], keep[grown] = False, True
    return Mask(keep.reshape(mask.keep.shape))
