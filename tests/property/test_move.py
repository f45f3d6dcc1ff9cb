"""Operators that move and reduce elements, in generated C against the reference interpreter, on random models."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from strategies_move import GENERATORS
from support.host_runner import Compiled, assert_exact, compile_model
from support.native import call_kernel

from tinygen.ir import Call, Constant, Param

GRAPHS = 10
OVERLAPS = 12
# Kinds that never become code need fewer.
FEW = {"RESHAPE": 4, "SQUEEZE": 4, "EXPAND_DIMS": 4}
CASES = [(kind, number) for kind in GENERATORS for number in range(FEW.get(kind, GRAPHS))]


def draw(kind: str, number: int) -> bytes:
    return GENERATORS[kind](np.random.default_rng([zlib.crc32(kind.encode()), number]))


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_equals_reference(kind: str, number: int, tmp_path: Path) -> None:
    assert_exact(draw(kind, number), tmp_path, seed=number)


@pytest.mark.parametrize("kind", GENERATORS)
def test_output_may_overlap_input_by_lead(kind: str) -> None:
    """A kernel whose output begins exactly ``lead`` bytes before its input computes the same."""
    for number in range(OVERLAPS):
        compiled = compile_model(draw(kind, number))
        for call in calls_with_lead(compiled):
            source, target = (compiled.graph.tensors[v[0].tensor] for v in (call.inputs, call.outputs))
            read, written = call.inputs[0].offset, call.outputs[0].offset
            data = np.random.default_rng(number).integers(-128, 128, source.bytes).astype(np.int8)
            apart = np.zeros(target.bytes, np.int8)
            call_kernel(call, [data[read:], apart[written:]])
            arena = np.zeros(call.lead[0] + max(source.bytes, target.bytes), np.int8)
            arena[call.lead[0] :][: source.bytes] = data
            call_kernel(call, [arena[call.lead[0] + read :], arena[written:]])
            done = apart != 0  # what the call does not write is zero here, and the input's there
            assert np.array_equal(arena[: target.bytes][done], apart[done]), f"{kind} {number}"


@pytest.mark.parametrize("kind", GENERATORS)
def test_no_copy_overwrites_what_is_unread(kind: str) -> None:
    """With the output ``lead`` bytes before the input, a block meets neither its source nor a later one."""
    for number in range(OVERLAPS):
        for call in calls_with_lead(compile_model(draw(kind, number))):
            if call.kernel == "tg_copy_blocks":
                moves = np.array(list(copied_blocks(call)))
                block = int(str(call.params["block"]))
                low, high = moves[:, 1] - call.lead[0], moves[:, 1] - call.lead[0] + block
                for i in range(len(moves)):
                    unread = moves[i + (block == 1) :, 0]
                    assert np.all((unread + block <= low[i]) | (high[i] <= unread)), f"{kind} {number}"


def calls_with_lead(compiled: Compiled) -> Iterator[Call]:
    return (call for call in compiled.program.calls if call.lead)


def copied_blocks(call: Call) -> Iterator[tuple[int, int]]:
    """(byte read, byte written) of each block in order, from the loop table by its definition."""
    rows = table(call.params["loop"])
    at = [call.inputs[0].offset, call.outputs[0].offset]
    counts = [row[0] for row in reversed(rows)]
    previous: tuple[int, ...] | None = None
    for turn in itertools.product(*map(range, counts)):
        if previous is not None and turn[:-1] != previous[:-1]:  # an outer loop moved on
            moved = next(i for i, (a, b) in enumerate(zip(turn, previous, strict=True)) if a != b)
            _, step_in, step_out = rows[len(rows) - 1 - moved]
            at = [at[0] + step_in, at[1] + step_out]
        previous = turn
        yield at[0] + turn[-1] * rows[0][1], at[1] + turn[-1] * rows[0][2]


def table(param: Param) -> list[tuple[int, int, int]]:
    assert isinstance(param, Constant)
    return [(int(c), int(i), int(o)) for c, i, o in param.data.reshape(-1, 3).tolist()]
