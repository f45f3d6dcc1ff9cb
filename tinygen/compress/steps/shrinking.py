"""``structured``: remove whole channels for good and rebuild the model smaller."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.channels import ChannelGraph
from tinygen.compress.kernels import Kernel, columns, kernels, override
from tinygen.compress.replay import Replay, calls, clone
from tinygen.compress.settings import Structured
from tinygen.compress.state import Context, State
from tinygen.compress.steps.reconstructing import reconstruct

__all__ = ["remove_channels", "structured", "weakest"]

Array = NDArray[Any]
_RECONSTRUCTION_SAMPLES = 500


def structured(state: State, settings: Structured, context: Context) -> State:
    """Remove the channels that matter least, in one or several rounds, with fine-tuning after each."""
    model = clone(state.model)
    constraints = dict(state.constraints)
    if constraints:
        context.notes.append("zeros and shared values of the layers that shrink are given up")
    full = {k.layer: _width(k) for k in kernels(model)}
    for iteration in range(settings.iterations):
        share = (iteration + 1) / settings.iterations
        chosen = context.chosen(model, settings) if iteration == 0 else _still(model, settings, context)
        graph = ChannelGraph.of(model)
        removed = weakest(model, graph, chosen, settings, full, share)
        smaller = remove_channels(model, graph, removed)
        if settings.reconstruct and removed:
            kept = {name: graph.roots_outside(p.outputs, removed) for name, p in graph.producers.items()}
            samples = context.spread(_RECONSTRUCTION_SAMPLES)
            fitted = reconstruct(model, smaller, graph, kept, samples)
            context.say(f"fitted {len(fitted)} layers to what they put out before")
        shrunk = State(model, constraints).with_model(smaller)
        model, constraints = shrunk.model, dict(shrunk.constraints)
        context.say(f"{len(removed)} channels removed")
        if settings.epochs:
            context.record(context.trainer(model, constraints, settings, seed=iteration).run())
    context.left_alone.extend(graph.reasons.values())
    for kernel in kernels(model):
        if kernel.layer in full and _width(kernel) != full[kernel.layer]:
            context.notes.append(f'"{kernel.layer}": {_width(kernel)} of {full[kernel.layer]} channels')
    before, after = state.model.count_params(), model.count_params()
    context.details["parameters"] = [int(before), int(after)]
    return State(model, constraints)


def _still(model: Any, settings: Structured, context: Context) -> list[Kernel]:
    reported = list(context.left_alone)
    chosen = context.chosen(model, settings)
    context.left_alone[:] = reported
    return chosen


def _width(kernel: Kernel) -> int:
    return kernel.shape[-2] if kernel.kind in ("transposed", "depthwise") else kernel.shape[-1]


def weakest(
    model: Any, graph: ChannelGraph, chosen: list[Kernel], settings: Structured, full: dict[str, int], share: float
) -> set[int]:
    """Roots of the units to remove.

    Layers whose channels are tied (by a residual connection, say) are one family and lose the same channels.

    Args:
        full: widths of the layers before the first round.
        share: of the whole removal, how much is done after this round.
    """
    scores = _scores(model, graph, settings.score)
    fixed = graph.fixed_roots()
    by_layer = {kernel.layer: kernel for kernel in chosen if kernel.layer in graph.producers}
    families: dict[frozenset[int], list[Kernel]] = {}
    for layer, kernel in by_layer.items():
        roots = frozenset(graph.roots(graph.producers[layer].outputs).tolist()) - fixed
        if roots:
            families.setdefault(roots, []).append(kernel)
    if settings.scope == "global":
        return _weakest_anywhere(families, scores, settings, share)
    removed: set[int] = set()
    for roots, members in families.items():
        fraction = max(override(kernel, settings.per_layer, settings.fraction) for kernel in members)
        width = max(full[kernel.layer] for kernel in members)
        keep = _rounded(width * (1 - fraction * share), settings.multiple, width)
        ordered = sorted(roots, key=lambda root: (scores[root], root))
        removed.update(ordered[: max(len(roots) - keep, 0)])
    return removed


def _weakest_anywhere(
    families: dict[frozenset[int], list[Kernel]], scores: dict[int, float], settings: Structured, share: float
) -> set[int]:
    """Cut the same score everywhere; each family keeps a tenth and a multiple of what kernels like."""
    everything = sorted((scores[root], root) for roots in families for root in roots)
    cut = {root for _, root in everything[: round(settings.fraction * share * len(everything))]}
    removed: set[int] = set()
    for roots in families:
        width = len(roots)
        keep = _rounded(max(width - len(roots & cut), width / 10), settings.multiple, width)
        ordered = sorted(roots, key=lambda root: (scores[root], root))
        removed.update(ordered[: width - keep])
    return removed


def _rounded(width: float, multiple: int, limit: int) -> int:
    """A width as a multiple of what kernels like, at least one of it."""
    return min(max(round(width / multiple) * multiple, multiple), limit)


def _scores(model: Any, graph: ChannelGraph, score: str) -> dict[int, float]:
    """What each unit matters: mean over all layers that make it, each in units of its own mean."""
    found: dict[int, list[float]] = {}
    norms = {name: (layer, units) for name, (layer, units) in graph.passing.items() if hasattr(layer, "gamma")}
    if score == "gamma" and norms:
        for layer, units in norms.values():
            if layer.gamma is not None:
                _collect(found, graph, units, np.abs(layer.gamma.numpy()))
    kinds = {kernel.layer: kernel.kind for kernel in kernels(model)}
    for name, producer in graph.producers.items():
        roots = graph.roots(producer.outputs)
        if score == "gamma" and any(root in found for root in roots):
            continue
        size = np.abs(columns(producer.layer.kernel.numpy(), kinds[name])).sum(axis=0)
        _collect(found, graph, producer.outputs, size)
    return {root: float(np.mean(values)) for root, values in found.items()}


def _collect(found: dict[int, list[float]], graph: ChannelGraph, units: Array, values: Array) -> None:
    mean = max(float(values.mean()), 1e-12)
    for root, value in zip(graph.roots(units).tolist(), (values / mean).tolist(), strict=True):
        found.setdefault(root, []).append(value)


def remove_channels(model: Any, graph: ChannelGraph, removed: set[int]) -> Any:
    """The model without the units whose roots are given; what is left computes the same."""

    def kept(units: Array) -> NDArray[np.bool_]:
        return graph.roots_outside(units, removed)

    def visit(replay: Replay, layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return replay.twin(layer, **_changes(layer, graph, kept))(*args, **kwargs)

    result = Replay(model, visit).run()
    for layer in model.layers:
        if layer.weights:
            result.get_layer(layer.name).set_weights(_sliced(layer, graph, kept))
    assert sum(1 for _ in calls(result)) == sum(1 for _ in calls(model))
    return result


def _changes(layer: Any, graph: ChannelGraph, kept: Any) -> dict[str, Any]:
    if layer.name in graph.producers:
        count = int(kept(graph.producers[layer.name].outputs).sum())
        return {"units" if type(layer).__name__ == "Dense" else "filters": count}
    if layer.name in graph.reshapes:
        _, units, outputs = graph.reshapes[layer.name]
        target = list(layer.target_shape)
        if target[-1] != -1:
            target[-1] = int(kept(outputs).sum())
        return {"target_shape": tuple(target)} if len(units) else {}
    return {}


def _sliced(layer: Any, graph: ChannelGraph, kept: Any) -> list[Array]:
    """A layer's weights without those of the removed units."""
    weights: list[Array] = layer.get_weights()
    kind = type(layer).__name__
    if layer.name in graph.producers:
        producer = graph.producers[layer.name]
        ins, outs = kept(producer.inputs), kept(producer.outputs)
        kernel = weights[0][..., outs, :][..., ins] if kind == "Conv2DTranspose" else weights[0][..., ins, :][..., outs]
        return [kernel, *(bias[outs] for bias in weights[1:])]
    if layer.name in graph.passing:
        keep = kept(graph.passing[layer.name][1])
        if kind == "DepthwiseConv2D":
            repeated = np.repeat(keep, layer.depth_multiplier)
            return [weights[0][:, :, keep, :], *(bias[repeated] for bias in weights[1:])]
        return [w[..., keep] for w in weights]
    return weights
