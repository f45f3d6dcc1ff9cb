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

from tinygen.forms.weight_codes import Coded, encodings
from tinygen.forms.weight_steps import _steps
from tinygen.ir import Constant

SANITIZED = 1
NATIVE = 16


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
    # A table for each channel takes as much as the channel's nine weights.
    assert met or (layer, weights) == ("strip", "few_values_a_channel"), "no layer had an encoding"


def bits(coded: Coded) -> float:
    """Of flash for each weight, of the codes alone."""
    codes = coded.params["codes"]
    assert isinstance(codes, Constant)
    return 8.0 * (codes.data.size - 7) / WEIGHT_COUNT  # as many bytes may be read behind them


def smallest(values: np.ndarray, **how: bool) -> Coded:
    return encodings(values.astype(np.int64), **how)[0]


WEIGHT_COUNT = 64 * 64
RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        pytest.param(RNG.integers(-8, 8, (64, 64)) * 7, "lut4", 4, id="16 values"),
        pytest.param(RNG.choice([-100, -31, -5, 0, 1, 9, 77], (64, 64)), "lut3", 3, id="7 values"),
        pytest.param(RNG.choice([-100, 0, 1, 77], (64, 64)), "lut2", 2, id="4 values"),
        pytest.param(RNG.choice([-100, 77], (64, 64)), "lut1", 1, id="2 values"),
        pytest.param(np.where(np.arange(4096).reshape(64, 64) % 5 < 3, 0, 1 + RNG.integers(8, size=(64, 64))),
                     "sparse_lut3", 2.2, id="60 % zeros and 8 values"),
        pytest.param(np.where(np.arange(4096).reshape(64, 64) % 4 < 2, 0, 1 + RNG.integers(16, size=(64, 64)) * 7),
                     "sparse_lut4", 3, id="2 of 4, 16 values"),
        pytest.param(np.where(np.arange(4096).reshape(64, 64) % 4 < 2, 0, 1 + np.arange(4096).reshape(64, 64) % 126),
                     "sparse_lut7", 4.5, id="2 of 4, any positive value"),
    ],
)  # fmt: skip
def test_bits_that_are_promised(values: np.ndarray, name: str, expected: float) -> None:
    coded = smallest(values)
    assert coded.name == name
    assert bits(coded) == pytest.approx(expected, abs=0.02)


def test_tables_of_filters() -> None:
    tables = np.stack([RNG.choice(RNG.integers(-127, 128, 4), 64) for _ in range(64)])
    factors = RNG.integers(-2, 2, (64, 64)) * np.arange(1, 65)[:, None]
    assert (smallest(tables, own=True).name, bits(smallest(tables, own=True))) == ("lut2", 2)
    assert (smallest(factors, own=True).name, bits(smallest(factors, own=True))) == ("int2", 2)
    assert smallest(factors, own=True).bytes == 64 * 64 / 4 + 64 + 7


def test_plain_weights_have_no_encoding() -> None:
    weights = RNG.integers(-127, 128, (64, 64))
    assert all(c.bytes > weights.size for c in encodings(weights))


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 1.0])
def test_steps_to_weights_that_are_not_zero(share: float) -> None:
    """A byte for each, one at the end, and one for every 16 zeros at most."""
    weights = np.where(RNG.random((30, 100)) < share, 0, RNG.choice([-9, 5, 88], (30, 100)))
    for row in weights:
        codes = np.where(row == 0, 0, np.abs(row))
        steps = _steps(np.minimum(codes, 15))
        places = np.cumsum((steps >> 4) + 1) - 1
        assert places[-1] == 99
        assert set(np.flatnonzero(row)) <= set(places)
        assert [int(c) for c in steps & 15] == [min(int(c), 15) for c in codes[places]]
        assert steps.size <= np.count_nonzero(row) + 1 + 100 // 16
