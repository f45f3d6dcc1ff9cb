"""``cluster`` shares few weight values, ``fold_batchnorm`` makes the model ready for it."""

from __future__ import annotations

from dataclasses import replace

from tinygen.compress.allocation import values_of_layers
from tinygen.compress.constraints import Mask, fit_clusters
from tinygen.compress.fold import fold_batchnorm
from tinygen.compress.settings import ALL_VALUES, Cluster, FoldBatchnorm
from tinygen.compress.state import Context, State, variables_of
from tinygen.compress.steps.tfmot_clustering import Goal, refusal, strip, wrap

__all__ = ["cluster", "fold"]


def fold(state: State, settings: FoldBatchnorm, context: Context) -> State:
    """Fold BatchNorm; zeros stay where they are, for a channel is only scaled."""
    del settings
    model, stay = fold_batchnorm(state.model)
    context.left_alone.extend(stay)
    return state.with_model(model)


def cluster(state: State, settings: Cluster, context: Context) -> State:
    """k-means, then train the shared values; zeros may be preserved (PSC).

    BatchNorm is folded first: it would scale each channel, and a tensor's shared values would be none any more.
    """
    state = fold(state, FoldBatchnorm(), context)
    model, constraints = state.model, dict(state.constraints)
    variables = variables_of(model)
    chosen = context.chosen(model, settings)
    values_of = values_of_layers(chosen, settings, context)
    goals: dict[str, Goal] = {}
    for kernel in chosen:
        values = values_of[kernel.layer]
        if values == ALL_VALUES:
            context.notes.append(f'"{kernel.layer}": all values of int8')
            continue
        weights = variables[kernel.key].numpy()
        before = constraints.pop(kernel.key, None)
        keep = before.keep if isinstance(before, Mask) and settings.preserve_sparsity else None
        goal = Goal(kernel, values, settings.scope == "channel", keep)
        by_tfmot = settings.engine == "tfmot" and settings.epochs > 0
        refused = refusal(goal, model.get_layer(kernel.layer), weights) if by_tfmot else ""
        if by_tfmot and not refused:
            goals[kernel.layer] = goal
            continue
        found = fit_clusters(weights, kernel.kind, values, per_channel=goal.per_channel, keep=keep)
        constraints[kernel.key] = found
        variables[kernel.key].assign(found.project(weights))
        context.notes.append(f'"{kernel.layer}": {found.text}' + (f", without TFMOT: {refused}" if refused else ""))
    if settings.epochs:
        trainer = context.trainer(model, constraints, settings)
        if goals:
            trainer.model = wrap(model, goals, settings.centroids)
        context.record(trainer.run())
        if goals:
            model, shared = strip(trainer.model, goals, model)
            for layer, found in shared.items():
                constraints[goals[layer].kernel.key] = found
                context.notes.append(f'"{layer}": {found.text}')
    return replace(state, model=model, constraints=constraints)
