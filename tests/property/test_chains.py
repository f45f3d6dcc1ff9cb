"""Whole random networks in generated C against the reference interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.chain_networks import Int16NetworkBuilder, draw_network
from support.host_runner import assert_exact

# `pytest --graphs 1000 tests/property/test_chains.py` runs more.
GRAPHS = 60


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    count = metafunc.config.getoption("--graphs") or GRAPHS
    shared = "int16" in metafunc.function.__name__  # the arena's rules are the same: fewer networks show them
    metafunc.parametrize("number", range(-(-count // 4) if shared else count))


def test_network_equals_reference(number: int, tmp_path: Path) -> None:
    """Two of three networks pass through the exact graph passes, as in the product; the others do not."""
    assert_exact(draw_network(np.random.default_rng([2026, number])), tmp_path, seed=number, optimize=number % 3 > 0)


def test_int16_network_equals_reference(number: int, tmp_path: Path) -> None:
    """The same over 16-bit activations."""
    tflite = draw_network(np.random.default_rng([2027, number]), Int16NetworkBuilder)
    assert_exact(tflite, tmp_path, seed=number, optimize=number % 3 > 0)
