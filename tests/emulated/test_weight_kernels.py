"""Encoded weights and channels as a Cortex-M4 decodes them: assembly and intrinsics against the reference."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.coded_layers import LAYERS, WEIGHTS, draw, in_coded_form, in_packed_form
from support.emulated_models import EmulatedCase, differences
from support.firmware import needs_arm_gcc, needs_qemu
from support.host_runner import Transform, compile_model, random_vectors

pytestmark = [needs_arm_gcc, needs_qemu]

LAYERS_OF_A_KIND = 4


@pytest.mark.parametrize("optimization", ["-O2", "-Os"])
def test_equals_reference(optimization: str, tmp_path: Path) -> None:
    cases = [
        case(layer, weights, number, partial(in_coded_form, number))
        for layer in LAYERS
        for weights in WEIGHTS
        for number in range(LAYERS_OF_A_KIND)
    ]
    assert len(kernels(cases)) >= 8
    assert differences(cases, tmp_path, optimization) == []


@pytest.mark.parametrize("optimization", ["-O2", "-Os"])
def test_packed_channels_equal_reference(optimization: str, tmp_path: Path) -> None:
    cases = [
        case(layer, list(WEIGHTS)[number % len(WEIGHTS)], number, partial(in_packed_form, number))
        for layer in LAYERS
        for number in range(2 * LAYERS_OF_A_KIND)
    ]
    assert len({kernel for kernel in kernels(cases) if "tg_unpack_channels" in kernel}) >= 8
    assert differences(cases, tmp_path, optimization) == []


def kernels(cases: list[EmulatedCase]) -> set[str]:
    return {c.compiled.program.calls[0].kernel for c in cases}


def case(layer: str, weights: str, number: int, transform: Transform) -> EmulatedCase:
    """A random layer in one of its forms, with a random vector and an extreme one."""
    name = f"{layer}_{weights}_{number}"
    tflite = draw(layer, weights, np.random.default_rng([61, number]))
    compiled = compile_model(tflite, name=name, transform=transform)
    vectors = random_vectors(compiled.graph, np.random.default_rng(number), 1)
    return EmulatedCase(name, compiled, tflite, [vectors[0], vectors[1 + number % 4]])
