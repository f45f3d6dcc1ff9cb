"""What each layer alone costs in a smaller form: the table by which forms are chosen.

Every layer in turn gets few values, or zeros, while all others stay as they are. The metric moves in steps of
one sample; the mean squared change of the outputs is finer, and orders layers even where no answer changes. Of
probabilities it is taken before the softmax or sigmoid: behind it a few undecided samples make most of the change,
and what is best for them is not for others. There, too, changes of single layers add up [Zhou 2018, "Adaptive
quantization for deep neural network"].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress import metrics
from tinygen.compress.constraints import Mask, fit_clusters, smallest_mask
from tinygen.compress.fold import fold_batchnorm
from tinygen.compress.int8 import int8_weights
from tinygen.compress.kernels import Kernel, Key
from tinygen.compress.rewriting import chosen_weights, clustered, correct_bias, means_of_inputs, sparsified
from tinygen.compress.running import oracle_scores
from tinygen.compress.settings import ALL_VALUES, Sensitivity
from tinygen.compress.state import Context, State, variables_of
from tinygen.compress.train import predict

__all__ = ["TABLE", "sensitivity", "suggest", "unsquashed"]

Array = NDArray[Any]
# Where a record's details hold the table.
TABLE = "sensitivity"
_INT8_SAMPLES = 100


@dataclass(frozen=True, slots=True)
class _Form:
    """Few values, or a share of zeros; the other is 0."""

    values: int = 0
    zeros: float = 0.0

    @property
    def text(self) -> str:
        return f"{self.values} values" if self.values else f"{self.zeros:.0%} zeros"


_NONE, _AS_IS = Kernel("", "", "", ()), _Form()
# Where float32 tells a probability from 0 and from 1.
_TINY = 1e-7


def sensitivity(state: State, settings: Sensitivity, context: Context) -> State:
    """Fill the log's ``details["sensitivity"]``: one row for each layer and form; the model stays as it is.

    Measured on the training split: the validation split is kept for judging the result of the choice. Of a float
    model, BatchNorm is folded and weights lie on int8's grid.
    """
    count = settings.samples if state.tflite is None else min(settings.samples, _INT8_SAMPLES)
    train = context.split.train
    sample = train[np.linspace(0, len(train) - 1, min(count, len(train))).astype(int)]
    x = context.task.x[sample]
    forms = [*map(_Form, settings.values), *(_Form(zeros=share) for share in settings.sparsity)]
    trials = _float_trials if state.tflite is None else _int8_trials
    plain, *changed = trials(state, settings, context, forms, x)
    base = context.task.measure(plain.outputs, sample)
    rows = []
    for trial in changed:
        kernel, form = trial.kernel, trial.form
        measured = context.task.measure(trial.outputs, sample)
        rows.append(
            {
                "layer": kernel.layer,
                "kind": kernel.kind,
                "weights": kernel.size,
                "form": form.text,
                "values": form.values,
                "metric": round(measured, 6),
                "drop": round(metrics.drop(context.task.metric, base, measured), 6),
                "output_change": float(np.mean((trial.scores - plain.scores) ** 2)),
            }
        )
    context.details[TABLE] = rows
    context.details["samples"] = len(sample)
    context.details["suggested_values"] = suggest(rows, sorted(settings.values, reverse=True))
    return state


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """What the model gives with one layer in another form, or as it is; ``scores`` are the outputs unsquashed."""

    outputs: Array
    scores: Array
    kernel: Kernel = _NONE
    form: _Form = _AS_IS


def unsquashed(outputs: Array, kind: str) -> Array:
    """What a softmax or sigmoid made the outputs of; of a softmax, up to what it does not see."""
    if kind == "softmax":
        logs = np.log(np.maximum(outputs, _TINY))
        return np.asarray(logs - logs.mean(axis=-1, keepdims=True))
    if kind == "sigmoid":
        inside = np.clip(outputs, _TINY, 1 - _TINY)
        return np.asarray(np.log(inside / (1 - inside)))
    return outputs


def _float_trials(
    state: State, settings: Sensitivity, context: Context, forms: list[_Form], x: Array
) -> Iterator[_Trial]:
    """The float model's outputs as it is, and with each layer in each form."""
    model, _ = fold_batchnorm(state.model)
    variables = variables_of(model)
    kind = context.task.kind

    def trial(kernel: Kernel = _NONE, form: _Form = _AS_IS) -> _Trial:
        outputs = predict(model, x)
        return _Trial(outputs, unsquashed(outputs, kind), kernel, form)

    yield trial()
    for kernel in context.chosen(model, settings):
        context.say(f'"{kernel.layer}"')
        weights = variables[kernel.key].numpy()
        mask = state.constraints.get(kernel.key)
        keep = mask.keep if isinstance(mask, Mask) else None
        for form in forms:
            rule = (
                fit_clusters(weights, kernel.kind, form.values, keep=keep)
                if form.values
                else smallest_mask(weights, form.zeros)
            )
            variables[kernel.key].assign(rule.project(weights))
            yield trial(kernel, form)
        variables[kernel.key].assign(weights)


def _int8_trials(
    state: State, settings: Sensitivity, context: Context, forms: list[_Form], x: Array
) -> Iterator[_Trial]:
    """The same of an int8 file, by the reference interpreter."""
    assert state.tflite is not None
    yield _Trial(*oracle_scores(state.tflite, x))
    means = means_of_inputs(state.tflite, x)
    for chosen, kernel in chosen_weights(bytearray(state.tflite), state, settings, context):
        context.say(f'"{kernel.layer}"')
        for form in forms:
            content = bytearray(state.tflite)
            weights = next(w for w in int8_weights(content) if w.operator == chosen.operator)
            before = weights.real
            if form.values:
                pruned = state.is_pruned(kernel.key)
                weights.write(*clustered(weights, form.values, per_channel=False, keep_zeros=pruned, rescale=True))
            else:
                weights.write(sparsified(weights.matrix, form.zeros))
            correct_bias(weights, before, means)
            yield _Trial(*oracle_scores(bytes(content), x), kernel, form)


def suggest(rows: list[dict[str, Any]], ladder: list[int]) -> dict[str, int]:
    """A number of values for each layer: the fewest that change the outputs no more than most layers' best form does.

    The measure is ``output_change``, compared with the median of what the most values of the ladder cost: layers
    that are easy take fewer values, and the hardest keep the most. It fits a ``per_layer`` table.

    Args:
        ladder: numbers of values, the most first; all of int8's save nothing, and are never suggested.
    """
    ladder = [values for values in ladder if values < ALL_VALUES]
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
