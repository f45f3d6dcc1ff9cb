"""Random layers whose weights have few values, or many zeros, as compression makes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from support import conv_layers, fast_layers
from tinygen.compress.int8 import int8_weights
from tinygen.forms import Candidate, Target, forms_for
from tinygen.forms.channel_codes import with_packed_channels
from tinygen.ir import Call, Graph, Program

__all__ = [
    "LAYERS",
    "WEIGHTS",
    "coded_candidates",
    "draw",
    "in_coded_form",
    "in_packed_form",
    "packed_candidates",
]

Rng = np.random.Generator
Matrix = NDArray[np.int8]

LAYERS: dict[str, Callable[[Rng], bytes]] = {
    "direct": conv_layers.draw_direct,
    "ring": conv_layers.draw_ring,
    "strip": fast_layers.draw_strip,
    "taps": fast_layers.draw_taps,
    "dense": fast_layers.draw_dense,
}


def few_values(matrix: Matrix, rng: Rng) -> Matrix:
    """2 to 16 values of the whole tensor, with -128 now and then."""
    table = rng.integers(-128 if rng.random() < 0.2 else -127, 128, int(rng.integers(2, 17)))
    return rng.choice(table, matrix.shape).astype(np.int8)


def few_values_a_channel(matrix: Matrix, rng: Rng) -> Matrix:
    """2 to 8 values in each output channel."""
    count = int(rng.integers(2, 9))
    return np.stack([rng.choice(rng.integers(-127, 128, count), len(c)) for c in matrix.T], axis=1).astype(np.int8)


def multiples(matrix: Matrix, rng: Rng) -> Matrix:
    """A factor times -8 to 7."""
    return (rng.integers(-8, 8, matrix.shape) * rng.integers(1, 16)).astype(np.int8)


def multiples_a_channel(matrix: Matrix, rng: Rng) -> Matrix:
    """A factor of each output channel times -8 to 7."""
    return (rng.integers(-8, 8, matrix.shape) * rng.integers(1, 16, matrix.shape[1])).astype(np.int8)


def zeros(matrix: Matrix, rng: Rng) -> Matrix:
    """Any values, most of them zero."""
    return np.where(rng.random(matrix.shape) < rng.uniform(0.5, 1.0), 0, matrix).astype(np.int8)


def zeros_and_few_values(matrix: Matrix, rng: Rng) -> Matrix:
    return zeros(few_values(matrix, rng), rng)


def two_of_four(matrix: Matrix, rng: Rng) -> Matrix:
    """At most two of four successive inputs are not zero."""
    kept = np.argsort(rng.random((-(-len(matrix) // 4), 4, matrix.shape[1])), axis=1) < 2
    return np.where(kept.reshape(-1, matrix.shape[1])[: len(matrix)], matrix, 0).astype(np.int8)


WEIGHTS: dict[str, Callable[[Matrix, Rng], Matrix]] = {
    f.__name__: f
    for f in (
        few_values,
        few_values_a_channel,
        multiples,
        multiples_a_channel,
        zeros,
        zeros_and_few_values,
        two_of_four,
    )
}


def draw(layer: str, weights: str, rng: Rng) -> bytes:
    """A layer of this kind with weights of that kind."""
    content = bytearray(LAYERS[layer](rng))
    (stored,) = int8_weights(content)
    stored.write(WEIGHTS[weights](stored.matrix, rng))
    return bytes(content)


def coded_candidates(call: Call, graph: Graph) -> list[Candidate]:
    """The ways to compute a call from encoded weights."""
    found = [c for f in forms_for(call.kernel) for c in f.candidates(call, graph, Target(dsp=True))]
    return [c for c in found if "+" in c.form or c.form in ("lut4", "steps4")]


def in_coded_form(number: int, program: Program) -> Program:
    """The program with every call in one of its coded forms, where it has any."""
    steps = []
    for step in program.steps:
        found = coded_candidates(step, program.graph) if isinstance(step, Call) else []
        steps += found[number % len(found)].calls if found else [step]
    return Program(program.graph, tuple(steps))


def packed_candidates(call: Call, graph: Graph) -> list[Candidate]:
    """The ways to compute a call whose channels' constants are packed; of coded weights, too."""
    forms = [c for f in forms_for(call.kernel) for c in f.candidates(call, graph, Target(dsp=True))]
    packed = [with_packed_channels(c, graph) for c in (Candidate("portable", (call,), 0), *forms)]
    return [c for c in packed if c is not None]


def in_packed_form(number: int, program: Program) -> Program:
    """The program with the channels of every call packed, where they can be."""
    steps = []
    for step in program.steps:
        found = packed_candidates(step, program.graph) if isinstance(step, Call) else []
        steps += found[number % len(found)].calls if found else [step]
    return Program(program.graph, tuple(steps))
