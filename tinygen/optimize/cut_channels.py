"""Rewrites a graph with fewer channels: shapes, weights, biases, and the constants that operands are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import DType, Graph, Op, Quantization, Tensor
from tinygen.optimize.channel_links import Layer
from tinygen.optimize.edit import Workbench

__all__ = ["Cut", "cut_channels"]

Indices = NDArray[np.int64]

# Axis of the output channels in the weights, and position of the bias among the inputs.
_OUTPUT_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
_RESHAPES = frozenset({"EXPAND_DIMS", "RESHAPE", "SQUEEZE"})
_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """What is to be done.

    Attributes:
        kept: tensor -> the channels that stay.
        values: tensor -> value of each channel that is constant; the others are not read where they are removed.
    """

    kept: Mapping[int, NDArray[np.bool_]]
    values: Mapping[int, NDArray[np.int64]]

    def channels(self, tensor: int) -> Indices:
        """Indices of the channels that stay."""
        return np.flatnonzero(self.kept[tensor])

    def touches(self, tensor: int | None) -> bool:
        """Whether the tensor loses channels."""
        return tensor is not None and tensor in self.kept and not bool(self.kept[tensor].all())


def cut_channels(graph: Graph, layers: Sequence[Layer | None], cut: Cut) -> Graph:
    """Cut the channels.

    Args:
        layers: for each operator, the layer with weights between all channels that it is, if it is one.
    """
    bench = Workbench(graph)
    for position, (op, layer) in enumerate(zip(graph.ops, layers, strict=True)):
        if not any(cut.touches(t) for t in (*op.inputs, *op.outputs)):
            continue
        if op.kind in _OUTPUT_AXIS:
            bench.replace(position, _cut_weights(bench, op, layer, cut))
        elif op.kind in _RESHAPES:
            shape = (*graph.output(op).shape[:-1], len(cut.channels(op.outputs[0])))
            bench.replace(position, Op("RESHAPE", op.inputs[:1], op.outputs, {"new_shape": shape}, op.index))
    for t in cut.kept:
        if cut.touches(t):
            bench.set_tensor(t, _cut_tensor(graph.tensors[t], cut.channels(t)))
    return bench.finish()


def _cut_tensor(tensor: Tensor, channels: Indices) -> Tensor:
    """An activation, or a constant operand, with the channels that stay."""
    data = None if tensor.data is None else np.ascontiguousarray(tensor.data[..., channels])
    return replace(tensor, shape=(*tensor.shape[:-1], len(channels)), data=data)


def _cut_weights(bench: Workbench, op: Op, layer: Layer | None, cut: Cut) -> Op:
    """The operator with weights and bias for the channels that stay; constant inputs that go are in the bias."""
    graph = bench.graph
    weights = graph.input(op, 1)
    assert weights.data is not None
    outputs, axis = cut.channels(op.outputs[0]), _OUTPUT_AXIS[op.kind]
    data = np.take(weights.data, outputs, axis=axis)
    inputs = list(op.inputs)
    bias = graph.optional_input(op, _BIAS[op.kind])
    values = None if bias is None or bias.data is None else bias.data.reshape(-1).astype(np.int64)
    if layer is not None:
        stays = np.tile(cut.kept[layer.source], layer.weights.shape[2] // len(cut.kept[layer.source]))
        data = data[..., stays]
        values = layer.bias + _share(graph, layer, cut, stays)
        if bias is None and not values.any():
            values = None
    scales = _cut_scales(weights.quantization, outputs, axis)
    inputs[1] = bench.add_constant(weights.name, np.ascontiguousarray(data), scales)
    if values is not None:
        name = bias.name if bias is not None else f"{weights.name}/bias"
        scales = None if bias is None else _cut_scales(bias.quantization, outputs, 0)
        folded = bench.add_constant(name, values[outputs].astype(DType.INT32.numpy), scales)
        inputs[_BIAS[op.kind] :] = [folded]
    if op.kind == "TRANSPOSE_CONV":
        shape = (*graph.output(op).shape[:-1], len(outputs))
        inputs[0] = bench.add_constant(graph.input(op, 0).name, np.array(shape, DType.INT32.numpy))
    return replace(op, inputs=tuple(inputs))


def _share(graph: Graph, layer: Layer, cut: Cut, stays: NDArray[np.bool_]) -> NDArray[np.int64]:
    """What the removed inputs add to each output's sum; where a value isn't constant, the weights are zero."""
    quantization = graph.tensors[layer.source].quantization
    assert quantization is not None
    values = np.tile(cut.values[layer.source], len(stays) // len(cut.values[layer.source]))
    differences = np.where(stays, 0, values - quantization.zero_point)
    return np.asarray((layer.weights.sum(axis=1) * differences).sum(axis=1))


def _cut_scales(quantization: Quantization | None, channels: Indices, axis: int) -> Quantization | None:
    """The scales of the channels that stay; one scale for all of them stays as it is."""
    if quantization is None or quantization.per_tensor:
        return quantization
    return Quantization(
        tuple(quantization.scales[c] for c in channels), tuple(quantization.zero_points[c] for c in channels), axis
    )
