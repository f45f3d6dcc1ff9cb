"""Whole random networks in generated C against the reference interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.chain_networks import draw_network
from support.host_runner import assert_exact

# `pytest --graphs 1000 tests/property/test_chains.py` runs more.
GRAPHS = 60


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    count = metafunc.config.getoption("--graphs") or GRAPHS
    metafunc.parametrize("number", range(count))


def test_network_equals_reference(number: int, tmp_path: Path) -> None:
    """Two of three networks pass through the exact graph passes, as in the product; the others do not."""
    assert_exact(draw_network(np.random.default_rng([2026, number])), tmp_path, seed=number, optimize=number % 3 > 0)
