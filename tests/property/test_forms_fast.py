"""The fast forms of depthwise and dense layers, sums and pools, run as portable C: exact, also in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.conv_layers import in_form
from support.fast_layers import LAYERS
from support.host_runner import assert_exact, compile_model, random_vectors
from support.native import call_kernel

from tinygen.forms import Candidate, Target, forms_for
from tinygen.ir import Call, Graph

TARGET = Target(dsp=True)
FORMS = {
    "strip": ("int16", "int8", "int8_cached"),
    "taps": ("taps", "taps_int8"),
    "dense": ("pair8", "pair8_direct"),
    "add": ("linear",),
    "pool": ("packed",),
    "mean": ("packed",),
}
SANITIZED = 4
NATIVE = 40


def candidates(call: Call, graph: Graph) -> Iterator[Candidate]:
    for form in forms_for(call.kernel):
        yield from form.candidates(call, graph, TARGET)


@pytest.mark.parametrize("number", range(SANITIZED))
@pytest.mark.parametrize(("kind", "form"), [(kind, form) for kind, forms in FORMS.items() for form in forms])
def test_equals_reference(kind: str, form: str, number: int, tmp_path: Path) -> None:
    tflite = LAYERS[kind](np.random.default_rng([51, number]))
    assert_exact(tflite, tmp_path, seed=number, transform=partial(in_form, form))


@pytest.mark.parametrize("kind", LAYERS)
def test_equals_portable_kernel_also_in_place(kind: str) -> None:
    """Every candidate computes what the call that it replaces does, ``lead`` bytes before its input, too."""
    met: Counter[str] = Counter()
    for number in range(NATIVE):
        compiled = compile_model(LAYERS[kind](np.random.default_rng([52, number])))
        if len(compiled.program.calls) != 1:  # a mean of one pixel
            continue
        (call,), graph = compiled.program.calls, compiled.graph
        target = graph.tensors[graph.outputs[0]]
        for vector in random_vectors(graph, np.random.default_rng(number), 2):
            inputs = [np.ascontiguousarray(x).reshape(-1) for x in vector]
            expected = np.zeros(target.bytes, np.int8)
            call_kernel(call, [*inputs, expected])
            for candidate in candidates(call, graph):
                (fast,) = candidate.calls
                met[f"{candidate.form} {candidate.reason}"] += 1
                actual = np.zeros(target.bytes, np.int8)
                call_kernel(fast, [*inputs, actual])
                assert np.array_equal(actual, expected), f"{kind} {number} {candidate.form}"
                for over, lead in fast.lead.items():
                    for distance in (lead, lead + 1, lead + 5):
                        actual = _overlapping(fast, inputs, over, distance, target.bytes)
                        assert np.array_equal(actual, expected), f"{kind} {number} {candidate.form} lead {distance}"
    assert sum(met.values()) > NATIVE, f"the layers met too few forms: {dict(met)}"


def _overlapping(call: Call, inputs: list[np.ndarray], over: int, distance: int, size: int) -> np.ndarray:
    """The output when it starts ``distance`` bytes before one of the inputs."""
    arena = np.full(distance + max(inputs[over].size, size), 0x5A, np.int8)
    arguments = list(inputs)
    arguments[over] = arena[distance : distance + inputs[over].size]
    arguments[over][:] = inputs[over]
    call_kernel(call, [*arguments, arena])
    return arena[:size]


def test_no_dsp_no_form_but_linear() -> None:
    for kind, draw in LAYERS.items():
        compiled = compile_model(draw(np.random.default_rng(1)))
        found = {
            c.form
            for call in compiled.program.calls
            for form in forms_for(call.kernel)
            for c in form.candidates(call, compiled.graph, Target())
        }
        assert found <= ({"linear"} if kind == "add" else set())
