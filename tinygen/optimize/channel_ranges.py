"""Interval arithmetic: between which stored values each channel of each int8 tensor stays, for every input.

A channel is an index of a tensor's last dimension. Every step of the reference's arithmetic is monotone
in its accumulator, so the ends of an interval, put through that same arithmetic, are the ends of what
comes out. Where a 32-bit accumulator could wrap around, nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import DType, Graph, Op, Tensor
from tinygen.lower import find_for
from tinygen.lower.broadcast import BroadcastOperator
from tinygen.lower.channels import output_range, rescales
from tinygen.lower.reduce import mean_rescale
from tinygen.lower.requantize import Rescale, multiply_by_quantized_multiplier, quantize_multiplier
from tinygen.lower.unary_tables import Table
from tinygen.optimize.channel_links import Layer, layer_of, ties_of
from tinygen.optimize.edit import byte_function, is_sound

__all__ = ["Range", "channel_ranges", "repeated"]

Ints = NDArray[np.int64]

INT32_LIMIT = 1 << 31


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """Lowest and highest stored value of each channel."""

    low: Ints
    high: Ints

    @property
    def constant(self) -> NDArray[np.bool_]:
        """The channels that have the same value for every input."""
        return np.asarray(self.low == self.high)

    def clipped(self, low: int, high: int) -> Range:
        return Range(np.clip(self.low, low, high), np.clip(self.high, low, high))


Ranges = dict[int, Range]


def channel_ranges(graph: Graph) -> Ranges:
    """The range of each channel of every int8 tensor with at least one dimension."""
    ranges: Ranges = {}
    for index in graph.used_tensors():
        tensor = graph.tensors[index]
        if tensor.dtype is DType.INT8 and tensor.shape:
            ranges[index] = _of_constant(tensor) if tensor.is_constant else _anything(tensor)
    for op in graph.ops:
        found = _of_op(op, graph, ranges)
        if found is not None:
            ranges[op.outputs[0]] = found
    return ranges


def repeated(source: Range, inputs: int) -> Range:
    """A range for each of a matrix's inputs, over whose columns the channels repeat."""
    times = inputs // len(source.low)
    return Range(np.tile(source.low, times), np.tile(source.high, times))


def _anything(tensor: Tensor) -> Range:
    channels = tensor.shape[-1]
    return Range(np.full(channels, -128, np.int64), np.full(channels, 127, np.int64))


def _of_constant(tensor: Tensor) -> Range:
    assert tensor.data is not None
    rows = tensor.data.astype(np.int64).reshape(-1, tensor.shape[-1])
    return Range(rows.min(axis=0), rows.max(axis=0))


def _of_op(op: Op, graph: Graph, ranges: Ranges) -> Range | None:
    """The range of an operator's output, as far as something is known of it."""
    if not op.outputs or op.outputs[0] not in ranges or len(op.outputs) > 1:
        return None
    layer = layer_of(op, graph)
    if layer is not None:
        return _of_layer(op, graph, layer, ranges[layer.source])
    if isinstance(find_for(op, graph), BroadcastOperator):
        return _of_operands(op, graph, ranges)
    rule = _RULES.get(op.kind)
    if rule is not None:
        return rule(op, graph, ranges) if is_sound(op, graph) else None
    function = byte_function(op, graph)
    if function is not None and graph.tensors[function[0]].shape == graph.output(op).shape:
        return _of_table(function[1], ranges[function[0]])
    return _of_ties(op, graph, ranges)


def _of_layer(op: Op, graph: Graph, layer: Layer, source: Range) -> Range:
    """Each weight takes the end of its input's interval that suits its sign."""
    filters, target, image = graph.input(op, 1), graph.output(op), graph.tensors[layer.source]
    assert image.quantization and target.quantization
    zero_point = image.quantization.zero_point
    low, high = _spread(layer, source, zero_point)
    if layer.padded:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    positive = np.maximum(layer.weights, 0).sum(axis=1)
    negative = np.minimum(layer.weights, 0).sum(axis=1)
    ends = [
        layer.bias + (positive * a).sum(axis=-1) + (negative * b).sum(axis=-1) for a, b in ((low, high), (high, low))
    ]
    factors = rescales(image, filters, target)
    clamp = output_range(op, target)
    return _rescaled(ends[0], ends[1], factors, target.quantization.zero_point).clipped(*clamp)


def _spread(layer: Layer, source: Range, zero_point: int) -> tuple[Ints, Ints]:
    """The source's interval less its zero point, in the shape of the weights' sums [outputs, inputs]."""
    if layer.depthwise:
        times = len(layer.weights) // len(source.low)
        low, high = (np.repeat(end, times)[:, None] for end in (source.low, source.high))
    else:
        wide = repeated(source, layer.weights.shape[2])
        low, high = wide.low[None, :], wide.high[None, :]
    return low - zero_point, high - zero_point


def _rescaled(low: Ints, high: Ints, factors: tuple[Rescale, ...], zero_point: int) -> Range:
    """Requantize accumulators; one factor for all channels or one for each. Unknown where 32 bits overflow."""
    result = Range(np.full(low.shape, -128, np.int64), np.full(low.shape, 127, np.int64))
    for channel in range(len(low)):
        factor = factors[channel if len(factors) > 1 else 0]
        ends = np.array([low[channel], high[channel]])
        if np.abs(ends).max() >= INT32_LIMIT >> max(factor.shift, 0):
            continue
        scaled = np.clip(multiply_by_quantized_multiplier(ends, factor) + zero_point, -128, 127)
        result.low[channel], result.high[channel] = scaled
    return result


def _of_operands(op: Op, graph: Graph, ranges: Ranges) -> Range | None:
    """Sums, products and extremes have their extremes at the corners of both intervals; PRELU at equal ends only."""
    operator = find_for(op, graph)
    assert isinstance(operator, BroadcastOperator)
    if not is_sound(op, graph):
        return None
    first, second = (_operand(graph.input(op, i), ranges.get(graph.input_index(op, i))) for i in range(2))
    channels = graph.output(op).shape[-1:]
    corners = [
        operator.compute(op, graph, np.broadcast_to(a, channels), np.broadcast_to(b, channels))
        for a in (first.low, first.high)
        for b in (second.low, second.high)
    ]
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    if op.kind == "PRELU":
        known = first.constant & second.constant
        low, high = np.where(known, low, -128), np.where(known, high, 127)
    return Range(low, high)


def _operand(tensor: Tensor, known: Range | None) -> Range:
    """An operand's range; a scalar's is one channel."""
    if known is not None:
        return known
    assert tensor.data is not None or not tensor.shape
    if tensor.data is None:
        return Range(np.array([-128]), np.array([127]))
    value = tensor.data.reshape(1).astype(np.int64)
    return Range(value, value)


def _of_table(table: Table, source: Range) -> Range:
    reached = [table[a + 128 : b + 129] for a, b in zip(source.low, source.high, strict=True)]
    return Range(np.array([r.min() for r in reached]), np.array([r.max() for r in reached]))


def _of_ties(op: Op, graph: Graph, ranges: Ranges) -> Range | None:
    """Values that only move: each channel holds what the channels tied to it hold."""
    if op.kind not in _MOVING:
        return None
    ties = ties_of(op, graph)
    if ties is None:
        return None
    channels = graph.output(op).shape[-1]
    low, high = np.full(channels, 127, np.int64), np.full(channels, -128, np.int64)
    for tie in ties:
        source = ranges[tie.source]
        np.minimum.at(low, tie.outputs, source.low[tie.inputs])
        np.maximum.at(high, tie.outputs, source.high[tie.inputs])
    return Range(low, high)


def _of_pool(op: Op, graph: Graph, ranges: Ranges) -> Range:
    """The mean, rounded, and the maximum of some values lie among them."""
    return ranges[graph.input_index(op)].clipped(*output_range(op, graph.output(op)))


def _of_pad(op: Op, graph: Graph, ranges: Ranges) -> Range | None:
    """The filling joins each channel."""
    value, target = graph.optional_input(op, 2), graph.output(op)
    source = ranges.get(graph.input_index(op))
    if source is None or target.quantization is None or len(source.low) != target.shape[-1]:
        return None
    fill = target.quantization.zero_point if value is None or value.data is None else int(value.data.reshape(-1)[0])
    return Range(np.minimum(source.low, fill), np.maximum(source.high, fill))


def _of_sum(op: Op, graph: Graph, ranges: Ranges) -> Range | None:
    """MEAN and SUM: as many times the interval as there are elements, rescaled."""
    if ties_of(op, graph) is None:
        return None
    source, target = graph.input(op, 0), graph.output(op)
    assert source.quantization and target.quantization
    count = source.elements // target.elements
    factor = source.quantization.scale / target.quantization.scale
    rescale = mean_rescale(factor, count) if op.kind == "MEAN" else quantize_multiplier(factor)
    known = ranges[graph.input_index(op)]
    low, high = ((end - source.quantization.zero_point) * count for end in (known.low, known.high))
    return _rescaled(low, high, (rescale,), target.quantization.zero_point)


_MOVING = frozenset(
    {
        "CONCATENATION",
        "EXPAND_DIMS",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "RESHAPE",
        "RESIZE_NEAREST_NEIGHBOR",
        "SQUEEZE",
        "TRANSPOSE",
    }
)
_RULES: dict[str, Callable[[Op, Graph, Ranges], Range | None]] = {
    "AVERAGE_POOL_2D": _of_pool,
    "MAX_POOL_2D": _of_pool,
    "MEAN": _of_sum,
    "PAD": _of_pad,
    "PADV2": _of_pad,
    "SUM": _of_sum,
}
