"""Pairs of layers computed in bands of rows: exact for all kernels, forms and heights, and worth it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.band_networks import draw_layers, in_forced_bands
from support.host_runner import HostModel, assert_equals_reference, compile_model, random_vectors
from support.memory_check import replay
from support.model_builder import ModelBuilder
from support.poison import PoisonedModel

from tinygen.forms import Mode, Target, choose

GRAPHS = 24
DSP = Target(dsp=True)


@pytest.mark.parametrize("number", range(GRAPHS))
def test_bands_equal_the_reference(number: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([717, number])
    tflite = draw_layers(rng)
    mode = list(Mode)[number % 4]
    compiled = compile_model(tflite, transform=lambda p: in_forced_bands(p, mode, rng).program)
    replay(compiled)
    vectors = random_vectors(compiled.graph, rng, 2)
    runner = PoisonedModel if number % 2 else HostModel
    assert_equals_reference(runner(compiled, tmp_path), tflite, vectors)


def test_most_networks_have_bands() -> None:
    """Or else the test above would show nothing."""
    kernels: list[str] = []
    for number in range(GRAPHS):
        rng = np.random.default_rng([717, number])
        compiled = compile_model(
            draw_layers(rng), transform=lambda p, n=number, r=rng: in_forced_bands(p, list(Mode)[n % 4], r).program
        )
        kernels += [call.kernel for call in compiled.program.calls if call.parts]
    assert len(kernels) >= GRAPHS // 2
    assert len(set(kernels)) >= 8


def mobile_block() -> bytes:
    """VWW's peak: a pointwise layer from 8 to 16 channels at 48x48, then a depthwise one of stride 2."""
    rng = np.random.default_rng(0)
    b = ModelBuilder()
    x = b.input((1, 48, 48, 8), scale=0.1, zero_point=-128)
    pointwise = b.constant(rng.integers(-127, 128, (16, 1, 1, 8)).astype(np.int8), scales=0.01)
    depthwise = b.constant(rng.integers(-127, 128, (1, 3, 3, 16)).astype(np.int8), scales=0.01)
    steps = {"padding": 0, "fused_activation_function": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    wide = b.op(
        "CONV_2D",
        [x, pointwise],
        shape=(1, 48, 48, 16),
        scale=0.1,
        zero_point=-128,
        options={"stride_h": 1, "stride_w": 1, **steps},
    )
    b.output(
        b.op(
            "DEPTHWISE_CONV_2D",
            [wide, depthwise],
            shape=(1, 24, 24, 16),
            scale=0.1,
            zero_point=-128,
            options={"stride_h": 2, "stride_w": 2, "depth_multiplier": 1, **steps},
        )
    )
    return b.build()


def test_the_expanded_tensor_never_exists(tmp_path: Path) -> None:
    """18,432 bytes of input and a band instead of 36,864 for the tensor between; exact on extreme inputs, too."""
    tflite = mobile_block()
    compiled = compile_model(tflite, transform=lambda p: choose(p, DSP, Mode.RAM).program)
    (call,) = compiled.program.calls
    assert len(call.parts) > 2
    assert compiled.memory.arena_bytes < 22_000
    assert compiled.package.files["src/m.c"].count(b"static const tg_conv_direct_int16_t") <= 3  # equal structs are one
    vectors = random_vectors(compiled.graph, np.random.default_rng(1), 2)
    assert_equals_reference(PoisonedModel(compiled, tmp_path), tflite, vectors)


@pytest.mark.parametrize("mode", [Mode.SPEED, Mode.SIZE])
def test_speed_and_flash_are_not_spent(mode: Mode) -> None:
    compiled = compile_model(mobile_block(), transform=lambda p: choose(p, DSP, mode).program)
    assert len(compiled.program.calls) == 2
