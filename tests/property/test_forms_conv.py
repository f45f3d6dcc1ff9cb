"""The fast forms of convolution, run as portable C: equal to the reference, in place, and only where proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.conv_layers import LAYERS, in_form
from support.host_runner import assert_exact, compile_model, random_vectors
from support.native import call_kernel

from tinygen.forms import Candidate, Target, forms_for
from tinygen.forms.packing import Filters, pack_int16, pack_pair8
from tinygen.ir import Call, Graph

TARGET = Target(dsp=True)
FORMS = ("int16", "pair8", "winograd")
SANITIZED = 4
NATIVE = 60


def candidates(call: Call, graph: Graph) -> Iterator[Candidate]:
    for form in forms_for(call.kernel):
        yield from form.candidates(call, graph, TARGET)


@pytest.mark.parametrize("number", range(SANITIZED))
@pytest.mark.parametrize(
    ("kind", "form"), [(kind, form) for kind in LAYERS for form in FORMS if form != "winograd" or kind == "winograd"]
)
def test_equals_reference(kind: str, form: str, number: int, tmp_path: Path) -> None:
    tflite = LAYERS[kind](np.random.default_rng([31, number]))
    assert_exact(tflite, tmp_path, seed=number, transform=lambda program: in_form(form, program))


@pytest.mark.parametrize("kind", LAYERS)
def test_equals_portable_kernel_also_in_place(kind: str) -> None:
    """Every candidate computes what the call that it replaces does, ``lead`` bytes before its input, too."""
    met: Counter[str] = Counter()
    for number in range(NATIVE):
        compiled = compile_model(LAYERS[kind](np.random.default_rng([32, number])))
        (call,), graph = compiled.program.calls, compiled.graph
        source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        for (x,) in random_vectors(graph, np.random.default_rng(number), 2):
            expected = np.zeros(target.bytes, np.int8)
            call_kernel(call, [np.ascontiguousarray(x), expected])
            for candidate in candidates(call, graph):
                (fast,) = candidate.calls
                met[f"{candidate.form} {candidate.reason}"] += 1
                arena = np.full(fast.lead[0] + max(source.bytes, target.bytes), 0x5A, np.int8)
                into = arena[fast.lead[0] : fast.lead[0] + source.bytes]
                into[:] = x.reshape(-1)
                call_kernel(fast, [into, arena])
                assert np.array_equal(arena[: target.bytes], expected), f"{kind} {number} {candidate.form}"
    assert len(met) >= 3, f"the layers met too few forms: {dict(met)}"


def test_lead_is_needed() -> None:
    """Somewhere a byte less changes the output, so ``lead`` is not generous where it matters."""
    tight = 0
    for number in range(NATIVE):
        compiled = compile_model(LAYERS["direct"](np.random.default_rng([33, number])))
        (call,), graph = compiled.program.calls, compiled.graph
        source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        x = np.random.default_rng(number).integers(-128, 128, source.bytes, dtype=np.int8)
        for candidate in candidates(call, graph):
            (fast,) = candidate.calls
            if fast.lead[0] == 0:
                continue
            apart, arena = (
                np.zeros(target.bytes, np.int8),
                np.zeros(fast.lead[0] + max(source.bytes, target.bytes), np.int8),
            )
            call_kernel(fast, [x, apart])
            into = arena[fast.lead[0] - 1 : fast.lead[0] - 1 + source.bytes]
            into[:] = x
            call_kernel(fast, [into, arena])
            tight += not np.array_equal(arena[: target.bytes], apart)
    assert tight > 0


def layer(
    weights: list[list[int]], bias: int = 0, exponent: int = 7, zero_point: int = -128, low: int = -128
) -> Filters:
    """Filters with one bias and one factor."""
    w = np.array(weights, np.int64)
    b, m, e = (np.full(len(w), v, np.int64) for v in (bias, 1 << 30, exponent))
    smallest = np.minimum(w * -128, w * 127).sum(axis=1) + b
    largest = np.maximum(w * -128, w * 127).sum(axis=1) + b
    return Filters(w, b, m, e, zero_point, low, 127, smallest, largest)


ORDER = np.arange(4)
WEIGHTS = [[100, -100, 50, 7], [-127, 127, 1, 0]]


def test_forms_that_fit() -> None:
    short, pair = pack_int16(layer(WEIGHTS), ORDER), pack_pair8(layer(WEIGHTS), ORDER)
    assert short and pair
    assert (short.requantize, pair.requantize) == (0, -255)
    assert short.stream.size == 4 + 4 + 4  # biases twice, one step of two filters, two factors each
    assert (pair.stream.size, pair.constants.size) == (2, 4)  # one step; two multipliers, two biases with exponents


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"exponent": 12}, id="an exponent that needs more than the immediate shift"),
        pytest.param({"exponent": 4}, id="an exponent whose scale doesn't fit the weights"),
        pytest.param({"zero_point": 3}, id="negative sums that are not clamped away"),
        pytest.param({"bias": 1 << 25}, id="a bias that overflows when scaled"),
    ],
)
def test_general_requantization_where_the_short_one_fails(change: dict[str, int]) -> None:
    packed = pack_int16(layer(WEIGHTS, **change), ORDER)
    assert packed and packed.requantize == 1


def test_no_form_without_proof() -> None:
    assert pack_int16(layer(WEIGHTS, exponent=0, zero_point=0), ORDER) is None  # ties of an absent second rounding
    assert pack_int16(layer(WEIGHTS, exponent=23), ORDER) is None
    assert pack_int16(layer(WEIGHTS, bias=1 << 30), ORDER) is None
    assert pack_pair8(layer(WEIGHTS, bias=1 << 23), ORDER) is None  # shares its word with the exponent
    assert pack_pair8(layer([[1] * 4, [-128] * 4]), ORDER) is not None
    assert pack_pair8(layer([[-1] * 4, [-128] * 4]), ORDER) is None  # -1 - 128 * 256 takes 17 bits
    assert pack_pair8(layer(WEIGHTS, exponent=0), ORDER) is None


def test_no_dsp_no_form() -> None:
    compiled = compile_model(LAYERS["direct"](np.random.default_rng(1)))
    (call,) = compiled.program.calls
    assert not [c for form in forms_for(call.kernel) for c in form.candidates(call, compiled.graph, Target())]
