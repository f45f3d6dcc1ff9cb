"""RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import DType, Graph, Op, Step, View
from tinygen.lower.layout import Level, gather_steps, strides
from tinygen.lower.operator import register
from tinygen.lower.require import (
    DryRun,
    constant_ints,
    option,
    require,
    require_count,
    require_shape,
    require_type,
    tensor_at,
)

__all__ = ["ResizeNearestNeighbor", "nearest_neighbors"]


def nearest_neighbors(length: int, resized: int, *, align_corners: bool, half_pixel: bool) -> NDArray[np.int64]:
    """The input index that each output index reads, in TFLM's single precision (GetNearestNeighbor).

    Args:
        length: of the input's dimension.
        resized: of the output's dimension.
    """
    aligned = align_corners and resized > 1
    scale = np.float32(length - 1) / np.float32(resized - 1) if aligned else np.float32(length) / np.float32(resized)
    place = (np.arange(resized).astype(np.float32) + np.float32(0.5 if half_pixel else 0.0)) * scale
    # std::round takes halves away from zero; in double precision the sum is exact.
    nearest = np.floor(place.astype(np.float64) + 0.5) if align_corners else np.floor(place)
    return np.minimum(nearest.astype(np.int64), length - 1)


@register
class ResizeNearestNeighbor(DryRun):
    """Rows and pixels repeated or left out, by tables made offline. Inputs: image [N, H, W, C], size [2]."""

    kinds: ClassVar = ("RESIZE_NEAREST_NEIGHBOR",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        require_count(op, 2)
        source = tensor_at(op, graph, 0, "input", (DType.INT8, DType.INT16, DType.FLOAT32))
        target = graph.output(op)
        require_type(target, source.dtype)
        require(len(source.shape) == 4, f"{len(source.shape)} dimensions where 4 are expected")
        size = constant_ints(op, graph, 1, "size", rank=1)
        require(len(size) == 2, f"a size of {len(size)} numbers where 2 are due")
        n, h, w, c = source.shape
        require_shape(target.shape, (n, size[0], size[1], c))
        align, half = bool(option(op, "align_corners")), bool(option(op, "half_pixel_centers"))
        indices = (
            np.arange(n),
            nearest_neighbors(h, size[0], align_corners=align, half_pixel=half),
            nearest_neighbors(w, size[1], align_corners=align, half_pixel=half),
            np.arange(c),
        )
        element = source.dtype.bytes
        levels = [Level(i, s) for i, s in zip(indices, strides(source.shape, element), strict=True)]
        yield from gather_steps(op, graph, View(graph.input_index(op)), View(op.outputs[0]), element, levels)
