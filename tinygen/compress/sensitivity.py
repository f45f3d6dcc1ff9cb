"""What each layer alone costs in a smaller form: the table by which forms are chosen.

Every layer in turn gets few values, or zeros, while all others stay as they are. The metric moves in steps of
one sample; the mean squared change of the outputs is finer, and orders layers even where no answer changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress import metrics
from tinygen.compress.constraints import fit_clusters, smallest_mask
from tinygen.compress.fold import fold_batchnorm
from tinygen.compress.kernels import Kernel, Key
from tinygen.compress.settings import Sensitivity
from tinygen.compress.state import Context, State, variables_of
from tinygen.compress.train import predict

__all__ = ["sensitivity", "suggest"]

Array = NDArray[Any]


def sensitivity(state: State, settings: Sensitivity, context: Context) -> State:
    """Fill the log's ``details["sensitivity"]``: one row for each layer and form; the model stays as it is.

    Measured on the training split, on the float model with BatchNorm folded and weights on int8's grid: the
    validation split is kept for judging the result of the choice.
    """
    model, _ = fold_batchnorm(state.model)
    variables = variables_of(model)
    train = context.split.train
    sample = train[np.linspace(0, len(train) - 1, min(settings.samples, len(train))).astype(int)]
    x = context.task.x[sample]
    plain = predict(model, x)
    base = context.task.measure(plain, sample)
    rows = []
    for kernel in context.chosen(model, replace(settings)):
        context.say(f'"{kernel.layer}"')
        weights = variables[kernel.key].numpy()
        for form, changed in _forms(kernel, weights, settings):
            variables[kernel.key].assign(changed)
            outputs = predict(model, x)
            measured = context.task.measure(outputs, sample)
            rows.append(
                {
                    "layer": kernel.layer,
                    "kind": kernel.kind,
                    "weights": kernel.size,
                    "form": form,
                    "metric": round(measured, 6),
                    "drop": round(metrics.drop(context.task.metric, base, measured), 6),
                    "output_change": float(np.mean((outputs - plain) ** 2)),
                }
            )
        variables[kernel.key].assign(weights)
    context.details["sensitivity"] = rows
    context.details["suggested_values"] = suggest(rows, sorted(settings.values, reverse=True))
    return state


def _forms(kernel: Kernel, weights: Array, settings: Sensitivity) -> Iterator[tuple[str, Array]]:
    for values in settings.values:
        yield f"{values} values", fit_clusters(weights, kernel.kind, values).project(weights)
    for share in settings.sparsity:
        yield f"{share:.0%} zeros", smallest_mask(weights, share).project(weights)


def suggest(rows: list[dict[str, Any]], ladder: list[int]) -> dict[str, int]:
    """A number of values for each layer: the fewest that change the outputs no more than most layers' best form does.

    The measure is ``output_change``, compared with the median of what the most values of the ladder cost: layers
    that are easy take fewer values, and the hardest keep the most. It fits a ``per_layer`` table.
    """
    if not ladder:
        return {}
    change: dict[Key, float] = {(r["layer"], r["form"]): r["output_change"] for r in rows}
    layers = list(dict.fromkeys(r["layer"] for r in rows))
    limit = 2 * float(np.median([change[(layer, f"{ladder[0]} values")] for layer in layers])) if layers else 0.0
    chosen = {}
    for layer in layers:
        good = [values for values in ladder if change[(layer, f"{values} values")] <= limit]
        chosen[layer] = min(good, default=ladder[0])
    return chosen
