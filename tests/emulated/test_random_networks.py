"""Whole random networks in every mode as a Cortex-M4 executes them, against the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.band_networks import draw_layers, in_forced_bands
from support.chain_networks import draw_network
from support.emulated_models import EmulatedCase, differences
from support.firmware import needs_arm_gcc, needs_qemu
from support.host_runner import compile_model, random_vectors
from support.view_networks import draw_view_network

from tinygen.forms import Mode, Target, choose
from tinygen.ir import Program

pytestmark = [pytest.mark.slow, needs_arm_gcc, needs_qemu]

DSP = Target(dsp=True)
NETWORKS: dict[str, Callable[[np.random.Generator], bytes]] = {
    "chain": draw_network,
    "views": draw_view_network,
    "bands": draw_layers,
}
NETWORKS_OF_A_KIND = 5


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_mode_equals_the_reference(kind: str, tmp_path: Path) -> None:
    """One image for all networks and modes, with random and extreme inputs."""
    cases = [case(kind, mode, number) for number in range(NETWORKS_OF_A_KIND) for mode in Mode]
    assert len({call.kernel for c in cases for call in c.compiled.program.calls}) >= 10
    assert differences(cases, tmp_path) == []


def case(kind: str, mode: Mode, number: int) -> EmulatedCase:
    """A random network in one mode, with two random vectors, the extremes and their alternations.

    Networks of bands compute every pair of layers that can be so in bands, whatever it costs.
    """

    rng = np.random.default_rng([808, number])

    def transform(program: Program) -> Program:
        choice = in_forced_bands(program, mode, rng) if kind == "bands" else choose(program, DSP, mode)
        return choice.program

    name = f"{kind}{number}_{mode.value}"
    tflite = NETWORKS[kind](rng)
    compiled = compile_model(tflite, name=name, transform=transform, optimize=number % 2 > 0)
    return EmulatedCase(name, compiled, tflite, random_vectors(compiled.graph, np.random.default_rng(number), 2))
