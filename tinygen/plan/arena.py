"""The memory plan: one static arena for all activations and scratch memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinygen.errors import InternalError
from tinygen.ir import Program
from tinygen.plan.homes import homes_of
from tinygen.plan.lifetimes import Buffer, buffers_of
from tinygen.plan.search import place
from tinygen.plan.views import is_aligned

__all__ = ["MemoryPlan", "plan"]


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where everything lies.

    Attributes:
        arena_bytes: size of the arena.
        bound: proven: with these kernels no arena is smaller.
        optimal: the search has shown that none is smaller than ``arena_bytes``.
        tensor_offsets: tensor index -> byte offset; constants are not in it.
        scratch_offsets: position of a step -> byte offset of its scratch.
        buffers: with their lifetimes, for reports.
        offsets: of each buffer.
    """

    arena_bytes: int
    bound: int
    optimal: bool
    tensor_offsets: Mapping[int, int]
    scratch_offsets: Mapping[int, int]
    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]


def plan(program: Program) -> MemoryPlan:
    """Place every buffer of a program.

    Raises:
        InternalError: a call's inputs are views that don't have the alignment that it needs.
    """
    homes = homes_of(program)
    if not all(is_aligned(call, homes) for call in program.calls):
        raise InternalError("a kernel was chosen whose input lies at an address that it can't read")
    buffers, leads = buffers_of(program)
    placement = place(buffers, leads)
    offsets = placement.offsets
    return MemoryPlan(
        arena_bytes=placement.bytes,
        bound=placement.bound,
        optimal=placement.optimal,
        tensor_offsets={t: o + at for o, b in zip(offsets, buffers, strict=True) for t, at in b.tensors.items()},
        scratch_offsets={b.scratch_of: o for o, b in zip(offsets, buffers, strict=True) if b.scratch_of >= 0},
        buffers=tuple(buffers),
        offsets=offsets,
    )
