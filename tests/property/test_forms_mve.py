"""The forms for Helium, run as portable C: exact, also in place. Their vectors are tested on an emulated core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support import conv_layers, fast_layers
from support.conv_layers import in_form
from support.host_runner import assert_exact, compile_model, random_vectors
from support.native import call_kernel

from tinygen.forms import Candidate, Target, forms_for
from tinygen.ir import Call, Graph

TARGET = Target(dsp=True, mve=True)
LAYERS = {**conv_layers.LAYERS, **fast_layers.LAYERS}
KINDS = ("direct", "ring", "strip", "taps", "dense", "add", "pool")
SANITIZED = 3
NATIVE = 40


def candidates(call: Call, graph: Graph, target: Target = TARGET) -> Iterator[Candidate]:
    for form in forms_for(call.kernel):
        yield from (c for c in form.candidates(call, graph, target) if c.form == "mve")


@pytest.mark.parametrize("number", range(SANITIZED))
@pytest.mark.parametrize("kind", KINDS)
def test_equals_reference(kind: str, number: int, tmp_path: Path) -> None:
    tflite = LAYERS[kind](np.random.default_rng([71, number]))
    assert_exact(tflite, tmp_path, seed=number, transform=partial(in_form, "mve"))


@pytest.mark.parametrize("kind", KINDS)
def test_equals_portable_kernel_also_in_place(kind: str) -> None:
    """Every candidate computes what the call that it replaces does, ``lead`` bytes before its input, too."""
    met: Counter[str] = Counter()
    for number in range(NATIVE):
        compiled = compile_model(LAYERS[kind](np.random.default_rng([72, number])))
        (call,), graph = compiled.program.calls, compiled.graph
        size = graph.tensors[graph.outputs[0]].bytes
        for vector in random_vectors(graph, np.random.default_rng(number), 2):
            inputs = [np.ascontiguousarray(x).reshape(-1) for x in vector]
            expected = np.zeros(size, np.int8)
            call_kernel(call, [*inputs, expected])
            for candidate in candidates(call, graph):
                (fast,) = candidate.calls
                met[fast.kernel] += 1
                actual = np.zeros(size, np.int8)
                call_kernel(fast, [*inputs, actual])
                assert np.array_equal(actual, expected), f"{kind} {number}"
                for over, lead in fast.lead.items():
                    for distance in (lead, lead + 1, lead + 5):
                        actual = _overlapping(fast, inputs, over, distance, size)
                        assert np.array_equal(actual, expected), f"{kind} {number} lead {distance}"
    assert sum(met.values()) > 2 * NATIVE, f"the layers met too few forms: {dict(met)}"


def _overlapping(call: Call, inputs: list[np.ndarray], over: int, distance: int, size: int) -> np.ndarray:
    """The output when it starts ``distance`` bytes before one of the inputs."""
    arena = np.full(distance + max(inputs[over].size, size), 0x5A, np.int8)
    arguments = list(inputs)
    arguments[over] = arena[distance : distance + inputs[over].size]
    arguments[over][:] = inputs[over]
    call_kernel(call, [*arguments, arena])
    return arena[:size]


@pytest.mark.parametrize("kind", KINDS)
def test_only_where_the_core_has_it(kind: str) -> None:
    compiled = compile_model(LAYERS[kind](np.random.default_rng(1)))
    for call in compiled.program.calls:
        assert not list(candidates(call, compiled.graph, Target(dsp=True)))
