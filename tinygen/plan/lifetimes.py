"""From a program to the buffers that share the arena.

Time is counted in steps of the program. A tensor lives from the step that writes it to the last one
that reads it; the model's inputs live from before the first step, its outputs to after the last.
Tensors joined by aliases are one buffer, which lives as long as any of them. Scratch memory lives for
its own step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tinygen.ir import Alias, Call, Program
from tinygen.plan.homes import Home, homes_of

__all__ = ["Buffer", "Lead", "buffers_of"]


@dataclass(frozen=True, slots=True)
class Lead:
    """Permission to overlap: buffer ``writer`` may share memory with ``reader`` if it starts at least
    ``bytes`` bytes before it. They meet in one step only: the reader's last, the writer's first."""

    reader: int
    writer: int
    bytes: int


@dataclass(slots=True)
class Buffer:
    """A piece of the arena.

    Attributes:
        bytes: size.
        first, last: the steps during which it must not be disturbed, both included.
        tensors: those that lie in it, and where each starts; empty for scratch.
        scratch_of: position of the step that uses it as scratch, or -1.
    """

    bytes: int
    first: int
    last: int
    tensors: dict[int, int] = field(default_factory=dict)
    scratch_of: int = -1

    def lives_with(self, other: Buffer) -> bool:
        """Whether the two are needed at the same step."""
        return self.first <= other.last and other.first <= self.last


def buffers_of(program: Program) -> tuple[list[Buffer], list[Lead]]:
    """All buffers of a program, in order of their first step, and the permissions to overlap."""
    homes = homes_of(program)
    tensors = program.graph.tensors
    buffers: dict[int, Buffer] = {}

    def touch(tensor: int, step: int) -> None:
        home = homes.get(tensor, Home(tensor, 0))
        if tensors[home.tensor].is_constant:
            return
        buffer = buffers.setdefault(home.tensor, Buffer(0, step, step))
        buffer.bytes = max(buffer.bytes, home.offset + tensors[tensor].bytes)
        buffer.first, buffer.last = min(buffer.first, step), max(buffer.last, step)
        buffer.tensors[tensor] = home.offset

    for tensor in program.graph.inputs:
        touch(tensor, -1)
    for position, step in enumerate(program.steps):
        reads = (step.source, step.target) if isinstance(step, Alias) else _tensors(step)
        for tensor in reads:
            touch(tensor, position)
    for tensor in program.graph.outputs:
        touch(tensor, len(program.steps))

    scratch = [
        Buffer(step.scratch_bytes, i, i, scratch_of=i)
        for i, step in enumerate(program.steps)
        if isinstance(step, Call) and step.scratch_bytes
    ]
    ordered = sorted([*buffers.values(), *scratch], key=lambda b: (b.first, b.last, -b.bytes, list(b.tensors)))
    return ordered, _leads(program, ordered)


def _tensors(call: Call) -> tuple[int, ...]:
    return tuple(view.tensor for view in (*call.inputs, *call.outputs))


def _leads(program: Program, buffers: list[Buffer]) -> list[Lead]:
    """Permissions that hold: the input is read for the last time where the output is written first."""
    home = {tensor: i for i, buffer in enumerate(buffers) for tensor in buffer.tensors}
    leads: list[Lead] = []
    for position, step in enumerate(program.steps):
        if not isinstance(step, Call) or len(step.outputs) != 1:
            continue
        (output,) = step.outputs
        writer = home[output.tensor]
        for argument, distance in step.lead.items():
            view = step.inputs[argument]
            reader = home.get(view.tensor)
            if reader is None or view.offset or output.offset:
                continue
            read_once = sum(home.get(v.tensor) == reader for v in step.inputs) == 1
            meet_once = buffers[reader].last == position == buffers[writer].first
            within = buffers[writer].tensors[output.tensor] - buffers[reader].tensors[view.tensor]
            in_place = within == 0 and all(d == 0 for d in step.lead.values())
            if reader != writer and meet_once and (read_once or in_place):
                leads.append(Lead(reader, writer, distance + within))
    return leads
