"""The forms for Helium as a Cortex-M55 executes them: assembly and intrinsics against the reference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from support import conv_layers, fast_layers
from support.cli import tinygen
from support.conv_layers import in_form
from support.emulated_models import CORTEX_M55, EmulatedCase, differences
from support.firmware import needs_arm_gcc, needs_qemu
from support.host_runner import compile_model, random_vectors
from support.shared import model_file

pytestmark = [needs_arm_gcc, needs_qemu]

LAYERS = {**conv_layers.LAYERS, **fast_layers.LAYERS}
# Kind of layer -> the kernels that it may get.
KERNELS = {
    "direct": ("tg_conv_direct_mve", "tg_conv_direct_mve_relu"),
    "ring": ("tg_conv_ring_mve", "tg_conv_ring_mve_relu"),
    "strip": ("tg_depthwise_3x3_mve", "tg_depthwise_3x3_mve_relu"),
    "taps": ("tg_depthwise_3x3_stride_2_mve",),
    "dense": ("tg_fully_connected_mve",),
    "add": ("tg_add_linear_mve",),
    "pool": ("tg_average_pool_2d_mve", "tg_max_pool_2d_mve"),
}
LAYERS_OF_A_KERNEL = 7


@pytest.mark.parametrize("optimization", ["-O2", "-Os"])
def test_equals_reference(optimization: str, tmp_path: Path) -> None:
    cases = [case for kind, kernels in KERNELS.items() for kernel in kernels for case in layers(kind, kernel)]
    assert differences(cases, tmp_path, optimization, machine=CORTEX_M55) == []


def layers(kind: str, kernel: str) -> Iterator[EmulatedCase]:
    """The first random layers that get the kernel, each with a random vector and an extreme one."""
    found = 0
    for number in count():
        name = f"{kernel}_{number}"
        tflite = LAYERS[kind](np.random.default_rng([81, number]))
        compiled = compile_model(tflite, name=name, transform=partial(in_form, "mve"))
        if any(call.kernel == kernel for call in compiled.program.calls):
            vectors = random_vectors(compiled.graph, np.random.default_rng(number), 1)
            yield EmulatedCase(name, compiled, tflite, [vectors[0], vectors[1 + number % 4]])
            found += 1
            if found == LAYERS_OF_A_KERNEL:
                return
        assert number < 100 * LAYERS_OF_A_KERNEL, f"hardly any {kind} gets {kernel}"


def test_keywords_take_a_third_of_what_dsp_instructions_take(tmp_path: Path) -> None:
    """That is, of 2.29 million on a Cortex-M4."""
    arguments = ("--board", "mps3-an547", "--optimize", "speed", "--no-cycles", "--out", "out", "--json")
    done = tinygen("build", model_file("kws"), *arguments, cwd=tmp_path)
    assert done.code == 0, done.err
    validation = json.loads(done.out)["validation"]
    assert validation["bit_exact"]
    assert validation["instructions_per_inference"] <= 763_000
