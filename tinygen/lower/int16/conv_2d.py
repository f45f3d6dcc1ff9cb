"""CONV_2D over 16-bit activations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, Graph, Op, Param, Step, View
from tinygen.lower.conv_2d import Conv2D, contiguous
from tinygen.lower.filters import patch_params, scan_params
from tinygen.lower.int16.filters import HEADER, check_layer, doubled, filter_params
from tinygen.lower.operator import register
from tinygen.lower.window import Axis, Layout, axes, lead

__all__ = ["Conv2DInt16"]


@register
class Conv2DInt16(Conv2D):
    """The same windows and groups; a window's values count twice as many bytes."""

    reads_int16: ClassVar = True

    def check_layer(self, op: Op, graph: Graph) -> Iterator[str]:
        yield from check_layer(op, graph, axis=0, images=True)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, weights, target = graph.input(op, 0), graph.input(op, 1), graph.output(op)
        assert weights.data is not None
        height, width = axes(op, source, (weights.shape[1], weights.shape[2]), target)
        batches, channels, depth = source.shape[0], source.shape[3], weights.shape[3]
        groups = channels // depth
        in_place = contiguous(height, width, groups)
        data = weights.data.astype(np.int8)
        filters = filter_params(op, graph, data, depth=data[0].size)
        group: dict[str, Param] = {"groups": groups, "group_outputs": target.shape[3] // groups, "filters": filters}
        layout = Layout(groups, depth, target.shape[3] // groups, held=in_place)
        if in_place:
            kernel = "tg_conv_direct_s16"
            params: dict[str, Param] = {
                "batches": batches,
                "height": height.outputs,
                "width": width.outputs,
                "image_values": source.elements // batches,
                "stride_row": height.stride * width.size * channels,
                "stride": width.stride * channels,
                **group,
            }
        else:
            kernel = "tg_conv_2d_s16"
            params = {**_windows(op, graph, height, width, depth), "groups": groups, "group_bytes": 2 * depth, **group}
        yield Call(
            op=op.index,
            kernel=kernel,
            header=HEADER,
            sources=(f"int16/{kernel}.c", "int16/tg_filters_s16.c", *(() if in_place else ("conv/tg_conv_patch.c",))),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params=params,
            scratch_bytes=0 if in_place else 2 * height.kernel * width.kernel * depth,
            lead=_lead(batches, height, width, layout),
        )


def _windows(op: Op, graph: Graph, height: Axis, width: Axis, channels: int) -> dict[str, Param]:
    """The fields of ``tg_scan_t`` and ``tg_patch_t`` for windows over ``channels`` of the input's channels."""
    source = graph.input(op, 0)
    scan = scan_params(source.shape[0], height, width, source.shape[3])
    patch = patch_params(source, height, width, channels)
    return {
        "scan": doubled(scan, "input_image_bytes", "first_byte", "stride_bytes"),
        "patch": doubled(patch, "piece_bytes", "piece_step", "input_row_bytes"),
    }


def _lead(batches: int, height: Axis, width: Axis, layout: Layout) -> dict[int, int]:
    """``Call.lead`` in bytes: the kernels' order is that of their int8 twins, value by value."""
    return {i: 2 * values for i, values in lead(batches, height, width, layout).items()}
