"""Random networks of layers that can compute some rows alone, and bands wherever they are possible."""

from __future__ import annotations

from support.chain_networks import NetworkBuilder, Rng
from tinygen.forms import Choice, Mode, Target, choose
from tinygen.forms.bands import in_bands, pairs
from tinygen.ir import Program

__all__ = ["draw_layers", "in_forced_bands"]

TARGET = Target(dsp=True)
LAYERS = ("conv", "conv", "depthwise", "depthwise", "pool", "activation")


def draw_layers(rng: Rng) -> bytes:
    """Three to six layers that read windows."""
    network = NetworkBuilder(rng)
    for _ in range(int(rng.integers(3, 7))):
        getattr(network, str(rng.choice(LAYERS)))()
    network.builder.output(network.value.tensor)
    return network.builder.build()


def in_forced_bands(program: Program, mode: Mode, rng: Rng) -> Choice:
    """A choice in which every pair that can be is in bands of some rows."""
    choice = choose(program, TARGET, mode)
    while True:
        ways = [(*pair, rows) for pair in pairs(choice.program) for rows in rng.permutation([1, 2, 3, 5]).tolist()]
        banded = next((c for w in ways if (c := in_bands(choice, program, TARGET, *w)) is not None), None)
        if banded is None:
            return choice
        choice = banded
