"""Counts are exact: if flash, RAM or instructions of a benchmark grow by more than 2 %, somebody must mean it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.firmware import needs_arm_gcc, needs_qemu
from support.shared import model_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@needs_arm_gcc
@needs_qemu
def test_nothing_got_worse() -> None:
    model_file("kws")  # skips where the models are not there
    finished = subprocess.run(
        [sys.executable, ROOT / "scripts" / "bench.py", "--check"],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr[-2000:]
