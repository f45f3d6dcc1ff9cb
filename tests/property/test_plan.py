"""The memory plan, checked by replaying the program on its addresses alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chain_networks import draw_network
from support.host_runner import Compiled, compile_model
from support.memory_check import Arena, replay, written_ranges
from support.view_networks import draw_view_network

from tinygen.ir import Call
from tinygen.plan import ALIGNMENT

NETWORKS = {"chain": draw_network, "views": draw_view_network}
CASES = [(kind, number) for kind in NETWORKS for number in range(40)]


def compiled_case(kind: str, number: int, seed: int) -> Compiled:
    return compile_model(NETWORKS[kind](np.random.default_rng([seed, number])), optimize=number % 2 > 0)


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_whoever_reads_finds_what_was_written(kind: str, number: int) -> None:
    replay(compiled_case(kind, number, 7))


def test_the_replay_notices_a_lost_byte() -> None:
    compiled = compiled_case("chain", 0, 7)
    offsets = dict.fromkeys(compiled.memory.tensor_offsets, 0)
    with pytest.raises(AssertionError, match="are lost"):
        replay(replace(compiled, memory=replace(compiled.memory, tensor_offsets=offsets)))


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_inputs_are_overlapped_by_permission_only(kind: str, number: int) -> None:
    compiled = compiled_case(kind, number, 8)
    arena = Arena(compiled)
    for position, call in enumerate(compiled.program.steps):
        if not isinstance(call, Call):
            continue
        for argument, source in enumerate(call.inputs):
            read = arena.range(source.tensor)
            for target, written in written_ranges(compiled, call):
                start = arena.range(target.tensor)
                assert start is not None
                if read is None or written.stop <= read.start or read.stop <= written.start:
                    continue
                if call.copied_bytes and written.start >= read.start + source.offset + call.copied_bytes:
                    continue  # behind what it copies, into the same tensor
                assert argument in call.lead, f"step {position} may not write over its input {argument}"
                assert read.start - start.start >= call.lead[argument]


def test_offsets_are_aligned_and_inside_the_arena() -> None:
    for kind, number in CASES[::8]:
        compiled = compiled_case(kind, number, 3)
        for buffer, offset in zip(compiled.memory.buffers, compiled.memory.offsets, strict=True):
            assert offset % ALIGNMENT == 0
            assert 0 <= offset <= compiled.memory.arena_bytes - buffer.bytes
        for port in (*compiled.graph.inputs, *compiled.graph.outputs):
            assert compiled.memory.tensor_offsets[port] % ALIGNMENT == 0
