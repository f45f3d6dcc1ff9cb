"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: every b-th pixel becomes an image of its own, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import numpy as np

from tinygen.ir import DType, Graph, Op, Step, View
from tinygen.lower.layout import Level, gather_steps
from tinygen.lower.operator import register
from tinygen.lower.require import DryRun, constant_ints, require, require_count, require_shape, require_type, tensor_at
from tinygen.lower.transpose import permute_steps

__all__ = ["BatchToSpaceNd", "SpaceToBatchNd"]


class _Geometry(NamedTuple):
    """Shapes as [N, H, W, C] (W = 1 for three dimensions), block and the two ends' crops or pads."""

    source: tuple[int, ...]
    target: tuple[int, ...]
    block: tuple[int, int]
    edges: tuple[tuple[int, int], tuple[int, int]]


def _geometry(op: Op, graph: Graph, edges_name: str) -> _Geometry:
    require_count(op, 3)
    source = tensor_at(op, graph, 0, "input", (DType.INT8, DType.FLOAT32))
    target = graph.output(op)
    require_type(target, source.dtype)
    rank = len(source.shape)
    require(rank in (3, 4), f"{rank} dimensions; TensorFlow Lite Micro supports 3 and 4")
    require(len(target.shape) == rank, f"{rank} dimensions in, but {len(target.shape)} out")
    block = constant_ints(op, graph, 1, "block shape")
    edges = constant_ints(op, graph, 2, edges_name)
    require(
        len(block) == rank - 2 and len(edges) == 2 * len(block),
        f"a block shape of {len(block)} and {edges_name} of {len(edges)} numbers for {rank} dimensions",
    )
    require(all(b > 0 for b in block) and all(e >= 0 for e in edges), "a block or an edge that is not positive")
    if rank == 3:
        (n, h, c), (tn, th, tc) = source.shape, target.shape
        return _Geometry((n, h, 1, c), (tn, th, 1, tc), (block[0], 1), ((edges[0], edges[1]), (0, 0)))
    return _Geometry(source.shape, target.shape, (block[0], block[1]), ((edges[0], edges[1]), (edges[2], edges[3])))


@register
class SpaceToBatchNd(DryRun):
    """Inputs: tensor, block shape, paddings."""

    kinds: ClassVar = ("SPACE_TO_BATCH_ND",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        (n, h, w, c), target, (bh, bw), edges = _geometry(op, graph, "paddings")
        # TFLM pads with a parameter that it never sets (space_to_batch_nd.cc), so nothing can equal it.
        require(
            edges == ((0, 0), (0, 0)),
            "with paddings, TensorFlow Lite Micro's result is undefined; convert the model with a fixed batch of 1, "
            "so that dilated convolutions stay whole",
        )
        require(h % bh == 0 and w % bw == 0, f"blocks of {bh}x{bw} don't fit an image of {h}x{w}")
        require_shape(target, (n * bh * bw, h // bh, w // bw, c))
        yield from permute_steps(op, graph, (n, h // bh, bh, w // bw, bw, c), (2, 4, 0, 1, 3, 5))


@register
class BatchToSpaceNd(DryRun):
    """Inputs: tensor, block shape, crops."""

    kinds: ClassVar = ("BATCH_TO_SPACE_ND",)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        (n, h, w, c), target, (bh, bw), ((top, bottom), (left, right)) = _geometry(op, graph, "crops")
        require(n % (bh * bw) == 0, f"a batch of {n} is no multiple of a block of {bh}x{bw}")
        images = n // (bh * bw)
        out_h, out_w = h * bh - top - bottom, w * bw - left - right
        require(out_h > 0 and out_w > 0, f"crops leave an image of {out_h}x{out_w}")
        require_shape(target, (images, out_h, out_w, c))
        element = graph.output(op).dtype.bytes
        pixel, row = c * element, w * c * element
        # Input image (y % bh) * bw + x % bw, row y // bh, pixel x // bw: a sum of what y and what x say.
        y, x = np.arange(out_h) + top, np.arange(out_w) + left
        levels = (
            Level(np.arange(images), h * row),
            Level(y % bh * bw * images * h + y // bh, row),
            Level(x % bw * images * h * w + x // bw, pixel),
            Level(np.arange(c), element),
        )
        yield from gather_steps(op, graph, View(graph.input_index(op)), View(op.outputs[0]), element, levels)
