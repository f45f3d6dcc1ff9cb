"""What the arena holds at each step, found out from a plan's addresses alone, without its lifetimes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from support.host_runner import Compiled
from tinygen.ir import Alias, Call, View

__all__ = ["Arena", "live_bytes", "replay", "written_ranges"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Arena:
    """Where a compiled model's tensors lie."""

    def __init__(self, compiled: Compiled) -> None:
        self.bytes = compiled.memory.arena_bytes
        self._offsets = compiled.memory.tensor_offsets
        self._tensors = compiled.graph.tensors

    def range(self, tensor: int) -> slice | None:
        """``None`` for a constant."""
        start = self._offsets.get(tensor)
        return None if start is None else slice(start, start + self._tensors[tensor].bytes)


def written_ranges(compiled: Compiled, call: Call) -> Iterator[tuple[View, slice]]:
    """What a call writes, and where: the whole tensor, unless it copies a part of it."""
    arena = Arena(compiled)
    for view in call.outputs:
        memory = arena.range(view.tensor)
        assert memory is not None
        if call.copied_bytes:
            start = memory.start + view.offset
            memory = slice(start, start + call.copied_bytes)
        yield view, memory


def replay(compiled: Compiled) -> None:
    """Walk the program with a name for every value of every byte; whoever reads must find what was written.

    Raises:
        AssertionError: a step reads a byte that doesn't hold its tensor's value any more.
    """
    _Replay(compiled).run()


class _Replay:
    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.arena = Arena(compiled)
        self.memory = np.zeros(self.arena.bytes, np.int64)
        self.values: dict[int, Ints] = {
            i: np.zeros(t.bytes, np.int64) for i, t in enumerate(compiled.graph.tensors) if self.arena.range(i)
        }
        self.names = 0

    def run(self) -> None:
        graph = self.compiled.graph
        for tensor in graph.inputs:
            memory = self.arena.range(tensor)
            if memory is not None:
                self._write(View(tensor), memory)
        for position, step in enumerate(self.compiled.program.steps):
            if isinstance(step, Alias):
                self._share(step)
            else:
                self._call(position, step)
        for tensor in graph.outputs:
            self._read(tensor, "the user")

    def _call(self, position: int, call: Call) -> None:
        for view in call.inputs:
            self._read(view.tensor, f"step {position} ({call.kernel})")
        if call.scratch_bytes:
            start = self.compiled.memory.scratch_offsets[position]
            self.memory[start : start + call.scratch_bytes] = -1
        for view, memory in written_ranges(self.compiled, call):
            self._write(view, memory)

    def _write(self, view: View, memory: slice) -> None:
        count = memory.stop - memory.start
        names = np.arange(count) + self.names + 1
        self.names += count
        self.memory[memory] = names
        start = memory.start - self._start(view.tensor)
        self.values[view.tensor][start : start + count] = names

    def _share(self, alias: Alias) -> None:
        """The target's value is the source's, where the two lie over each other."""
        if self.arena.range(alias.source) is None:
            return
        source, target = self.values[alias.source], self.values[alias.target]
        low, high = max(alias.offset, 0), min(alias.offset + len(target), len(source))
        target[low - alias.offset : high - alias.offset] = source[low:high]

    def _read(self, tensor: int, reader: str) -> None:
        memory = self.arena.range(tensor)
        if memory is not None:
            wrong = np.flatnonzero(self.memory[memory] != self.values[tensor])
            assert not wrong.size, f"{reader} reads tensor {tensor}, of which {wrong.size} bytes are lost"
            assert self.values[tensor].all(), f"{reader} reads tensor {tensor} before all of it is written"

    def _start(self, tensor: int) -> int:
        memory = self.arena.range(tensor)
        assert memory is not None
        return memory.start


def live_bytes(compiled: Compiled) -> list[Mask]:
    """For each step, the bytes that someone will read, after it, before they are written again."""
    arena = Arena(compiled)
    live = np.zeros(arena.bytes, bool)
    for tensor in compiled.graph.outputs:
        if (memory := arena.range(tensor)) is not None:
            live[memory] = True
    after: list[Mask] = []
    first_writer: dict[int, Call] = {}
    for call in compiled.program.calls:
        for view in call.outputs:
            first_writer.setdefault(view.tensor, call)
    for step in reversed(compiled.program.steps):
        after.append(live.copy())
        if isinstance(step, Alias):
            continue
        for view, memory in written_ranges(compiled, step):
            # A later call may write between the bytes that an earlier one has written.
            if step.copied_bytes or first_writer[view.tensor] is step:
                live[memory] = False
        for view in step.inputs:
            if (memory := arena.range(view.tensor)) is not None:
                live[memory] = True
    return after[::-1]
