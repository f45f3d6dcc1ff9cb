"""Packed biases and factors: unpacked to exactly what they were, and every kernel computes the same with them."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.coded_layers import LAYERS, WEIGHTS, draw, in_packed_form, packed_candidates
from support.host_runner import assert_exact, compile_model, random_vectors
from support.native import call_kernel

from tinygen.forms.channel_codes import HEADER, KERNEL, SOURCES, Channels, _decoder
from tinygen.forms.decoding import Decoder
from tinygen.ir import Call, Constant, View
from tinygen.lower.requantize import quantize_multiplier

NATIVE = 8
CHANNELS = 50


@pytest.mark.parametrize("weights", ["zeros", "few_values"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("number", range(3))
def test_equals_reference(layer: str, weights: str, number: int, tmp_path: Path) -> None:
    tflite = draw(layer, weights, np.random.default_rng([81, number]))
    assert_exact(tflite, tmp_path, seed=number, transform=partial(in_packed_form, number))


@pytest.mark.parametrize("layer", LAYERS)
def test_equals_portable_kernel_also_in_place(layer: str) -> None:
    """Every candidate computes what the call that it replaces does, ``lead`` bytes before its input, too."""
    met: Counter[str] = Counter()
    for number in range(NATIVE):
        weights = list(WEIGHTS)[number % len(WEIGHTS)]
        compiled = compile_model(draw(layer, weights, np.random.default_rng([82, number])))
        (call,), graph = compiled.program.calls, compiled.graph
        source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        (x,) = random_vectors(graph, np.random.default_rng(number), 1)[0]
        expected = np.zeros(target.bytes, np.int8)
        call_kernel(call, [np.ascontiguousarray(x), expected])
        for candidate in packed_candidates(call, graph):
            (packed,) = candidate.calls
            met[candidate.form] += 1
            lead = packed.lead.get(0, target.bytes)
            arena = np.full(lead + max(source.bytes, target.bytes), 0x5A, np.int8)
            into = arena[lead : lead + source.bytes]
            into[:] = x.reshape(-1)
            call_kernel(packed, [into, arena])
            assert np.array_equal(arena[: target.bytes], expected), f"{number} {candidate.form}"
    assert len(met) >= 2, met


def channels(scales: np.ndarray, factor: float, bias: np.ndarray, *, paired: bool) -> Channels:
    """As lowering makes them of the scales of weights and a factor that the layer has in common."""
    rescales = [quantize_multiplier(float(s) * factor) for s in scales]
    multiplier, shift = (np.array([getattr(r, name) for r in rescales]) for name in ("multiplier", "shift"))
    return Channels(bias.astype(np.int64), multiplier, shift, {}, paired)


def unpacked(decoder: Decoder) -> np.ndarray:
    out = np.zeros(decoder.bytes, np.int8)
    call_kernel(Call(0, KERNEL, HEADER, SOURCES, (), (View(0),), decoder.params), [out])
    return out


def assert_unpacks(packed: Channels, scale: float | None) -> int:
    """The fraction's bits; every constant comes out as it was."""
    decoder = _decoder(packed, None if scale is None else Fraction(scale))
    assert decoder is not None
    out = unpacked(decoder)
    if packed.paired:
        words = out.view(np.int32).reshape(-1, 2)
        assert np.array_equal(words[:, 0], packed.multiplier)
        assert np.array_equal(words[:, 1], packed.bias * 256 - packed.shift - 1)
    else:
        count = len(packed.bias)
        bias, multiplier = out[: 8 * count].view(np.int32).reshape(2, count)
        assert np.array_equal(bias, packed.bias)
        assert np.array_equal(multiplier, packed.multiplier)
        assert np.array_equal(out[8 * count :], packed.shift)
    return int(str(decoder.params["fraction_bits"]))


@pytest.mark.parametrize("paired", [False, True])
def test_factors_of_float_scales_take_their_fractions(paired: bool) -> None:
    rng = np.random.default_rng(5)
    bits = Counter[int]()
    for _ in range(100):
        scales = np.exp(rng.uniform(-9, -3, CHANNELS)).astype(np.float32)
        factor = float(np.exp(rng.uniform(-3, 0)))
        bias = rng.integers(-(1 << 22), 1 << 22, CHANNELS)
        bits[assert_unpacks(channels(scales, factor, bias, paired=paired), factor)] += 1
    assert bits[23] >= 98


@pytest.mark.parametrize("scale", [None, 0.37])
@pytest.mark.parametrize("bits", [1, 15, 16, 23, 24, 29])
@pytest.mark.parametrize("shifts", [(0, 0), (-31, 0), (-31, 30)])
def test_any_factors_and_extreme_biases(scale: float | None, bits: int, shifts: tuple[int, int]) -> None:
    """Multipliers that no float makes, both ends of their range, of shifts and of biases."""
    rng = np.random.default_rng(6)
    bias = rng.integers(-(1 << bits), 1 << bits, CHANNELS)
    bias[:2] = -(1 << bits), (1 << bits) - 1
    multiplier = rng.integers(1 << 30, 1 << 31, CHANNELS)
    multiplier[:2] = 1 << 30, (1 << 31) - 1
    shift = rng.integers(shifts[0], shifts[1] + 1, CHANNELS)
    shift[:2] = shifts
    assert assert_unpacks(Channels(bias, multiplier, shift, {}, paired=False), scale) == 30


@pytest.mark.parametrize(
    ("multiplier", "bias"),
    [
        pytest.param(0, 0, id="a factor of 0"),
        pytest.param(1 << 30, 1 << 29, id="a bias of more than 30 bits"),
        pytest.param(1 << 30, -(1 << 31), id="the lowest bias"),
    ],
)
def test_what_stays_plain(multiplier: int, bias: int) -> None:
    one = Channels(np.array([bias]), np.array([multiplier]), np.array([-5]), {}, paired=False)
    assert _decoder(one, Fraction(1)) is None


def test_bytes_of_a_stream() -> None:
    """23 + 2 + 17 bits of 64 channels, and at most a word behind them."""
    rng = np.random.default_rng(7)
    scales = rng.uniform(1, 8, 64).astype(np.float32) / 2048
    bias = rng.integers(-(1 << 16), 1 << 16, 64)
    decoder = _decoder(channels(scales, 0.5, bias, paired=False), Fraction(0.5))
    assert decoder is not None and isinstance(decoder.params["codes"], Constant)
    assert 0 <= decoder.params["codes"].data.nbytes - 64 * (23 + 2 + 17) / 8 <= 4
