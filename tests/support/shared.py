"""The MLPerf Tiny models and data that lie beside the checkout; tests that need them skip without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["MLPERF_TFLITE", "SHARED", "data_file", "model_file"]

# TINYGEN_SHARED helps where the checkout lies elsewhere (a worktree, an installed wheel under test).
SHARED = Path(os.environ.get("TINYGEN_SHARED") or Path(__file__).resolve().parents[3] / "shared")

MLPERF_TFLITE = {
    "kws": "keyword_spotting/kws_int8.tflite",
    "vww": "visual_wake_words/vww_96_int8.tflite",
    "ic": "image_classification/pretrainedResnet_quant.tflite",
    "ad": "anomaly_detection/ad01_int8.tflite",
}


def model_file(name: str) -> Path:
    """Path of a shared model: a key of ``MLPERF_TFLITE`` or a path below ``models/``; skips the test if absent."""
    return _existing(SHARED / "models" / MLPERF_TFLITE.get(name, name))


def data_file(name: str) -> Path:
    """Path of a shared data file, such as ``kws01.npz``; skips the test if absent."""
    return _existing(SHARED / "data" / name)


def _existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"needs {path.relative_to(SHARED)} in {SHARED} (set TINYGEN_SHARED to the folder that has it)")
    return path
