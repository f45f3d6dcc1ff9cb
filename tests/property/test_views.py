"""Copies that are left out: what stays exact, what it saves, and where the copy must stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.host_runner import assert_exact, compile_model
from support.view_networks import draw_view_network
from test_choice import DSP

from tinygen.forms import Mode, choose
from tinygen.ir import Program

GRAPHS = 40


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(metafunc.config.getoption("--graphs") or GRAPHS))


def network(number: int) -> bytes:
    return draw_view_network(np.random.default_rng([515, number]))


def test_network_equals_reference(number: int, tmp_path: Path) -> None:
    """Portable kernels, and each mode's choice, which takes alignment into account."""
    mode = [None, *Mode][number % 5]

    def transform(program: Program) -> Program:
        return program if mode is None else choose(program, DSP, mode).program

    assert_exact(network(number), tmp_path, seed=number, transform=transform, optimize=number % 3 > 0)


def test_views_save_calls_and_never_cost_memory() -> None:
    saved = 0
    for number in range(GRAPHS):
        with_views, without = (compile_model(network(number), views=views) for views in (True, False))
        saved += len(without.program.calls) - len(with_views.program.calls)
        assert with_views.memory.arena_bytes <= without.memory.arena_bytes
    assert saved > GRAPHS
