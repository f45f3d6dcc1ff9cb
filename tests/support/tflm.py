"""Built TensorFlow Lite Micros for tests: ``TINYGEN_TFLM`` names checkouts, exported trees or libraries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinygen.board import load_board
from tinygen.build import Tflm, find_tflm
from tinygen.errors import ToolError

__all__ = ["library"]

_PLACES = [Path(place) for place in os.environ.get("TINYGEN_TFLM", "").split(os.pathsep) if place]


def library(board: str, kernels: str) -> Tflm:
    """The first one that was compiled for the board's own core and has such kernels; skips the test without one.

    Args:
        kernels: ``CMSIS-NN`` or ``reference``.
    """
    cpu = load_board(board).cpu
    for place in _PLACES:
        try:
            found = find_tflm(place, cpu)
        except ToolError:  # a library for another board
            continue
        if found.is_made_for_core and kernels in found.title:
            return found
    pytest.skip(f"TINYGEN_TFLM names no TensorFlow Lite Micro with {kernels} kernels for the {cpu.core} of {board}")
