"""The memory plan, checked by recomputing lifetimes from the program in another way."""

from __future__ import annotations

import numpy as np
import pytest
from strategies_chain import draw_network
from support.host_runner import Compiled, compile_model

from tinygen.ir import Alias, Call
from tinygen.plan import ALIGNMENT


def memory_of(compiled: Compiled, tensor: int) -> range | None:
    offset = compiled.memory.tensor_offsets.get(tensor)
    return None if offset is None else range(offset, offset + compiled.graph.tensors[tensor].bytes)


def still_needed(compiled: Compiled, position: int) -> set[int]:
    """Tensors that are read after step ``position``, or are outputs, and were written before it or by it."""
    steps = compiled.program.steps
    written = set(compiled.graph.inputs)
    for step in steps[: position + 1]:
        written.update([step.target] if isinstance(step, Alias) else [v.tensor for v in step.outputs])
    read = set(compiled.graph.outputs)
    for step in steps[position + 1 :]:
        read.update([step.source] if isinstance(step, Alias) else [v.tensor for v in step.inputs])
        # A tensor that is written piece by piece must keep the pieces that it has.
        read.update(() if isinstance(step, Alias) else [v.tensor for v in step.outputs if v.tensor in written])
    return {t for t in written & read if memory_of(compiled, t) is not None}


@pytest.mark.parametrize("number", range(40))
def test_no_step_disturbs_what_is_needed_later(number: int) -> None:
    compiled = compile_model(draw_network(np.random.default_rng([7, number])))
    roots = {s.target: s.source for s in compiled.program.steps if isinstance(s, Alias)}

    def root(tensor: int) -> int:
        while tensor in roots:
            tensor = roots[tensor]
        return tensor

    for position, step in enumerate(compiled.program.steps):
        if not isinstance(step, Call):
            continue
        touched = [(v.tensor, memory_of(compiled, v.tensor)) for v in step.outputs]
        if step.scratch_bytes:
            start = compiled.memory.scratch_offsets[position]
            touched.append((-1, range(start, start + step.scratch_bytes)))
        for needed in still_needed(compiled, position):
            kept = memory_of(compiled, needed)
            assert kept is not None
            for tensor, memory in touched:
                if memory is not None and root(tensor) != root(needed):
                    assert memory.stop <= kept.start or kept.stop <= memory.start, f"step {position}, tensor {needed}"


@pytest.mark.parametrize("number", range(40))
def test_inputs_are_overlapped_by_permission_only(number: int) -> None:
    compiled = compile_model(draw_network(np.random.default_rng([8, number])))
    for position, call in enumerate(compiled.program.steps):
        if not isinstance(call, Call):
            continue
        for argument, source in enumerate(call.inputs):
            read = memory_of(compiled, source.tensor)
            for target in call.outputs:
                written = memory_of(compiled, target.tensor)
                if read is None or written is None or written.stop <= read.start or read.stop <= written.start:
                    continue
                assert argument in call.lead, f"step {position} may not write over its input {argument}"
                assert read.start - written.start >= call.lead[argument]


def test_offsets_are_aligned_and_inside_the_arena() -> None:
    compiled = compile_model(draw_network(np.random.default_rng(3)))
    for buffer, offset in zip(compiled.memory.buffers, compiled.memory.offsets, strict=True):
        assert offset % ALIGNMENT == 0
        assert 0 <= offset <= compiled.memory.arena_bytes - buffer.bytes
