"""``cluster`` shares few weight values, ``fold_batchnorm`` makes the model ready for it."""

from __future__ import annotations

from dataclasses import replace

from tinygen.compress.allocation import values_of_layers
from tinygen.compress.constraints import Mask, fit_clusters
from tinygen.compress.fold import fold_batchnorm
from tinygen.compress.settings import ALL_VALUES, Cluster, FoldBatchnorm
from tinygen.compress.state import Context, State, variables_of

__all__ = ["cluster", "fold"]


def fold(state: State, settings: FoldBatchnorm, context: Context) -> State:
    """Fold BatchNorm; zeros stay where they are, for a channel is only scaled."""
    del settings
    model, stay = fold_batchnorm(state.model)
    context.left_alone.extend(stay)
    return state.with_model(model)


def cluster(state: State, settings: Cluster, context: Context) -> State:
    """k-means, then train with the codes and the scales following the weights; zeros may be preserved (PSC).

    BatchNorm is folded first: it would scale each channel, and a tensor's shared values would be none any more.
    """
    state = fold(state, FoldBatchnorm(), context)
    model, constraints = state.model, dict(state.constraints)
    variables = variables_of(model)
    chosen = context.chosen(model, settings)
    values_of = values_of_layers(chosen, settings, context)
    for kernel in chosen:
        values = values_of[kernel.layer]
        if values == ALL_VALUES:
            context.notes.append(f'"{kernel.layer}": all values of int8')
            continue
        weights = variables[kernel.key].numpy()
        before = constraints.get(kernel.key)
        keep = before.keep if isinstance(before, Mask) and settings.preserve_sparsity else None
        per_channel = settings.scope == "channel"
        constraints[kernel.key] = fit_clusters(weights, kernel.kind, values, per_channel=per_channel, keep=keep)
        variables[kernel.key].assign(constraints[kernel.key].project(weights))
        context.notes.append(f'"{kernel.layer}": {constraints[kernel.key].text}')
    if settings.epochs:
        context.record(context.trainer(model, constraints, settings).run())
    return replace(state, model=model, constraints=constraints)
