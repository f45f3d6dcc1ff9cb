"""Networks full of dead parts and idle operators, through all passes, in generated C against the reference."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from strategies_passes import draw_dying_network
from support.host_runner import assert_exact

from tinygen.load.tflite import read_graph
from tinygen.optimize import PASSES, optimize

# `pytest --graphs 1000 tests/property/test_passes.py` runs more.
GRAPHS = 60


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(metafunc.config.getoption("--graphs") or GRAPHS))


def test_optimized_network_equals_reference(number: int, tmp_path: Path) -> None:
    assert_exact(draw_dying_network(np.random.default_rng([3, number])), tmp_path, seed=number, optimize=True)


def test_every_pass_has_work() -> None:
    """Each pass changes many of these networks, so that the test above is one of all of them."""
    busy: Counter[str] = Counter()
    for number in range(GRAPHS):
        tflite = draw_dying_network(np.random.default_rng([3, number]))
        graph = read_graph(tflite, source="test.tflite", name="m")
        for name, run in PASSES:
            before, graph = graph, run(graph)
            busy[name] += graph is not before
        again, _ = optimize(graph)
        assert len(again.ops) <= len(graph.ops)
    assert set(busy) == {name for name, _ in PASSES}
    assert min(busy[name] for name, _ in PASSES if name != "remove_unused") >= 5, busy
