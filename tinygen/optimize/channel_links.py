"""How the channels of an operator's tensors hang together.

A channel is an index of a tensor's last dimension. Three kinds of operators are told apart:

- **ties**: channel for channel, as pooling, ADD or CONCATENATION do; a channel can only go from all
  tied tensors together;
- **layers with weights** between all channels, as CONV_2D and FULLY_CONNECTED: inputs and outputs go
  independently;
- all others, which keep every channel of what they read and write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import DType, Graph, Op, Tensor
from tinygen.lower import find_for
from tinygen.lower.broadcast import BroadcastOperator
from tinygen.lower.channels import bias_values
from tinygen.lower.window import axes
from tinygen.optimize.edit import is_sound

__all__ = ["Layer", "Tie", "layer_of", "ties_of", "whole_images"]

Indices = NDArray[np.int64]
Ints = NDArray[np.int64]

# One input, one output, of one shape, value by value.
_ONE_TO_ONE = frozenset(
    {"ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "TABLE", "TANH"}
)
# One input, one output; each channel by itself.
_CHANNEL_BY_CHANNEL = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D", "RESIZE_NEAREST_NEIGHBOR"})
_REDUCTIONS = frozenset({"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"})


@dataclass(frozen=True, slots=True, eq=False)
class Tie:
    """Channel ``inputs[i]`` of tensor ``source`` and channel ``outputs[i]`` of ``target`` are one, for all i."""

    source: int
    target: int
    inputs: Indices
    outputs: Indices


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A layer with weights.

    Attributes:
        source, target: tensors; ``channels`` of the source are repeated along the weights' inputs.
        weights: [outputs, taps, inputs], stored values; a tap is a position of the window.
        bias: [outputs].
        padded: some tap of some window may add nothing.
        depthwise: each output reads one input, so weights are [outputs, taps, 1].
    """

    source: int
    target: int
    weights: Ints
    bias: Ints
    padded: bool
    depthwise: bool = False


def layer_of(op: Op, graph: Graph) -> Layer | None:
    """The operator as an int8 layer with weights; ``None`` if it is none, or a grouped convolution."""
    make = _LAYERS.get(op.kind)
    return make(op, graph) if make and not _has_int16(op, graph) and is_sound(op, graph) else None


def _has_int16(op: Op, graph: Graph) -> bool:
    return any(t is not None and graph.tensors[t].dtype is DType.INT16 for t in (*op.inputs, *op.outputs))


def ties_of(op: Op, graph: Graph) -> tuple[Tie, ...] | None:
    """The ties of an operator; ``None`` if it isn't one that ties."""
    if any(graph.tensors[t].dtype is not DType.INT8 or not graph.tensors[t].shape for t in op.outputs):
        return None
    if _has_int16(op, graph) or not is_sound(op, graph):
        return None
    if isinstance(find_for(op, graph), BroadcastOperator):
        return tuple(_operand_ties(op, graph))
    rule = _TIES.get(op.kind)
    if op.kind in _ONE_TO_ONE:
        rule = _one_to_one
    elif op.kind in _CHANNEL_BY_CHANNEL:
        rule = _straight
    elif op.kind in _REDUCTIONS:
        rule = _reduction
    return rule(op, graph) if rule else None


def whole_images(first: Tensor, second: Tensor) -> Indices | None:
    """Channels of the narrower tensor for each channel of the wider, if elements keep their order; else ``None``."""
    wide, narrow = sorted((first.shape[-1], second.shape[-1]), reverse=True)
    return np.arange(wide) % narrow if wide % narrow == 0 else None


def _convolution(op: Op, graph: Graph) -> Layer | None:
    source, filters = graph.input(op, 0), graph.input(op, 1)
    assert filters.data is not None
    outputs, rows, columns, inputs = filters.shape
    if inputs != source.shape[3]:
        return None
    inside = all(axis.inside for axis in axes(op, source, (rows, columns), graph.output(op)))
    weights = filters.data.astype(np.int64).reshape(outputs, rows * columns, inputs)
    bias = bias_values(graph.optional_input(op, 2), outputs)
    return Layer(graph.input_index(op), op.outputs[0], weights, bias, not inside)


def _transposed_convolution(op: Op, graph: Graph) -> Layer:
    """Output positions read different taps, so each tap counts as one that may add nothing."""
    filters = graph.input(op, 1)
    assert filters.data is not None
    outputs, rows, columns, inputs = filters.shape
    weights = filters.data.astype(np.int64).reshape(outputs, rows * columns, inputs)
    bias = bias_values(graph.optional_input(op, 3), outputs)
    return Layer(graph.input_index(op, 2), op.outputs[0], weights, bias, padded=True)


def _depthwise(op: Op, graph: Graph) -> Layer:
    source, filters = graph.input(op, 0), graph.input(op, 1)
    assert filters.data is not None
    _, rows, columns, outputs = filters.shape
    inside = all(axis.inside for axis in axes(op, source, (rows, columns), graph.output(op)))
    weights = filters.data.astype(np.int64).reshape(rows * columns, outputs).T[:, :, None]
    bias = bias_values(graph.optional_input(op, 2), outputs)
    return Layer(graph.input_index(op), op.outputs[0], weights, bias, not inside, depthwise=True)


def _dense(op: Op, graph: Graph) -> Layer | None:
    """The input may have several rows, or several dimensions that the matrix takes as one."""
    source, filters, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
    assert filters.data is not None
    outputs, inputs = filters.shape
    if not source.shape or inputs % source.shape[-1] or not target.shape or target.shape[-1] != outputs:
        return None
    bias = bias_values(graph.optional_input(op, 2), outputs)
    return Layer(graph.input_index(op), op.outputs[0], filters.data.astype(np.int64)[:, None, :], bias, padded=False)


def _tie(op: Op, graph: Graph, inputs: Indices, outputs: Indices) -> tuple[Tie, ...]:
    return (Tie(graph.input_index(op), op.outputs[0], inputs, outputs),)


def _straight(op: Op, graph: Graph) -> tuple[Tie, ...] | None:
    """Channel c to channel c."""
    source, target = graph.input(op, 0), graph.output(op)
    if source.dtype is not DType.INT8 or source.shape[-1:] != target.shape[-1:]:
        return None
    channels = np.arange(source.shape[-1])
    return _tie(op, graph, channels, channels)


def _one_to_one(op: Op, graph: Graph) -> tuple[Tie, ...] | None:
    return _straight(op, graph) if graph.input(op, 0).shape == graph.output(op).shape else None


def _depthwise_ties(op: Op, graph: Graph) -> tuple[Tie, ...]:
    """Each input channel makes as many output channels, one behind the other, as the multiplier says."""
    inputs, outputs = graph.input(op, 0).shape[3], graph.output(op).shape[3]
    return _tie(op, graph, np.repeat(np.arange(inputs), outputs // inputs), np.arange(outputs))


def _reshape(op: Op, graph: Graph) -> tuple[Tie, ...] | None:
    """Pixels and channels become one dimension, or the reverse."""
    source, target = graph.input(op, 0), graph.output(op)
    if not source.shape or source.dtype is not DType.INT8:
        return None
    narrow = whole_images(source, target)
    if narrow is None:
        return None
    wide = np.arange(len(narrow))
    flattens = target.shape[-1] == len(narrow)
    return _tie(op, graph, *((narrow, wide) if flattens else (wide, narrow)))


def _reduction(op: Op, graph: Graph) -> tuple[Tie, ...] | None:
    """Sums and extremes over other dimensions than the channels."""
    data, rank = graph.input(op, 1).data, len(graph.input(op, 0).shape)
    assert data is not None
    folded = {int(a) % rank for a in data.reshape(-1)} if rank else {0}
    return None if rank - 1 in folded else _straight(op, graph)


def _pad(op: Op, graph: Graph) -> tuple[Tie, ...] | None:
    """Padding around the image, not around the channels."""
    return _straight(op, graph)


def _transpose(op: Op, graph: Graph) -> tuple[Tie, ...] | None:
    data = graph.input(op, 1).data
    assert data is not None
    order = data.tolist()
    return _straight(op, graph) if order[-1] == len(order) - 1 else None


def _concatenation(op: Op, graph: Graph) -> tuple[Tie, ...]:
    """Side by side along the channels, or one behind the other along another dimension."""
    rank = len(graph.output(op).shape)
    side_by_side = int(str(op.options.get("axis", 0))) % rank == rank - 1
    ties, start = [], 0
    for position in range(len(op.inputs)):
        channels = np.arange(graph.input(op, position).shape[-1])
        ties.append(Tie(graph.input_index(op, position), op.outputs[0], channels, channels + start))
        start += len(channels) if side_by_side else 0
    return tuple(ties)


def _operand_ties(op: Op, graph: Graph) -> Iterator[Tie]:
    """Both operands, but for one that has a single channel for all of the output's."""
    channels = np.arange(graph.output(op).shape[-1])
    for position in range(2):
        if graph.input(op, position).shape[-1:] == (len(channels),):
            yield Tie(graph.input_index(op, position), op.outputs[0], channels, channels)


_LAYERS: dict[str, Callable[[Op, Graph], Layer | None]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "TRANSPOSE_CONV": _transposed_convolution,
}
_TIES: dict[str, Callable[[Op, Graph], tuple[Tie, ...] | None]] = {
    "CONCATENATION": _concatenation,
    "DEPTHWISE_CONV_2D": _depthwise_ties,
    "EXPAND_DIMS": _reshape,
    "PAD": _pad,
    "PADV2": _pad,
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "TRANSPOSE": _transpose,
}
