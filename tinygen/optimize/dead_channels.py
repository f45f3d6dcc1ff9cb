"""Channels that nobody needs are removed: those that nobody reads, and those that are the same for every input.

A channel is an index of a tensor's last dimension. A layer with weights doesn't need an input channel if
all weights that read it are zero, or if it is constant and its share of the sum can go into the bias.
Where a window touches the padding it sums fewer taps, so that a constant there must equal the zero point,
whose share is nothing. All else follows from ties: pooling, ADD and their like pass channels on one by one.

Which channels stay is the least set that satisfies everybody, found by adding until nobody asks for more:
it needs no search and no second round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Graph, Op
from tinygen.optimize.channel_links import Layer, Tie, layer_of, ties_of
from tinygen.optimize.channel_ranges import INT32_LIMIT, Range, channel_ranges, repeated
from tinygen.optimize.cut_channels import Cut, cut_channels

__all__ = ["dead_channels"]

Mask = NDArray[np.bool_]
Kept = dict[int, Mask]


def dead_channels(graph: Graph) -> Graph:
    """Remove dead channels from all tensors but the model's inputs and outputs; each keeps at least one."""
    ranges = channel_ranges(graph)
    links = [_Link.of(op, graph, ranges) for op in graph.ops]
    kept = _least(graph, links, ranges)
    if all(mask.all() for mask in kept.values()):
        return graph
    values = {t: np.where(r.constant, r.low, 0) for t, r in ranges.items()}
    return cut_channels(graph, [link.layer for link in links], Cut(kept, values))


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    """What an operator asks for.

    Attributes:
        layer: if it is one with weights between all channels.
        uses: of a layer: [outputs, inputs], whether the output can't do without the input.
        ties: of an operator that ties.
        whole: tensors of which it needs all channels: weights, and all tensors of an operator of another kind.
    """

    target: int
    layer: Layer | None = None
    uses: Mask | None = None
    ties: tuple[Tie, ...] = ()
    whole: tuple[int, ...] = ()

    @classmethod
    def of(cls, op: Op, graph: Graph, ranges: dict[int, Range]) -> _Link:
        layer, reads = layer_of(op, graph), [t for t in op.inputs if t is not None]
        if layer is not None and not layer.depthwise:
            others = tuple(t for t in reads if t != layer.source)
            uses = _uses(layer, graph, ranges[layer.source])
            return cls(op.outputs[0], layer, uses, whole=others)
        ties = ties_of(op, graph)
        if ties is None:
            return cls(op.outputs[0], whole=(*reads, *op.outputs))
        tied = {tie.source for tie in ties}
        return cls(op.outputs[0], ties=ties, whole=tuple(t for t in reads if t not in tied))

    def demands(self, kept: Kept) -> Iterator[tuple[int, Mask]]:
        """Channels that must stay, given those that are known to stay."""
        if self.layer is not None and self.uses is not None:
            needed: Mask = np.any(self.uses[kept[self.layer.target]], axis=0)
            channels = len(kept[self.layer.source])
            yield self.layer.source, np.asarray(needed.reshape(-1, channels).any(axis=0))
        for tie in self.ties:
            for here, there, a, b in (
                (tie.source, tie.target, tie.inputs, tie.outputs),
                (tie.target, tie.source, tie.outputs, tie.inputs),
            ):
                needed = np.zeros(len(kept[there]), np.bool_)
                np.logical_or.at(needed, b, kept[here][a])
                yield there, needed
        for tensor in self.whole:
            if tensor in kept:
                yield tensor, np.ones(len(kept[tensor]), np.bool_)


def _uses(layer: Layer, graph: Graph, source: Range) -> Mask:
    """Whether each output can't do without each input, which is then neither unread nor foldable."""
    quantization = graph.tensors[layer.source].quantization
    assert quantization is not None
    reads = (layer.weights != 0).any(axis=1)
    wide = repeated(source, layer.weights.shape[2])
    share = wide.low - quantization.zero_point
    foldable = wide.constant & ((share == 0) | np.full(share.shape, not layer.padded))
    # The bias is 32 bits wide; what could leave them stays where it is.
    worst = np.abs(layer.bias) + np.abs(layer.weights.sum(axis=1) * share).sum(axis=1, where=foldable)
    if worst.max() >= INT32_LIMIT:
        foldable[:] = False
    return np.asarray(reads & ~foldable)


def _least(graph: Graph, links: list[_Link], ranges: dict[int, Range]) -> Kept:
    """The smallest sets of channels that fulfil all demands, and leave no tensor without any."""
    operands = {tie.source for link in links for tie in link.ties}
    kept: Kept = {
        t: np.zeros(len(r.low), np.bool_)
        for t, r in ranges.items()
        if t in operands or not graph.tensors[t].is_constant
    }
    for t in (*graph.inputs, *graph.outputs):
        if t in kept:
            kept[t][:] = True
    _grow(kept, links)
    for link in links:
        if link.target not in kept:
            continue
        if not kept[link.target].any():
            # A constant channel asks for no inputs.
            kept[link.target][np.argmax(ranges[link.target].constant)] = True
            _grow(kept, links)
    return kept


def _grow(kept: Kept, links: list[_Link]) -> None:
    """Add what is asked for until nobody asks for more. From the end, since demands mostly go backwards."""
    growing = True
    while growing:
        growing = False
        for link in reversed(links):
            for tensor, needed in link.demands(kept):
                if (needed & ~kept[tensor]).any():
                    kept[tensor] |= needed
                    growing = True
