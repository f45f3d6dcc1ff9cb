"""The fast forms of convolution as a Cortex-M4 executes them: assembly and intrinsics against the reference."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.conv_layers import LAYERS, in_form
from support.emulated_models import EmulatedCase, differences
from support.firmware import needs_arm_gcc, needs_qemu
from support.host_runner import compile_model, random_vectors

pytestmark = [needs_arm_gcc, needs_qemu]

LAYERS_OF_A_KIND = 12


@pytest.mark.parametrize("optimization", ["-O2", "-Os"])  # unrolled more and less
def test_equals_reference(optimization: str, tmp_path: Path) -> None:
    cases = [
        case(kind, form, number)
        for kind in LAYERS
        for form in ("int16", "pair8", "winograd")
        for number in range(LAYERS_OF_A_KIND)
        if form != "winograd" or kind == "winograd"
    ]
    assert len({c.compiled.program.calls[0].kernel for c in cases}) >= 5
    assert differences(cases, tmp_path, optimization) == []


def case(kind: str, form: str, number: int) -> EmulatedCase:
    """A random layer in one form, with a random vector and an extreme one."""
    name = f"{kind}_{form}_{number}"
    tflite = LAYERS[kind](np.random.default_rng([41, number]))
    compiled = compile_model(tflite, name=name, transform=partial(in_form, form))
    vectors = random_vectors(compiled.graph, np.random.default_rng(number), 1)
    return EmulatedCase(name, compiled, tflite, [vectors[0], vectors[1 + number % 4]])
