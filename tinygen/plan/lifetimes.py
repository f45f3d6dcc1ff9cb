"""From a program to the buffers that share the arena.

Time is counted in steps of the program. A tensor lives from the step that writes it to the last one
that reads it; the model's inputs live from before the first step, its outputs to after the last.
Tensors joined by an alias are one buffer. Scratch memory lives for its own step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tinygen.ir import Alias, Call, Program

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
        tensors: those that lie in it, each from its start; empty for scratch.
        scratch_of: position of the step that uses it as scratch, or -1.
    """

    bytes: int
    first: int
    last: int
    tensors: list[int] = field(default_factory=list)
    scratch_of: int = -1

    def lives_with(self, other: Buffer) -> bool:
        """Whether the two are needed at the same step."""
        return self.first <= other.last and other.first <= self.last


def buffers_of(program: Program) -> tuple[list[Buffer], list[Lead]]:
    """All buffers of a program, in order of their first step, and the permissions to overlap."""
    root = _alias_roots(program)
    buffers: dict[int, Buffer] = {}

    def touch(tensor: int, step: int) -> None:
        if program.graph.tensors[root.get(tensor, tensor)].is_constant:
            return
        key = root.get(tensor, tensor)
        buffer = buffers.setdefault(key, Buffer(0, step, step))
        buffer.bytes = max(buffer.bytes, program.graph.tensors[tensor].bytes)
        buffer.first, buffer.last = min(buffer.first, step), max(buffer.last, step)
        if tensor not in buffer.tensors:
            buffer.tensors.append(tensor)

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
    ordered = sorted([*buffers.values(), *scratch], key=lambda b: (b.first, b.last, -b.bytes, b.tensors))
    return ordered, _leads(program, ordered)


def _alias_roots(program: Program) -> dict[int, int]:
    root: dict[int, int] = {}
    for step in program.steps:
        if isinstance(step, Alias):
            root[step.target] = root.get(step.source, step.source)
    return root


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
            if meet_once and (read_once or all(d == 0 for d in step.lead.values())):
                leads.append(Lead(reader, writer, distance))
    return leads
