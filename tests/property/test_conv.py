"""Convolutions and pooling in generated C against the reference interpreter, on random models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from strategies_conv import GENERATORS
from support.host_runner import Vector, assert_exact, compile_model, random_vectors
from support.model_builder import ModelBuilder
from support.native import call_kernel

from tinygen.ir import Call, Graph
from tinygen.load.tflite import read_graph
from tinygen.lower.window import Axis, axes

GRAPHS = 14
OVERLAPS = 30
OVERLAPPING = [kind for kind in GENERATORS if kind != "TRANSPOSE_CONV"]


@pytest.mark.parametrize("number", range(GRAPHS))
@pytest.mark.parametrize("kind", GENERATORS)
def test_equals_reference(kind: str, number: int, tmp_path: Path) -> None:
    tflite = GENERATORS[kind](np.random.default_rng([7, number]))
    graph = read_graph(tflite, source="test.tflite", name="m")
    assert_exact(tflite, tmp_path, vectors=vectors_of(graph, number))


def test_matrix_equals_reference_on_ties(tmp_path: Path) -> None:
    """Sums close to halves of an output, which only a factor of double precision rounds as TFLM does."""
    rng = np.random.default_rng(0)
    for number in range(3):
        source, scale = (float(np.float32(2 ** rng.uniform(-8, -3))) for _ in range(2))
        target = float(np.float32(source * scale * 2.0**21 / rng.uniform(1, 2)))
        halves = np.round((np.arange(-120, 120) + 0.5) * target / (source * scale)).astype(np.int32)
        bias = np.concatenate([halves + d for d in range(-12, 13)])
        b = ModelBuilder()
        x = b.input((1, 1), scale=source)
        weights = b.constant(np.zeros((len(bias), 1), np.int8), scales=[scale])
        arguments = [x, weights, b.constant(bias, scales=[source * scale])]
        b.output(b.op("FULLY_CONNECTED", arguments, shape=(1, len(bias)), scale=target))
        assert_exact(b.build(), tmp_path / str(number), vectors=[(np.zeros((1, 1), np.int8),)])


@pytest.mark.parametrize("kind", OVERLAPPING)
def test_output_may_overlap_input_by_lead(kind: str) -> None:
    """A kernel whose output begins exactly ``lead`` bytes before its input computes the same."""
    for number in range(OVERLAPS):
        graph, call = single_call(kind, number)
        source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        for (x,) in random_vectors(graph, np.random.default_rng(number), 2):
            apart = np.zeros(target.bytes, np.int8)
            call_kernel(call, [np.ascontiguousarray(x), apart])
            arena = np.zeros(call.lead[0] + max(source.bytes, target.bytes), np.int8)
            into = arena[call.lead[0] : call.lead[0] + source.bytes]
            into[:] = x.reshape(-1)
            call_kernel(call, [into, arena])
            assert np.array_equal(arena[: target.bytes], apart), f"{kind} {number}"


@pytest.mark.parametrize("kind", OVERLAPPING)
def test_lead_is_the_smallest_distance(kind: str) -> None:
    """``lead`` is what follows from the order of reading and writing, byte by byte."""
    for number in range(OVERLAPS):
        graph, call = single_call(kind, number)
        assert call.lead[0] == max(slow_lead(graph, call), 0), f"{kind} {number}"


def vectors_of(graph: Graph, seed: int) -> list[Vector]:
    """Random and extreme vectors, all values at their highest included: there, sums are largest."""
    highest = tuple(np.full(graph.tensors[t].shape, 127, np.int8) for t in graph.inputs)
    return [*random_vectors(graph, np.random.default_rng(seed)), highest]


def single_call(kind: str, number: int) -> tuple[Graph, Call]:
    """The graph and the only call of a random model."""
    compiled = compile_model(GENERATORS[kind](np.random.default_rng([8, number])))
    (call,) = compiled.program.calls
    return compiled.graph, call


def slow_lead(graph: Graph, call: Call) -> int:
    """The definition: the maximum of w + 1 - r(w), from a list of what is read and written when."""
    needed = graph.tensors[graph.inputs[0]].bytes
    worst = -(1 << 40)
    for written, reads in reversed(list(events(graph, call))):
        # Going backwards, `needed` is the lowest input byte that is read after this one is written.
        if written is not None:
            worst = max(worst, written + 1 - needed)
        needed = min([needed, *reads])
    return worst


def events(graph: Graph, call: Call) -> Iterator[tuple[int | None, list[int]]]:
    """What a kernel does, in its promised order: (output byte written or None, input bytes read)."""
    (op,) = graph.ops
    source, target = graph.input(op, 0), graph.output(op)
    pooling = op.kind.endswith("POOL_2D")
    kernel = (
        (int(str(op.options["filter_height"])), int(str(op.options["filter_width"])))
        if pooling
        else graph.input(op, 1).shape[1:3]
    )
    height, width = axes(op, source, (kernel[0], kernel[1]), target)
    channels = source.shape[3]
    groups = channels // graph.input(op, 1).shape[3] if op.kind == "CONV_2D" else channels if pooling else 1
    part_in, part_out = channels // groups, target.shape[3] // groups
    position = 0
    for b in range(source.shape[0]):
        for y in range(height.outputs):
            for x in range(width.outputs):
                pixels = [
                    (b * height.size + row) * width.size + column
                    for row in inside(height, y)
                    for column in inside(width, x)
                ]
                for g in range(groups):
                    reads = [p * channels + g * part_in + c for p in pixels for c in range(part_in)]
                    held = reads if call.kernel == "tg_conv_direct" else []
                    yield None, reads
                    for c in range(part_out):
                        yield None, held
                        yield position + c, []
                    position += part_out


def inside(axis: Axis, window: int) -> list[int]:
    """Input positions that a window reads."""
    taps = (window * axis.stride - axis.pad + k * axis.dilation for k in range(axis.kernel))
    return [t for t in taps if 0 <= t < axis.size]
