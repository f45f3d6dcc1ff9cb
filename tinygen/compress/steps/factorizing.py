"""``low_rank``: a dense or 1x1 layer becomes two thinner ones [Denton 2014; Jaderberg 2014]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.fold import fold_batchnorm
from tinygen.compress.kernels import Kernel, columns
from tinygen.compress.replay import Replay
from tinygen.compress.settings import LowRank
from tinygen.compress.state import Context, State

__all__ = ["chosen_rank", "factors", "low_rank"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """W [inputs, outputs] ~ first [inputs, rank] @ second [rank, outputs]."""

    first: Array
    second: Array
    energy: float


def low_rank(state: State, settings: LowRank, context: Context) -> State:
    """Factorize where it saves weights, then fine-tune.

    BatchNorm is folded first, so that the error counts as it acts.
    """
    model, stay = fold_batchnorm(state.model)
    context.left_alone.extend(stay)
    state = state.with_model(model)
    found: dict[str, Factors] = {}
    for kernel in context.chosen(model, settings):
        factorized = _factorize(model, kernel, settings, context)
        if factorized is not None:
            found[kernel.layer] = factorized
    thin = _rebuilt(model, found)
    state = state.with_model(thin)
    constraints = dict(state.constraints)
    if settings.epochs:
        context.record(context.trainer(thin, constraints, settings).run())
    return State(thin, constraints)


def _factorize(model: Any, kernel: Kernel, settings: LowRank, context: Context) -> Factors | None:
    if kernel.kind not in ("dense", "pointwise"):
        context.left_alone.append(f'"{kernel.layer}" ({kernel.kind}): only dense and 1x1 layers are factorized')
        return None
    weights = columns(getattr(model.get_layer(kernel.layer), kernel.attribute).numpy(), kernel.kind)
    inputs, outputs = weights.shape
    rank = chosen_rank(np.linalg.svd(weights, compute_uv=False), weights.shape, settings.energy, settings.budget)
    if rank * (inputs + outputs) >= inputs * outputs:
        context.left_alone.append(
            f'"{kernel.layer}" ({kernel.kind}): rank {rank} would take {rank * (inputs + outputs)} weights, '
            f"it has {inputs * outputs}"
        )
        return None
    result = factors(weights, rank)
    context.notes.append(
        f'"{kernel.layer}": rank {rank} of {min(inputs, outputs)}, {result.energy:.1%} of the energy, '
        f"{rank * (inputs + outputs)} of {inputs * outputs} weights"
    )
    return result


def chosen_rank(singular: Array, shape: tuple[int, ...], energy: float, budget: float) -> int:
    """The smallest rank that keeps the energy, or the largest within the budget if that is smaller; at least 1."""
    shares = np.cumsum(singular.astype(np.float64) ** 2)
    rank = int(np.searchsorted(shares, energy * shares[-1] * (1 - 1e-9))) + 1
    if budget:
        rank = min(rank, int(budget * shape[0] * shape[1] / (shape[0] + shape[1])))
    return max(rank, 1)


def factors(weights: Array, rank: int) -> Factors:
    """The best two factors [Eckart & Young 1936], with the singular values shared between them."""
    u, s, v = np.linalg.svd(weights.astype(np.float64), full_matrices=False)
    root = np.sqrt(s[:rank])
    energy = float((s[:rank] ** 2).sum() / max((s**2).sum(), 1e-30))
    return Factors((u[:, :rank] * root).astype(np.float32), (root[:, None] * v[:rank]).astype(np.float32), energy)


def _rebuilt(model: Any, found: dict[str, Factors]) -> Any:
    import tf_keras

    def visit(replay: Replay, layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        factorized = found.get(layer.name)
        if factorized is None:
            return replay.default(layer, args, kwargs)
        rank = factorized.first.shape[1]
        name = f"{layer.name}_thin"
        if type(layer).__name__ == "Dense":
            thin = tf_keras.layers.Dense(rank, use_bias=False, name=name)
        else:
            # The stride goes to the first of the two, which then computes fewer pixels.
            thin = type(layer)(rank, 1, strides=layer.strides, padding=layer.padding, use_bias=False, name=name)
        changes = {"strides": tuple(1 for _ in layer.strides)} if hasattr(layer, "strides") else {}
        return replay.twin(layer, **changes)(thin(*args, **kwargs))

    result = Replay(model, visit).run()
    for name, factorized in found.items():
        for layer, kernel in ((f"{name}_thin", factorized.first), (name, factorized.second)):
            twin = result.get_layer(layer)
            twin.kernel.assign(kernel.reshape(twin.kernel.shape))
        bias = getattr(model.get_layer(name), "bias", None)
        if bias is not None:
            result.get_layer(name).bias.assign(bias)
    return result
