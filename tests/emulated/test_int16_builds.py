"""16-bit activations with int8 weights on emulated boards: random networks, and the recipe from model to firmware."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.chain_networks import Int16NetworkBuilder, draw_network
from support.cli import tinygen
from support.digits import digits, digits_model
from support.emulated_models import EmulatedCase, differences
from support.firmware import needs_arm_gcc, needs_qemu
from support.host_runner import compile_model, random_vectors

pytestmark = [pytest.mark.slow, needs_arm_gcc, needs_qemu]

NETWORKS = 6


def test_networks_equal_the_reference(tmp_path: Path) -> None:
    cases = [_case(number) for number in range(NETWORKS)]
    assert len({call.kernel for c in cases for call in c.compiled.program.calls}) >= 10
    assert differences(cases, tmp_path) == []


def _case(number: int) -> EmulatedCase:
    tflite = draw_network(np.random.default_rng([809, number]), Int16NetworkBuilder)
    compiled = compile_model(tflite, name=f"int16_{number}", optimize=number % 2 > 0)
    return EmulatedCase(
        f"int16_{number}", compiled, tflite, random_vectors(compiled.graph, np.random.default_rng(number), 2)
    )


def test_recipe_from_keras_to_boards(tmp_path: Path) -> None:
    """The digits network on a Cortex-M4, which is then built for a core that faults at unaligned addresses."""
    digits_model().save(tmp_path / "digits.h5")
    np.savez(tmp_path / "digits.npz", x=digits().inputs[0], y=digits().y)
    common = ("--data", "digits.npz", "--vectors", "20", "--json")
    done = tinygen(
        "build", "digits.h5", "--board", "stm32f4", "--recipe", "int16x8", "--out", "m4", *common, cwd=tmp_path
    )
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["validation"]["bit_exact"], report["validation"]["vectors"]) == (True, 20)
    assert report["accuracy"]["board"] >= report["accuracy"]["float"] - 0.05
    assert "int16_t *digits_input_0" in (tmp_path / "m4/digits/include/digits.h").read_text()
    tflite = next((tmp_path / "m4").rglob("*.tflite"))
    done = tinygen("build", str(tflite), "--board", "microbit", "--out", "m0", *common, cwd=tmp_path)
    assert done.code == 0, done.err
    assert json.loads(done.out)["validation"]["bit_exact"]
