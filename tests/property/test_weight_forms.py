"""Encoded weights: every encoding is exactly the int8 tensor, and every kernel computes the same with it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.coded_layers import LAYERS, WEIGHTS, coded_candidates, draw, in_coded_form
from support.host_runner import assert_exact, compile_model, random_vectors
from support.native import call_kernel

SANITIZED = 1
NATIVE = 12


@pytest.mark.parametrize("number", range(SANITIZED))
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("layer", LAYERS)
def test_equals_reference(layer: str, weights: str, number: int, tmp_path: Path) -> None:
    tflite = draw(layer, weights, np.random.default_rng([51, number]))
    assert_exact(tflite, tmp_path, seed=number, transform=partial(in_coded_form, number))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("layer", LAYERS)
def test_equals_portable_kernel_also_in_place(layer: str, weights: str) -> None:
    """Every candidate computes what the call that it replaces does, ``lead`` bytes before its input, too."""
    met: Counter[str] = Counter()
    for number in range(NATIVE):
        compiled = compile_model(draw(layer, weights, np.random.default_rng([52, number])))
        (call,), graph = compiled.program.calls, compiled.graph
        source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        for (x,) in random_vectors(graph, np.random.default_rng(number), 1)[:3]:
            expected = np.zeros(target.bytes, np.int8)
            call_kernel(call, [np.ascontiguousarray(x), expected])
            for candidate in coded_candidates(call, graph):
                (coded,) = candidate.calls
                met[candidate.form] += 1
                lead = coded.lead.get(0, target.bytes)
                arena = np.full(lead + max(source.bytes, target.bytes), 0x5A, np.int8)
                into = arena[lead : lead + source.bytes]
                into[:] = x.reshape(-1)
                call_kernel(coded, [into, arena])
                assert np.array_equal(arena[: target.bytes], expected), f"{number} {candidate.form}"
    assert met, "no layer had an encoding"
