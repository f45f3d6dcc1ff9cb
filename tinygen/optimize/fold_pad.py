"""PAD with the zero point is what a convolution's own padding does: it moves into the convolution."""

from __future__ import annotations

from dataclasses import replace

from tinygen.ir import DType, Graph, Op
from tinygen.lower.window import padding_around
from tinygen.optimize.edit import Workbench, is_sound, only_reader, same_quantization, with_options

__all__ = ["fold_pad"]

_SIDES = ("pad_top", "pad_bottom", "pad_left", "pad_right")


def fold_pad(graph: Graph) -> Graph:
    """Let convolutions pad their input themselves.

    A convolution sums filter times (value - zero point), so a tap that reads the zero point adds what a
    tap outside the image adds: nothing. The windows stay where they were, counted from the image's new edge.
    """
    while True:
        folded = _fold_once(graph)
        if folded is graph:
            return graph
        graph = folded


def _fold_once(graph: Graph) -> Graph:
    bench = Workbench(graph)
    for position, op in enumerate(graph.ops):
        amounts = _image_padding(op, graph)
        reader = only_reader(graph, op.outputs[0])
        if amounts is None or reader is None:
            continue
        layer = graph.ops[reader]
        folded = _folded(layer, op, amounts, graph)
        if folded is not None:
            bench.replace(reader, folded)
            bench.drop(position)
    return bench.finish()


def _image_padding(op: Op, graph: Graph) -> tuple[int, ...] | None:
    """Top, bottom, left and right of a PAD that surrounds images by the zero point; ``None`` for any other operator."""
    if op.kind not in ("PAD", "PADV2") or not is_sound(op, graph):
        return None
    source, target = graph.input(op, 0), graph.output(op)
    table, value = graph.input(op, 1).data, graph.optional_input(op, 2)
    if source.dtype is not DType.INT8 or len(source.shape) != 4 or not same_quantization(source, target):
        return None
    assert table is not None and target.quantization is not None
    if value is not None and (value.data is None or int(value.data.reshape(-1)[0]) != target.quantization.zero_point):
        return None
    batch, rows, columns, channels = table.reshape(4, 2).tolist()
    return (*rows, *columns) if batch == channels == [0, 0] else None


def _folded(layer: Op, pad: Op, amounts: tuple[int, ...], graph: Graph) -> Op | None:
    """The convolution that reads the PAD's input, or ``None`` if the PAD's reader is none."""
    if layer.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D") or layer.inputs[0] != pad.outputs[0]:
        return None
    if not is_sound(layer, graph):
        return None
    _, rows, columns, _ = graph.input(layer, 1).shape
    own = padding_around(layer, graph.input(layer, 0), (rows, columns))
    sums = {side: a + b for side, a, b in zip(_SIDES, amounts, (*own[0], *own[1]), strict=True)}
    return with_options(replace(layer, inputs=(pad.inputs[0], *layer.inputs[1:])), **sums)
