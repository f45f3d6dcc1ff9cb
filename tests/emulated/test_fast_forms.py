"""The fast forms of depthwise and dense layers, sums and pools as a Cortex-M4 executes them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.conv_layers import in_form
from support.emulated_models import EmulatedCase, differences
from support.fast_layers import LAYERS
from support.firmware import needs_arm_gcc, needs_qemu
from support.host_runner import compile_model, random_vectors

pytestmark = [needs_arm_gcc, needs_qemu]

LAYERS_OF_A_KIND = 14
FORMS = (
    ("strip", "int16"),
    ("strip", "int8"),
    ("strip", "int8_cached"),
    ("taps", "taps"),
    ("taps", "taps_int8"),
    ("dense", "pair8"),
    ("dense", "pair8_direct"),
    ("add", "linear"),
    ("pool", "packed"),
    ("mean", "packed"),
)


@pytest.mark.parametrize("optimization", ["-O2", "-Os"])
def test_equals_reference(optimization: str, tmp_path: Path) -> None:
    cases = [case(kind, form, number) for kind, form in FORMS for number in range(LAYERS_OF_A_KIND)]
    kernels = {call.kernel for c in cases for call in c.compiled.program.calls}
    assert len({k for k in kernels if k.endswith(("16", "8", "direct", "taps", "linear", "packed", "pixels"))}) >= 8
    assert differences(cases, tmp_path, optimization) == []


def case(kind: str, form: str, number: int) -> EmulatedCase:
    """A random layer in one form, with a random vector and an extreme one."""
    name = f"{kind}_{form}_{number}"
    tflite = LAYERS[kind](np.random.default_rng([61, number]))
    compiled = compile_model(tflite, name=name, transform=partial(in_form, form))
    vectors = random_vectors(compiled.graph, np.random.default_rng(number), 1)
    return EmulatedCase(name, compiled, tflite, [vectors[0], vectors[1 + number % 4]])
