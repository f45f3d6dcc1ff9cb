"""Offsets for buffers that share one arena.

Two buffers that live at the same time keep a distance: with ``x = offset(b) - offset(a)``, ``x`` must
not lie strictly between ``low`` and ``high``. For plain neighbours that is (-bytes(b), bytes(a)); a
permission to overlap narrows it. Placement is greedy, lowest offset first, from several orders; the
smallest arena wins. See Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
Inference" (2020), for greedy by size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinygen.ir import Program
from tinygen.plan.lifetimes import Buffer, Lead, buffers_of

__all__ = ["ALIGNMENT", "MemoryPlan", "plan"]

# TG_ALIGN of firmware/kernels/tg_runtime.h: enough for int64 tensors and for LDRD.
ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where everything lies.

    Attributes:
        arena_bytes: size of the arena.
        bound: no plan without overlaps can be smaller: the most that is alive at one step.
        tensor_offsets: tensor index -> byte offset; constants are not in it.
        scratch_offsets: position of a step -> byte offset of its scratch.
        buffers: with their lifetimes, for reports.
        offsets: of each buffer.
    """

    arena_bytes: int
    bound: int
    tensor_offsets: Mapping[int, int]
    scratch_offsets: Mapping[int, int]
    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]


def plan(program: Program) -> MemoryPlan:
    """Place every buffer of a program."""
    buffers, leads = buffers_of(program)
    offsets = _best_placement(buffers, leads)
    return MemoryPlan(
        arena_bytes=_aligned(max((o + b.bytes for o, b in zip(offsets, buffers, strict=True)), default=0)),
        bound=_most_alive(buffers),
        tensor_offsets={t: o for o, b in zip(offsets, buffers, strict=True) for t in b.tensors},
        scratch_offsets={b.scratch_of: o for o, b in zip(offsets, buffers, strict=True) if b.scratch_of >= 0},
        buffers=tuple(buffers),
        offsets=tuple(offsets),
    )


def _most_alive(buffers: Sequence[Buffer]) -> int:
    return max((sum(b.bytes for b in buffers if b.first <= a.first <= b.last) for a in buffers), default=0)


def _best_placement(buffers: Sequence[Buffer], leads: Sequence[Lead]) -> list[int]:
    gaps = _forbidden(buffers, leads)
    orders = (
        sorted(range(len(buffers)), key=lambda i: (-buffers[i].bytes, i)),
        sorted(range(len(buffers)), key=lambda i: (buffers[i].first, -buffers[i].bytes)),
        sorted(range(len(buffers)), key=lambda i: (-buffers[i].last, -buffers[i].bytes)),
        sorted(range(len(buffers)), key=lambda i: (buffers[i].first - buffers[i].last, -buffers[i].bytes)),
    )
    placements = [_place(order, gaps) for order in orders]
    return min(placements, key=lambda p: max((o + b.bytes for o, b in zip(p, buffers, strict=True)), default=0))


Forbidden = dict[int, list[tuple[int, int, int]]]


def _forbidden(buffers: Sequence[Buffer], leads: Sequence[Lead]) -> Forbidden:
    """For each buffer a: (b, low, high) such that offset(a) - offset(b) must not lie in (low, high)."""
    distance = {(lead.reader, lead.writer): lead.bytes for lead in leads}
    gaps: Forbidden = {i: [] for i in range(len(buffers))}
    for a, first in enumerate(buffers):
        for b, second in enumerate(buffers):
            if a == b or not first.lives_with(second):
                continue
            low, high = -first.bytes, second.bytes
            if (b, a) in distance:  # a writes over b: a may start early enough before b
                low = max(low, -distance[b, a])
            if (a, b) in distance:  # b writes over a
                high = min(high, distance[a, b])
            if low < high:
                gaps[a].append((b, low, high))
    return gaps


def _place(order: Sequence[int], gaps: Forbidden) -> list[int]:
    """Give each buffer, in this order, the lowest offset that none before it forbids."""
    offsets: dict[int, int] = {}
    for a in order:
        taken = sorted((offsets[b] + low, offsets[b] + high) for b, low, high in gaps[a] if b in offsets)
        offset = 0
        for low, high in taken:
            if low < offset < high:
                offset = _aligned(high)
        offsets[a] = offset
    return [offsets[i] for i in range(len(order))]


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
