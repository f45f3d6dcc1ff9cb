"""Generated C for operators that move and reduce elements equals TensorFlow Lite Micro, bit for bit."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.property.strategies_move import GENERATORS
from tests.support.host_runner import assert_exact

GRAPHS = 12


@pytest.mark.parametrize("number", range(GRAPHS))
@pytest.mark.parametrize("kind", sorted(GENERATORS))
def test_equals_the_oracle(kind: str, number: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([zlib.crc32(kind.encode()), number])
    assert_exact(GENERATORS[kind](rng), tmp_path, seed=number)
