"""MEAN, SUM, REDUCE_MAX and REDUCE_MIN over any constant set of dimensions, int8."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tinygen.ir import Alias, Call, DType, Graph, Op, Param, Step, Tensor, View
from tinygen.lower import checks
from tinygen.lower.layout import loop_table, odometer_steps, strides
from tinygen.lower.operator import register
from tinygen.lower.requantize import Rescale, quantize_multiplier
from tinygen.lower.require import DryRun, Refusal, constant_ints, normal_axis, require, require_count

__all__ = ["ReduceExtreme", "Sum", "mean_rescale"]

# So many int8 values, zero point subtracted, can't overflow 32 bits.
MAX_ELEMENTS = 1 << 23


@dataclass(frozen=True, slots=True)
class _Reduction:
    """Loops, innermost first, over the outputs and over the elements of each: (count, elements between)."""

    keep: tuple[tuple[int, int], ...]
    fold: tuple[tuple[int, int], ...]

    @property
    def elements(self) -> int:
        return math.prod(count for count, _ in self.fold)

    def params(self) -> dict[str, Param]:
        """The fields of ``tg_reduce_t``."""
        keep, fold = ([*zip(*loops, strict=True)] or [(1,), (0,)] for loops in (self.keep, self.fold))
        return {
            "keeps": len(keep[0]),
            "folds": len(fold[0]),
            "keep": loop_table("keep", keep[0], odometer_steps(keep[0], keep[1], resting=0)),
            "fold": loop_table("fold", fold[0], odometer_steps(fold[0], fold[1], resting=1)),
        }


def _reduction(shape: Sequence[int], axes: Sequence[int]) -> _Reduction:
    """Neighbours of one kind are one loop; dimensions of length 1 are none."""
    loops: list[tuple[bool, int, int]] = []  # innermost first: folded, count, distance
    for axis in reversed(range(len(shape))):
        folded, count = axis in axes, shape[axis]
        if count == 1:
            continue
        if loops and loops[-1][0] == folded:
            _, inner, distance = loops.pop()
            loops.append((folded, count * inner, distance))
        else:
            loops.append((folded, count, strides(shape, 1)[axis]))
    keep, fold = (tuple((c, d) for f, c, d in loops if f is kind) for kind in (False, True))
    return _Reduction(keep, fold)


def _checked(
    op: Op,
    graph: Graph,
    check: Callable[[str, Tensor | None], Iterator[str]] = checks.int8_tensor,
    most: int = MAX_ELEMENTS,
) -> tuple[Tensor, Tensor, _Reduction]:
    """Input and output, which ``check`` passes, and how the one becomes the other.

    Args:
        most: the largest number of elements that may make one result.
    """
    require_count(op, 2)
    source, target = graph.optional_input(op, 0), graph.output(op)
    for reason in (*check("input", source), *check("output", target)):
        raise Refusal(reason)
    assert source is not None
    rank = len(source.shape)
    axes = {normal_axis(a, rank) for a in constant_ints(op, graph, 1, "axes")} if rank else set()
    reduction = _reduction(source.shape, sorted(axes))
    outputs = source.elements // reduction.elements
    require(target.elements == outputs, f"{outputs} results, but the output has shape {list(target.shape)}")
    require(reduction.elements <= most, f"{reduction.elements} elements a result are too many")
    return source, target, reduction


def mean_rescale(factor: float, elements: int) -> Rescale:
    """A factor divided by a number of elements, in TFLM's integer arithmetic (QuantizedMeanOrSum)."""
    rescale = quantize_multiplier(factor)
    shift = min(elements.bit_length() - 1, 32, 31 + rescale.shift)
    return Rescale((rescale.multiplier << shift) // elements, rescale.shift - shift)


@register
class Sum(DryRun):
    """The sum of the elements less their zero points, rescaled; a mean's rescaling divides, too."""

    kinds: ClassVar = ("MEAN", "SUM")
    max_elements: ClassVar[int] = MAX_ELEMENTS

    def check_tensor(self, what: str, tensor: Tensor | None) -> Iterator[str]:
        """Type and quantization of the input or the output."""
        yield from checks.int8_tensor(what, tensor)

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, target, reduction = _checked(op, graph, self.check_tensor, self.max_elements)
        assert source.quantization and target.quantization
        factor = source.quantization.scale / target.quantization.scale
        mean = op.kind == "MEAN"
        rescale = mean_rescale(factor, reduction.elements) if mean else quantize_multiplier(factor)
        yield Call(
            op=op.index,
            kernel="tg_sum",
            header="reduce/tg_reduce.h",
            sources=("reduce/tg_sum.c",),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={
                "over": reduction.params(),
                "bias": -source.quantization.zero_point * reduction.elements,
                "output_zero_point": target.quantization.zero_point,
                "rescale": {"multiplier": rescale.multiplier, "shift": rescale.shift},
            },
            lead={0: 0},
        )


@register
class ReduceExtreme(DryRun):
    """The greatest or the least element; TFLM wants input and output to be quantized alike."""

    kinds: ClassVar = ("REDUCE_MAX", "REDUCE_MIN")

    def lower(self, op: Op, graph: Graph) -> Iterator[Step]:
        source, target, reduction = _checked(op, graph)
        require(
            source.quantization == target.quantization,
            "input and output are quantized differently, and TensorFlow Lite Micro does not rescale here",
        )
        if reduction.elements == 1:
            yield Alias(op.index, graph.input_index(op), op.outputs[0])
            return
        assert target.dtype is DType.INT8
        yield Call(
            op=op.index,
            kernel="tg_extreme",
            header="reduce/tg_reduce.h",
            sources=("reduce/tg_extreme.c",),
            inputs=(View(graph.input_index(op)),),
            outputs=(View(op.outputs[0]),),
            params={"over": reduction.params(), "flip": -1 if op.kind == "REDUCE_MIN" else 0},
            lead={0: 0},
        )
