"""Which copies are left out, and which must stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.host_runner import Compiled, compile_model
from support.model_builder import ModelBuilder, Output

from tinygen.errors import InternalError
from tinygen.forms import Target
from tinygen.forms.selection import options_of
from tinygen.ir import Alias, Program
from tinygen.plan import plan

SAME = {"scale": 0.1, "zero_point": 0}
JOIN = {"axis": 1, "fused_activation_function": 0}


class Rows(ModelBuilder):
    """Networks of int8 tensors [1, rows, 4, 2] or [1, rows, 1, columns] of one quantization."""

    def rows(self, count: int) -> int:
        return self.input((1, count, 4, 2), **SAME)

    def tanh(self, tensor: int, rows: int) -> int:
        return self.op("LEAKY_RELU", [tensor], shape=(1, rows, 4, 2), options={"alpha": 0.3}, **SAME)

    def join(self, tensors: Sequence[int], rows: int, axis: int = 1) -> int:
        shape = (1, rows, 4, 2) if axis == 1 else (1, rows, 4, 2 * len(tensors))
        return self.op("CONCATENATION", list(tensors), shape=shape, options={**JOIN, "axis": axis}, **SAME)

    def split(self, tensor: int, rows: Sequence[int]) -> list[int]:
        inputs = [tensor, self.constant(np.array(rows, np.int32)), self.constant(np.int32(1))]
        outputs = [Output((1, n, 4, 2), **SAME) for n in rows]
        return self.op_multi("SPLIT_V", inputs, outputs, options={"num_splits": len(rows)})

    def compiled(self, *outputs: int) -> Compiled:
        self.output(*outputs)
        return compile_model(self.build())


def kernels(compiled: Compiled) -> list[str]:
    return [call.kernel.removeprefix("tg_") for call in compiled.program.calls]


def offsets(compiled: Compiled, *tensors: int) -> list[int]:
    """From the first one's place in the arena."""
    places = [compiled.memory.tensor_offsets[t] for t in tensors]
    return [p - places[0] for p in places]


def test_pieces_are_read_where_they_lie() -> None:
    b = Rows()
    whole = b.rows(5)
    first, second, third = b.split(whole, [1, 3, 1])
    compiled = b.compiled(b.tanh(second, 3), b.tanh(first, 1), b.tanh(third, 1))
    assert kernels(compiled) == ["lookup"] * 3
    assert offsets(compiled, whole, first, second, third) == [0, 0, 8, 32]


def test_parts_are_written_where_they_belong() -> None:
    b = Rows()
    x = b.rows(2)
    first, second = b.tanh(x, 2), b.tanh(x, 2)
    joined = b.join([first, second], 4)
    compiled = b.compiled(b.tanh(joined, 4))
    assert kernels(compiled) == ["lookup"] * 3
    assert offsets(compiled, joined, first, second) == [0, 0, 16]
    assert compiled.memory.arena_bytes == 48  # x and both parts; with copies, the joined tensor comes on top


def test_a_model_input_is_a_part() -> None:
    b = Rows()
    x, y = b.rows(1), b.rows(2)
    joined = b.join([x, y], 3)
    compiled = b.compiled(joined)
    assert kernels(compiled) == []
    assert offsets(compiled, joined, x, y) == [0, 0, 8]


def test_a_tensor_is_in_one_place_only() -> None:
    b = Rows()
    part = b.tanh(b.rows(2), 2)
    twice = b.join([part, part], 4)
    compiled = b.compiled(b.tanh(twice, 4))
    assert kernels(compiled) == ["lookup", "copy_blocks", "lookup"]
    assert offsets(compiled, twice, part) == [0, 0]


def test_overlapping_joins_keep_a_copy() -> None:
    """The tensor behind ``shared`` can't be two at once."""
    b = Rows()
    shared, one, other = (b.tanh(b.rows(2), 2) for _ in range(3))
    joins = [b.join([shared, behind], 4) for behind in (one, other)]
    assert kernels(b.compiled(*(b.tanh(j, 4) for j in joins))).count("copy_blocks") == 1


def test_channels_are_copied() -> None:
    b = Rows()
    x = b.rows(2)
    compiled = b.compiled(b.tanh(x, 2), b.join([b.tanh(x, 2), b.tanh(x, 2)], 2, axis=3))
    assert kernels(compiled).count("copy_blocks") == 2


def test_constants_are_copied_into_what_is_computed() -> None:
    b = Rows()
    part = b.tanh(b.rows(2), 2)
    constant = b.constant(np.zeros((1, 2, 4, 2), np.int8), scales=0.1, zero_points=0)
    assert kernels(b.compiled(b.join([constant, part], 4))) == ["lookup", "copy_blocks"]


def test_outputs_of_the_model_are_aligned() -> None:
    b = ModelBuilder()
    x = b.input((1, 6), **SAME)
    begin, size = b.constant(np.array([0, 3], np.int32)), b.constant(np.array([1, 3], np.int32))
    piece = b.op("SLICE", [x, begin, size], shape=(1, 3), options={}, **SAME)
    b.output(piece)
    assert kernels(compile_model(b.build())) == ["copy_blocks"]


def dense_on_a_piece(start: int) -> Program:
    """FULLY_CONNECTED on eight values of sixteen, from ``start`` on."""
    b = ModelBuilder()
    x = b.input((1, 16), **SAME)
    begin, size = b.constant(np.array([0, start], np.int32)), b.constant(np.array([1, 8], np.int32))
    piece = b.op("SLICE", [x, begin, size], shape=(1, 8), options={}, **SAME)
    weights = b.constant(np.arange(-16, 16, dtype=np.int8).reshape(4, 8), scales=0.02)
    b.output(b.op("FULLY_CONNECTED", [piece, weights], shape=(1, 4), scale=0.3, zero_point=0))
    program = compile_model(b.build()).program
    assert [type(step) for step in program.steps[:-1]] == [Alias]
    return program


@pytest.mark.parametrize(("start", "offered"), [(4, True), (5, False)])
def test_a_form_that_reads_words_is_not_offered_odd_addresses(start: int, offered: bool) -> None:
    (candidates,) = options_of(dense_on_a_piece(start), Target(dsp=True)).values()
    assert ("pair8_direct" in {c.form for c in candidates}) is offered
    assert "pair8" in {c.form for c in candidates}


def test_the_planner_refuses_such_a_form() -> None:
    program, odd = dense_on_a_piece(4), dense_on_a_piece(5)
    (candidates,) = options_of(program, Target(dsp=True)).values()
    (direct,) = [c.calls[0] for c in candidates if c.form == "pair8_direct"]
    plan(Program(program.graph, (program.steps[0], direct)))
    with pytest.raises(InternalError, match="can't read"):
        plan(Program(odd.graph, (odd.steps[0], direct)))


def test_contradicting_aliases_are_an_internal_error() -> None:
    b = Rows()
    x = b.rows(2)
    program = b.compiled(b.tanh(x, 2)).program
    (call,) = program.calls
    target = call.outputs[0].tensor
    with pytest.raises(InternalError, match="contradict"):
        plan(Program(program.graph, (Alias(0, x, target), Alias(0, x, target, 8))))
