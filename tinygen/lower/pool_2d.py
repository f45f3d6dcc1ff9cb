"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tinygen.ir import Call, Graph, Op, Step, Tensor, View
from tinygen.lower import checks
from tinygen.lower.channels import output_range
from tinygen.lower.operator import Operator, register
from tinygen.lower.window import Layout, axes, check_axes, lead, option

__all__ = ["Pool2D"]

# TFLM's tolerance for the scales of input and output (PoolingPrepare).
MAX_SCALE_DIFFERENCE = 1e-6


@register
class Pool2D(Operator):
    """Mean or maximum of each channel over the pixels of a window that lie inside the input."""

    kinds: ClassVar = ("AVERAGE_POOL_2D", "MAX_POOL_2D")

    def check(self, op: Op, graph: Graph) -> Iterator[str]:
        source, target = graph.optional_input(op, 0), graph.output(op)
        reasons = [*checks.count(op, 1), *checks.activation(op, target)]
        reasons += [*self.check_tensor("input", source), *self.check_tensor("output", target)]
        for what, tensor in (("input", source), ("output", target)):
            reasons += checks.rank(what, tensor, 4) if tensor is not None else ()
        yield from reasons
        if reasons or source is None:
            return
        yield from _check_quantization(source, target)
        yield from check_axes(op, source, _kernel(op), target)
        if source.shape[3] != target.shape[3]:
            yield f"{source.shape[3]} input channels become {target.shape[3]}"

    def check_tensor(self, what: str, tensor: Tensor | None) -> Iterator[str]:
        """Type and quantization of the input or the output."""
        yield from checks.int8_tensor(what, tensor)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, target = graph.input(op, 0), graph.output(op)
        batches, rows, columns, channels = source.shape
        height, width = axes(op, source, _kernel(op), target)
        low, high = output_range(op, target)
        kernel = "tg_average_pool_2d" if op.kind == "AVERAGE_POOL_2D" else "tg_max_pool_2d"
        yield Call(
            op=op.index,
            kernel=kernel,
            header="pool/tg_pool.h",
            sources=(f"pool/{kernel}.c",),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "batches": batches,
                "channels": channels,
                "input_height": rows,
                "input_width": columns,
                "kernel_height": height.kernel,
                "kernel_width": width.kernel,
                "stride_height": height.stride,
                "stride_width": width.stride,
                "pad_top": height.pad,
                "pad_left": width.pad,
                "output_height": height.outputs,
                "output_width": width.outputs,
                "output_min": low,
                "output_max": high,
            },
            lead=lead(batches, height, width, Layout(channels, 1, 1, held=False)),
        )


def _kernel(op: Op) -> tuple[int, int]:
    return option(op, "filter_height", 0), option(op, "filter_width", 0)


def _check_quantization(source: Tensor, target: Tensor) -> Iterator[str]:
    """TFLM pools stored values as they are, and refuses to do so where the quantization changes."""
    assert source.quantization and target.quantization
    difference = abs(np.float32(source.quantization.scale) - np.float32(target.quantization.scale))
    if float(difference) > MAX_SCALE_DIFFERENCE or source.quantization.zero_point != target.quantization.zero_point:
        yield (
            f"input and output are quantized differently (scale {source.quantization.scale:.8g} to "
            f"{target.quantization.scale:.8g}, zero point {source.quantization.zero_point} to "
            f"{target.quantization.zero_point}); TensorFlow Lite Micro refuses that, too"
        )
