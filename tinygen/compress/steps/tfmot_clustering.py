"""``cluster_weights`` of the Model Optimization Toolkit (TFMOT), in units of int8.

TFMOT shares values among floats. int8 has a scale for each output channel, and by it a tensor's 16 floats become
hundreds of codes. So layers are given to TFMOT as "clusterable layers" of our own, which divide each channel by its
largest weight: what is shared is then what int8 stores, and depthwise and transposed layers can be treated as well.

Later steps keep the result by our constraints, not by TFMOT's ``Default8BitClusterPreserveQuantizeScheme``: that one
shares floats again, leaves depthwise layers out, and drifts (its first convolution lost its clusters).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.constraints import LIMIT, Clusters, fit_clusters
from tinygen.compress.kernels import Kernel, columns
from tinygen.compress.replay import clone

__all__ = ["Goal", "refusal", "strip", "wrap"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """What one layer is to come to.

    Attributes:
        values: at most so many, for the tensor or for each channel.
        keep: where weights may differ from zero; ``None`` for everywhere.
    """

    kernel: Kernel
    values: int
    per_channel: bool
    keep: NDArray[np.bool_] | None


def refusal(goal: Goal, layer: Any, weights: Array) -> str:
    """Why TFMOT can't treat a layer; empty if it can."""
    if goal.keep is not None and goal.values < 3:
        return "it keeps zeros only among 3 values or more"
    if goal.per_channel and type(layer).__name__ != "Conv2D":
        return f"it shares values by the channel in no {type(layer).__name__}"
    if goal.per_channel and not layer.use_bias:
        return "it passes over a Conv2D without bias"  # for it counts channels by the last variable
    groups = columns(weights, goal.kernel.kind).T if goal.per_channel else [weights]
    if min(np.unique(group[group != 0]).size for group in groups) <= goal.values:
        return f"there are no more than {goal.values} different weights in the {_scope(goal)}"
    return ""


def wrap(model: Any, goals: Mapping[str, Goal], centroids: str) -> Any:
    """The model with twins of some layers, by name, that share values; its other layers are trained in place.

    Twins, because ``cluster_weights`` puts a tensor where the layer that it is given has its variable.

    Args:
        centroids: where to start: ``exact`` for the best ones of the int8 weights, or the name of a TFMOT method.
    """
    import tf_keras
    from tensorflow_model_optimization.clustering import keras as tfmot

    inits = tfmot.CentroidInitialization
    methods = {"kmeans++": inits.KMEANS_PLUS_PLUS, "density": inits.DENSITY_BASED, "random": inits.RANDOM}

    def wrapped(layer: Any) -> Any:
        if layer.name not in goals:
            return layer
        goal = goals[layer.name]
        return tfmot.cluster_weights(
            _twin(layer, type(layer) if goal.per_channel else _in_units(type(layer), goal.kernel)),
            goal.values,
            methods.get(centroids, inits.LINEAR),
            preserve_sparsity=goal.keep is not None,
            cluster_per_channel=goal.per_channel,
        )

    result = tf_keras.models.clone_model(model, clone_function=wrapped)
    if centroids == "exact":
        for wrapper in _wrappers(result):
            _start(wrapper, goals[wrapper.layer.name])
    return result


def strip(wrapped: Any, goals: Mapping[str, Goal], model: Any) -> tuple[Any, dict[str, Clusters]]:
    """A copy of ``model`` with the trained weights, and what its layers keep from now on, by name."""
    from tensorflow_model_optimization.clustering import keras as tfmot

    stripped, result = tfmot.strip_clustering(wrapped), clone(model)
    for layer in result.layers:
        layer.set_weights(stripped.get_layer(layer.name).get_weights())
    found = {}
    for wrapper in _wrappers(wrapped):
        goal = goals[wrapper.layer.name]
        variable = getattr(result.get_layer(wrapper.layer.name), goal.kernel.attribute)
        found[wrapper.layer.name] = _clusters(wrapper, goal, variable.numpy())
        variable.assign(found[wrapper.layer.name].project(variable.numpy()))
    return result, found


def _scope(goal: Goal) -> str:
    return "channel" if goal.per_channel else "tensor"


def _wrappers(wrapped: Any) -> list[Any]:
    return [layer for layer in wrapped.layers if hasattr(layer, "cluster_centroids")]


def _twin(layer: Any, kind: Any) -> Any:
    twin = kind.from_config(layer.get_config())
    twin.build(layer.get_input_shape_at(0))
    twin.set_weights(layer.get_weights())
    return twin


def _in_units(base: Any, kernel: Kernel) -> Any:
    """The class of layers that TFMOT clusters in units of each channel's largest weight."""
    import tensorflow as tf
    from tensorflow_model_optimization.python.core.clustering.keras import clusterable_layer, clustering_algorithm

    class InUnits(clustering_algorithm.ClusteringAlgorithm):  # type: ignore[misc]
        def get_pulling_indices(self, weight: Any, centroids: Any = None) -> Any:
            return super().get_pulling_indices(weight / _units(weight, kernel.kind), centroids)

        def get_clustered_weight(self, pulling_indices: Any, original_weight: Any) -> Any:
            shared = super().get_clustered_weight(pulling_indices, original_weight)
            return shared * tf.stop_gradient(_units(original_weight, kernel.kind))

    class Clusterable(base, clusterable_layer.ClusterableLayer):  # type: ignore[misc]
        def get_clusterable_weights(self) -> list[tuple[str, Any]]:
            variable = getattr(self, kernel.attribute)
            return [(kernel.attribute, variable / _units(variable, kernel.kind))]

        def get_clusterable_algorithm(self, weight_name: str) -> Any:
            return InUnits

    return Clusterable


def _units(weights: Any, kind: str) -> Any:
    """The largest weight of each output channel, or of a dense layer as a whole, in a shape that divides weights."""
    import tensorflow as tf

    channel = {"dense": (), "depthwise": (-2, -1), "transposed": (-2,)}.get(kind, (-1,))
    rank = len(weights.shape)
    axes = [axis for axis in range(rank) if axis - rank not in channel]
    largest = tf.reduce_max(tf.abs(weights), axis=axes, keepdims=True)
    return tf.where(largest > 0, largest, tf.ones_like(largest))


def _start(wrapper: Any, goal: Goal) -> None:
    """Begin with the best centers of the int8 weights, which one dimension allows to find exactly."""
    import tensorflow as tf

    name = goal.kernel.attribute
    weights = wrapper.original_clusterable_weights[name].numpy()
    best = fit_clusters(weights, goal.kernel.kind, goal.values, per_channel=goal.per_channel, keep=goal.keep, rounds=0)
    centers = (best.codes * best.scales).T if goal.per_channel else best.codes[:, 0] / LIMIT
    wrapper.cluster_centroids[name].assign(centers)
    if goal.keep is not None:  # TFMOT knows its zero by place
        wrapper.zero_idx[name] = tf.argmin(tf.abs(wrapper.cluster_centroids[name]), axis=-1)


def _clusters(wrapper: Any, goal: Goal, weights: Array) -> Clusters:
    """The same values as TFMOT's, as codes and scales of int8."""
    kind, name = goal.kernel.kind, goal.kernel.attribute
    if goal.per_channel:  # a scale for each channel: codes are as many as floats were
        return fit_clusters(weights, kind, goal.values, per_channel=True, keep=goal.keep, rounds=0)
    centers = np.sort(wrapper.cluster_centroids[name].numpy().astype(np.float64))
    largest = max(float(np.abs(centers).max()), 1e-12)
    free = wrapper.original_clusterable_weights[name] * wrapper.sparsity_masks.get(name, 1.0)
    units = np.asarray(_units(free, kind), np.float64).ravel() * largest / LIMIT
    scales = np.broadcast_to(units, columns(weights, kind).shape[1:]).copy()
    return Clusters(kind, centers[:, None] / largest * LIMIT, scales, goal.keep, shared=kind == "dense")
