"""Outputs stay right when all memory that nobody needs any more is spoilt after every operator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.chain_networks import draw_network
from support.host_runner import assert_equals_reference, compile_model, random_vectors
from support.poison import PoisonedModel
from support.shared import MLPERF_TFLITE, model_file
from support.view_networks import draw_view_network

from tinygen.forms import Mode, Target, choose
from tinygen.ir import Program

DSP = Target(dsp=True)
NETWORKS = {"chain": draw_network, "views": draw_view_network}
GRAPHS = 15


def assert_survives(tflite: bytes, folder: Path, mode: Mode | None, seed: int, *, optimize: bool) -> None:
    def transform(program: Program) -> Program:
        return program if mode is None else choose(program, DSP, mode).program

    compiled = compile_model(tflite, transform=transform, optimize=optimize)
    vectors = random_vectors(compiled.graph, np.random.default_rng(seed), 2)
    assert_equals_reference(PoisonedModel(compiled, folder), tflite, vectors)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("number", range(GRAPHS))
def test_random_networks(kind: str, number: int, tmp_path: Path) -> None:
    """As lowered and in each mode, with and without the exact passes."""
    tflite = NETWORKS[kind](np.random.default_rng([606, number]))
    assert_survives(tflite, tmp_path, [None, *Mode][number % 5], number, optimize=number % 2 > 0)


@pytest.mark.slow
@pytest.mark.parametrize("mode", Mode, ids=lambda m: m.value)
@pytest.mark.parametrize("name", MLPERF_TFLITE)
def test_mlperf_models(name: str, mode: Mode, tmp_path: Path) -> None:
    assert_survives(model_file(name).read_bytes(), tmp_path, mode, 0, optimize=True)


def test_the_probe_spoils_and_notices(tmp_path: Path) -> None:
    """Told that all tensors lie eight bytes further on than they do, it spoils what is needed."""
    tflite = draw_network(np.random.default_rng([606, 10]))
    compiled = compile_model(tflite)
    offsets = {t: o + 8 for t, o in compiled.memory.tensor_offsets.items()}
    misled = replace(compiled, memory=replace(compiled.memory, tensor_offsets=offsets))
    vectors = random_vectors(compiled.graph, np.random.default_rng(0), 2)
    with pytest.raises(AssertionError, match=r"is not its own|values differ"):
        assert_equals_reference(PoisonedModel(misled, tmp_path), tflite, vectors)
