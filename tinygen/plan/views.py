"""Leaving out copies: pieces that are read where they lie, and parts that are written where they belong.

A piece that SPLIT, SLICE or UNPACK takes in a row out of a tensor is that tensor at an offset. What
CONCATENATION or PACK joins end to end can be written into the joined tensor by its own producers. Both are
an alias in the place of a copy. It is sound if no byte of the memory that is so shared has two writers; it
pays unless the shared memory, which lives as long as all that lies in it, makes the arena larger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd

from tinygen.ir import Alias, Call, Program, Step, View
from tinygen.plan.homes import Home, Homes, try_homes
from tinygen.plan.lifetimes import buffers_of
from tinygen.plan.search import ALIGNMENT, place

__all__ = ["is_aligned", "is_sound", "without_copies"]


def without_copies(program: Program) -> Program:
    """The program with as many copies as possible replaced by aliases.

    An operator's copies go together, or else one by one. The arena is estimated with the program's calls as
    they are; the first operators come first.
    """
    copies = _copies(program)
    arena = _arena_bytes(program) if copies else 0
    for together in copies:
        for group in (together, *([position] for position in together)):
            shorter = _aliased(program, group)
            if shorter is program or not is_sound(shorter):
                continue
            needed = _arena_bytes(shorter)
            if needed <= arena:
                program, arena = shorter, needed
    return program


def is_sound(program: Program) -> bool:
    """Whether every tensor keeps its value for as long as it lives, in memory that the user may be given."""
    homes = try_homes(program)
    if homes is None:
        return False
    graph = program.graph
    ports = [homes[t] for t in (*graph.inputs, *graph.outputs) if t in homes]
    several_constants = any(graph.tensors[t].is_constant and home.tensor != t for t, home in homes.items())
    if several_constants or any(port.offset % ALIGNMENT for port in ports):
        return False
    end: dict[int, int] = {}
    for home, first, last, _ in sorted(set(_writes(program, homes))):
        if graph.tensors[home].is_constant or first < end.get(home, 0):
            return False
        end[home] = last
    return True


def is_aligned(call: Call, homes: Homes) -> bool:
    """Whether the call's inputs lie as it needs them, wherever the planner puts their homes."""
    starts = [homes.get(v.tensor, Home(v.tensor, 0)).offset + v.offset for v in call.inputs]
    return gcd(ALIGNMENT, *starts) % call.input_alignment == 0


def _copies(program: Program) -> list[list[int]]:
    """Positions of the calls that only copy from one place of the arena to another, by operator."""
    by_op: dict[int, list[int]] = {}
    for position, step in enumerate(program.steps):
        if isinstance(step, Call) and step.copied_bytes:
            by_op.setdefault(step.op, []).append(position)
    return list(by_op.values())


def _aliased(program: Program, positions: Sequence[int]) -> Program:
    """Aliases in the place of those calls that still are there and move a whole tensor into or out of another."""
    steps: list[Step] = list(program.steps)
    for position in positions:
        call = steps[position]
        if isinstance(call, Call) and (alias := _alias_of(call, program)):
            steps[position] = alias
    return program if steps == list(program.steps) else Program(program.graph, tuple(steps))


def _alias_of(call: Call, program: Program) -> Alias | None:
    (source,), (target,) = call.inputs, call.outputs
    tensors = program.graph.tensors
    if call.copied_bytes not in (tensors[source.tensor].bytes, tensors[target.tensor].bytes):
        return None
    return Alias(call.op, source.tensor, target.tensor, source.offset - target.offset)


def _writes(program: Program, homes: Homes) -> Iterator[tuple[int, int, int, int]]:
    """All that is written into memory that tensors share: its home, first byte, end, and the tensor.

    A tensor that several calls write counts once, unless they are copies, whose places are known.
    """
    sizes = [tensor.bytes for tensor in program.graph.tensors]
    written = [(View(tensor), sizes[tensor]) for tensor in program.graph.inputs]
    for call in program.calls:
        for view in call.outputs:
            written.append((view, call.copied_bytes) if call.copied_bytes else (View(view.tensor), sizes[view.tensor]))
    for view, size in written:
        if view.tensor in homes:
            home = homes[view.tensor]
            start = home.offset + view.offset
            yield home.tensor, start, start + size, view.tensor


def _arena_bytes(program: Program) -> int:
    return place(*buffers_of(program), exact=False).bytes
