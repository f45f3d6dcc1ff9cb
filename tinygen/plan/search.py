"""The smallest arena: greedy placements, a bound, and an exact search where they differ.

Two buffers that live at the same time keep a distance: ``offset(a) - offset(b)`` must not lie strictly
between ``low`` and ``high``. For plain neighbours that is (-bytes(a), bytes(b)); a permission to overlap
narrows it.

Every smallest arena can be pushed down until each buffer lies at 0 or touches another one; so it is
found by placing the buffers in some order, each at the lowest offset that those before it leave. Three
things look for that order: orders that are known to do well (greedy by size: Pisarchyk and Lee,
"Efficient Memory Management for Deep Neural Net Inference", 2020); squeaky wheel optimization, which
lets the buffers that stick out go first the next time (Joslin and Clements, 1999); and, if the bound is
still not reached, a depth-first search over orders that proves the best arena or gives up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinygen.plan.lifetimes import Buffer, Lead

__all__ = ["ALIGNMENT", "Placement", "aligned", "lower_bound", "place"]

# TG_ALIGN of firmware/kernels/tg_runtime.h: enough for int64 tensors and for LDRD.
ALIGNMENT = 8
# Steps of the exact search; these graphs have few buffers, and most are decided by the bound alone.
MAX_STEPS = 5_000
MAX_ROUNDS = 200

Forbidden = list[list[tuple[int, int, int]]]


@dataclass(frozen=True, slots=True)
class Placement:
    """Offsets of the buffers.

    Attributes:
        bytes: size of the arena.
        bound: proven: no arena is smaller.
        optimal: the search has shown that no arena is smaller than ``bytes``.
    """

    offsets: tuple[int, ...]
    bytes: int
    bound: int
    optimal: bool


def aligned(offset: int) -> int:
    """The next multiple of the alignment."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def place(buffers: Sequence[Buffer], leads: Sequence[Lead], *, exact: bool = True) -> Placement:
    """The smallest arena that is found, with what is proven about it.

    Args:
        exact: search depth first where the quick ways don't reach the bound.
    """
    if not buffers:
        return Placement((), 0, 0, True)
    gaps = _forbidden(buffers, leads)
    bound = lower_bound(buffers, leads)
    placements = (_squeaky_wheel(order, gaps, buffers, bound) for order in _orders(buffers))
    offsets = min(placements, key=lambda o: _top(o, buffers))
    best = _top(offsets, buffers)
    if best == bound or not exact:
        return Placement(tuple(offsets), best, bound, best == bound)
    search = _Search(buffers, gaps, offsets, best, bound)
    search.run()
    return Placement(tuple(search.best_offsets), search.best, bound, search.exhausted or search.best == bound)


def lower_bound(buffers: Sequence[Buffer], leads: Sequence[Lead]) -> int:
    """What some step needs at least: all that lives there, less the most that overlapping can save."""
    best = 0
    for step in {b.first for b in buffers}:
        alive = {i for i, b in enumerate(buffers) if b.first <= step <= b.last}
        best = max(best, _step_bound(buffers, alive, [p for p in leads if {p.reader, p.writer} <= alive]))
    return best


def _step_bound(buffers: Sequence[Buffer], alive: set[int], leads: Sequence[Lead]) -> int:
    size = {i: aligned(buffers[i].bytes) for i in alive}
    total = sum(size.values())
    if not leads:
        return total
    if len(leads) == 1:
        (lead,) = leads
        span = max(size[lead.writer], aligned(max(lead.bytes, 0)) + size[lead.reader])
        return total - size[lead.writer] - size[lead.reader] + span
    # Several inputs may be written over: whatever they share with the outputs, each side needs its own room.
    without_writers = total - sum(size[i] for i in {p.writer for p in leads})
    without_readers = total - sum(size[i] for i in {p.reader for p in leads})
    return max(without_writers, without_readers)


def _squeaky_wheel(order: list[int], gaps: Forbidden, buffers: Sequence[Buffer], bound: int) -> list[int]:
    """Place in this order, then again with what stuck out in front, until nothing new comes of it."""
    best = _lowest(order, gaps)
    seen = set()
    offsets = best
    for _ in range(MAX_ROUNDS):
        top = _top(offsets, buffers)
        if top < _top(best, buffers):
            best = offsets
        if top == bound or tuple(order) in seen:
            break
        seen.add(tuple(order))
        loud = [i for i in order if aligned(offsets[i] + buffers[i].bytes) == top]
        order = loud + [i for i in order if i not in loud]
        offsets = _lowest(order, gaps)
    return best


def _orders(buffers: Sequence[Buffer]) -> list[list[int]]:
    """Orders that are known to do well: by size, by time in both directions, by length of life, by the
    crowd at the fullest step of their lives."""
    indices = range(len(buffers))
    alive = {s: sum(b.bytes for b in buffers if b.first <= s <= b.last) for s in {b.first for b in buffers}}
    crowd = [max(n for s, n in alive.items() if b.first <= s <= b.last) for b in buffers]
    return [
        sorted(indices, key=lambda i: (-buffers[i].bytes, i)),
        sorted(indices, key=lambda i: (buffers[i].first, -buffers[i].bytes)),
        sorted(indices, key=lambda i: (-buffers[i].last, -buffers[i].bytes)),
        sorted(indices, key=lambda i: (buffers[i].first - buffers[i].last, -buffers[i].bytes)),
        sorted(indices, key=lambda i: (-crowd[i], -buffers[i].bytes)),
    ]


def _forbidden(buffers: Sequence[Buffer], leads: Sequence[Lead]) -> Forbidden:
    """For each buffer a: (b, low, high) such that offset(a) - offset(b) must not lie in (low, high)."""
    distance = {(lead.reader, lead.writer): lead.bytes for lead in leads}
    gaps: Forbidden = [[] for _ in buffers]
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


def _lowest_offset(gaps: Sequence[tuple[int, int, int]], offsets: Sequence[int | None]) -> int:
    """The lowest offset that the buffers placed so far leave to one with these gaps."""
    taken = sorted((o + low, o + high) for b, low, high in gaps if (o := offsets[b]) is not None)
    offset = 0
    for low, high in taken:
        if low < offset < high:
            offset = aligned(high)
    return offset


def _lowest(order: Sequence[int], gaps: Forbidden) -> list[int]:
    offsets: list[int | None] = [None] * len(gaps)
    for a in order:
        offsets[a] = _lowest_offset(gaps[a], offsets)
    return [o for o in offsets if o is not None]


def _top(offsets: Sequence[int], buffers: Sequence[Buffer]) -> int:
    return aligned(max(o + b.bytes for o, b in zip(offsets, buffers, strict=True)))


class _Search:
    """Depth-first search over orders of placement, largest buffers first."""

    def __init__(self, buffers: Sequence[Buffer], gaps: Forbidden, offsets: list[int], best: int, bound: int) -> None:
        self._buffers = buffers
        self._gaps = gaps
        self._bound = bound
        self._by_size = sorted(range(len(buffers)), key=lambda i: (-buffers[i].bytes, i))
        self._steps = 0
        self.best_offsets = offsets
        self.best = best
        self.exhausted = False

    def run(self) -> None:
        self.exhausted = self._extend([None] * len(self._buffers), len(self._buffers))

    def _extend(self, offsets: list[int | None], left: int) -> bool:
        """Place one more buffer in each possible way; False if the search was cut short."""
        if left == 0:
            self.best_offsets = [o for o in offsets if o is not None]
            self.best = _top(self.best_offsets, self._buffers)
            return True
        options = [
            (offset, a)
            for a in self._by_size
            if offsets[a] is None
            and aligned((offset := _lowest_offset(self._gaps[a], offsets)) + self._buffers[a].bytes) < self.best
        ]
        if len(options) < left:
            return True  # one of those left can't lie below the best arena any more: they only move up
        # Lowest first: an order that takes buffers by rising offset reaches every pushed-down placement.
        for offset, a in sorted(options, key=lambda option: (option[0], -self._buffers[option[1]].bytes)):
            self._steps += 1
            if self._steps > MAX_STEPS or self.best == self._bound:
                return self.best == self._bound
            offsets[a] = offset
            complete = self._extend(offsets, left - 1)
            offsets[a] = None
            if not complete:
                return False
        return True
