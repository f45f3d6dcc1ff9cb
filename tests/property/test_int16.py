"""Operators over 16-bit activations in generated C against the reference interpreter, on random models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from strategies_int16 import GENERATORS, draw_unary
from support.host_runner import assert_exact, compile_model, random_vectors
from support.model_builder import ModelBuilder
from support.native import call_kernel

from tinygen.ir import Alias
from tinygen.oracle import InProcessOracle

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# `pytest --graphs 1000 tests/property/test_int16.py` runs more.
GRAPHS = {kind: 20 if kind in LAYERS else 5 for kind in GENERATORS}
OVERLAPS = 20

ALL_VALUES = np.arange(-32768, 32768).astype(np.int16)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        count = metafunc.config.getoption("--graphs")
        metafunc.parametrize(("kind", "number"), [(k, n) for k in GENERATORS for n in range(count or GRAPHS[k])])


def test_equals_reference(kind: str, number: int, tmp_path: Path) -> None:
    """With the exact graph passes and without: none of those for bytes may touch 16-bit operators."""
    tflite = GENERATORS[kind](np.random.default_rng([16, number]))
    assert_exact(tflite, tmp_path, seed=number, optimize=number % 2 > 0)


@pytest.mark.parametrize("kind", ["LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH"])
def test_function_equals_reference_for_every_input(kind: str) -> None:
    """All 65,536 inputs, for many scales."""
    for number in range(12):
        tflite = draw_unary(np.random.default_rng([17, number]), kind, ALL_VALUES.shape)
        (call,) = compile_model(tflite).program.calls
        output = np.zeros(ALL_VALUES.shape, np.int16)
        call_kernel(call, [ALL_VALUES.view(np.int8), output.view(np.int8)])
        expected = np.asarray(InProcessOracle(tflite).run(ALL_VALUES)[0]).reshape(-1)
        assert np.array_equal(output, expected), f"{kind} {number}"


def test_softmax_equals_reference_over_the_whole_of_its_tables() -> None:
    """Rows of two values at every distance: every exponential, and most of the sums of two."""
    distances = np.arange(0, 65536, 7)
    rows = np.stack([np.full_like(distances, 32767), 32767 - distances], axis=1).astype(np.int16)
    for scale in (10.0 / 65535.0, 1e-5, 1.5):
        b = ModelBuilder()
        x = b.input(rows.shape, "int16", scale=float(np.float32(scale)))
        b.output(b.op("SOFTMAX", [x], shape=rows.shape, dtype="int16", scale=1 / 32768, options={"beta": 1.0}))
        tflite = b.build()
        (call,) = compile_model(tflite).program.calls
        output = np.zeros(rows.shape, np.int16)
        call_kernel(call, [rows.view(np.int8), output.view(np.int8)])
        assert np.array_equal(output, np.asarray(InProcessOracle(tflite).run(rows)[0]))


@pytest.mark.parametrize("kind", GENERATORS)
def test_output_may_overlap_input_by_lead(kind: str) -> None:
    """A kernel whose output begins ``lead`` bytes before an operand computes the same."""
    for number in range(OVERLAPS):
        compiled = compile_model(GENERATORS[kind](np.random.default_rng([18, number])))
        graph = compiled.graph
        for step in compiled.program.steps:
            if isinstance(step, Alias):
                continue
            constants = {v.tensor: graph.tensors[v.tensor].data for v in step.inputs}
            (vector, *_) = random_vectors(graph, np.random.default_rng(number), 1)
            values = dict(zip(graph.inputs, vector, strict=True))
            operands = [
                np.ascontiguousarray(values.get(v.tensor, constants[v.tensor])).reshape(-1).view(np.int8)
                for v in step.inputs
            ]
            apart = np.zeros(graph.tensors[step.outputs[0].tensor].bytes, np.int8)
            call_kernel(step, [*operands, apart])
            for position, lead in step.lead.items():
                arena = np.zeros(lead + max(operands[position].size, apart.size), np.int8)
                inside = arena[lead : lead + operands[position].size]
                inside[:] = operands[position]
                call_kernel(step, [*(inside if i == position else o for i, o in enumerate(operands)), arena])
                assert np.array_equal(arena[: apart.size], apart), f"{kind} {number}"


def test_softmax_of_a_long_row(tmp_path: Path) -> None:
    """Sums of thousands of exponentials."""
    b = ModelBuilder()
    x = b.input((1, 20000), "int16", scale=1e-5)
    b.output(b.op("SOFTMAX", [x], shape=(1, 20000), dtype="int16", scale=1 / 32768, options={"beta": 1.0}))
    assert_exact(b.build(), tmp_path)
