"""Where elements lie: nested loops over blocks of bytes, merged so that blocks are as long as possible.

A movement is described by loops, outermost first, around a block that is contiguous in source and
target. All numbers are bytes. The kernels are those of ``firmware/kernels/move``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Alias, Call, Constant, Graph, Op, Step, View
from tinygen.lower.require import require

__all__ = [
    "Blocks",
    "Level",
    "Loop",
    "blocks",
    "copy_steps",
    "gather_steps",
    "lead_of",
    "loop_table",
    "odometer_steps",
    "strides",
]

# TG_MAX_LOOPS of firmware/kernels/tg_loops.h.
MAX_LOOPS = 8
# Beyond so many blocks, finding out how far a copy may overlap its source isn't worth the time.
MAX_LEAD_BLOCKS = 1 << 20


@dataclass(frozen=True, slots=True)
class Loop:
    """``count`` repetitions, ``source`` and ``target`` bytes apart."""

    count: int
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Blocks:
    """A movement: loops, outermost first, around a contiguous block of ``block`` bytes."""

    block: int
    loops: tuple[Loop, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """A dimension of a gather: its repetitions read at ``index * unit`` bytes."""

    index: NDArray[np.int64]
    unit: int

    @property
    def is_range(self) -> bool:
        return bool((self.index == np.arange(len(self.index))).all())


def strides(shape: Sequence[int], element: int) -> tuple[int, ...]:
    """Bytes from one index to the next along each dimension of a row-major tensor."""
    return tuple(element * math.prod(shape[i + 1 :]) for i in range(len(shape)))


def blocks(element: int, loops: Sequence[Loop]) -> Blocks:
    """Merge loops: what is contiguous on both sides joins the block, what moves evenly becomes one loop."""
    block = element
    merged: list[Loop] = []  # innermost first
    for loop in reversed(loops):
        if loop.count == 1:
            continue
        if not merged and loop.source == loop.target == block:
            block *= loop.count
        elif (
            merged
            and loop.source == merged[-1].count * merged[-1].source
            and loop.target == merged[-1].count * merged[-1].target
        ):
            inner = merged.pop()
            merged.append(Loop(loop.count * inner.count, inner.source, inner.target))
        else:
            merged.append(loop)
    return Blocks(block, tuple(reversed(merged)))


def odometer_steps(counts: Sequence[int], distances: Sequence[int], *, resting: int) -> list[int]:
    """What to add when a loop moves on, given loops innermost first.

    The loops inside it have moved to their last repetition and start again; the innermost ``resting``
    ones never moved, because the kernel runs them with offsets.
    """
    steps: list[int] = []
    travelled = 0
    for level, (count, distance) in enumerate(zip(counts, distances, strict=True)):
        steps.append(distance - travelled)
        if level >= resting:
            travelled += (count - 1) * distance
    return steps


def loop_table(role: str, *columns: Sequence[int]) -> Constant:
    """Loops as the kernels read them: one row of int32 for each, the innermost first."""
    return Constant(role, np.array(columns, np.int32).T.reshape(-1))


def copy_steps(op: Op, graph: Graph, source: View, target: View, element: int, loops: Sequence[Loop]) -> Iterator[Step]:
    """Copy by the loops, or say that the target is the source if nothing moves.

    Args:
        source, target: from the first byte read and written.
        element: bytes of an element.
        loops: outermost first, as many as the tensors have dimensions, or fewer.
    """
    move = blocks(element, loops)
    tensors = graph.tensors
    if not move.loops and move.block == tensors[source.tensor].bytes == tensors[target.tensor].bytes:
        yield Alias(op.index, source.tensor, target.tensor)
        return
    distance = lead_of(move, target.offset - source.offset)
    if distance is None or distance >= tensors[source.tensor].bytes:
        distance = None  # the order of writing is free: the longest loop is cheapest as the innermost
        move = Blocks(move.block, tuple(sorted(move.loops, key=lambda loop: loop.count)))
    inward = tuple(reversed(move.loops)) or (Loop(1, 0, 0),)
    require(len(inward) <= MAX_LOOPS, f"a movement in {len(inward)} nested loops; {MAX_LOOPS} are supported")
    counts = [loop.count for loop in inward]
    yield Call(
        op=op.index,
        kernel="tg_copy_blocks",
        header="move/tg_move.h",
        sources=("move/tg_copy_blocks.c",),
        inputs=(source,),
        outputs=(target,),
        params={
            "block": move.block,
            "loops": len(inward),
            "loop": loop_table(
                "loop",
                counts,
                odometer_steps(counts, [loop.source for loop in inward], resting=1),
                odometer_steps(counts, [loop.target for loop in inward], resting=1),
            ),
        },
        lead={} if distance is None else {0: distance},
        copied_bytes=0 if move.loops else move.block,
    )


def lead_of(move: Blocks, offset: int = 0, *, fills: bool = False) -> int | None:
    """By how many bytes the target must start before the source so that nothing unread is overwritten.

    Args:
        offset: of the first block's place in the target from that in the source, each from the start of its tensor.
        fills: the bytes of the target between the blocks are written, too, each gap before the block behind it.

    Returns:
        The distance between the tensors' starts, or ``None`` if it was not worth finding out.
    """
    if math.prod(loop.count for loop in move.loops) > MAX_LEAD_BLOCKS:
        return None
    source, target = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for loop in move.loops:
        steps = np.arange(loop.count)
        source = (source[:, None] + steps * loop.source).reshape(-1)
        target = (target[:, None] + steps * loop.target).reshape(-1)
    unread = np.minimum.accumulate(source[::-1])[::-1]
    if move.block == 1 and not fills:  # a byte is read before its copy is written, so its own place is free
        unread, target = unread[1:], target[:-1]
    return max(0, int((target - unread).max(initial=-(1 << 40))) + move.block + offset)


def gather_steps(
    op: Op, graph: Graph, source: View, target: View, element: int, levels: Sequence[Level]
) -> Iterator[Step]:
    """Read blocks by index tables and write them one after another.

    Args:
        source, target: from the byte that all indices 0 stand for, and from the first byte written.
        levels: outermost first.
    """
    base = sum(int(level.index[0]) * level.unit for level in levels if len(level.index) == 1)
    source = View(source.tensor, source.offset + base)
    block, inward = _merged_levels(element, [level for level in levels if len(level.index) > 1])
    if not inward:
        yield from copy_steps(op, graph, source, target, block, ())
        return
    require(len(inward) <= MAX_LOOPS, f"a movement in {len(inward)} nested loops; {MAX_LOOPS} are supported")
    index: NDArray[np.int64] = np.concatenate([level.index for level in inward])
    require(int(index.max()) < 1 << 16, f"a dimension longer than {1 << 16}")
    yield Call(
        op=op.index,
        kernel="tg_gather",
        header="move/tg_move.h",
        sources=("move/tg_gather.c",),
        inputs=(source,),
        outputs=(target,),
        params={
            "block": block,
            "loops": len(inward),
            "loop": loop_table("loop", [len(level.index) for level in inward], [level.unit for level in inward]),
            "index": Constant("index", index.astype(np.uint16)),
        },
    )


def _merged_levels(element: int, levels: Sequence[Level]) -> tuple[int, list[Level]]:
    """The block that the innermost plain ranges make, and the levels around it, innermost first."""
    block = element
    merged: list[Level] = []
    for level in reversed(levels):
        if not merged and level.is_range and level.unit == block:
            block *= len(level.index)
        elif (
            merged and level.is_range and merged[-1].is_range and level.unit == len(merged[-1].index) * merged[-1].unit
        ):
            inner = merged.pop()
            merged.append(Level(np.arange(len(level.index) * len(inner.index)), inner.unit))
        else:
            merged.append(level)
    return block, merged
