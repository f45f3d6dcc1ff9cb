"""Conversion through the child process, as the pipeline calls it; slow, since each child imports TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pytest
from tflite_micro import runtime

from tinygen.convert import Conversion, to_int8
from tinygen.load import SourceKind, detect
from tinygen.load.dataset import Dataset, load_dataset

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


def int8_accuracy(conversion: Conversion, labels: Any) -> float:
    """Share of samples that TensorFlow Lite Micro classifies rightly."""
    interpreter = runtime.Interpreter.from_bytes(conversion.tflite)
    parameters = interpreter.get_input_details(0)["quantization_parameters"]
    scale, zero = parameters["scales"][0], parameters["zero_points"][0]
    right = 0
    for x, label in zip(conversion.inputs[0], labels, strict=True):
        interpreter.set_input(np.clip(np.round(x / scale) + zero, -128, 127).astype(np.int8)[None], 0)
        interpreter.invoke()
        right += int(interpreter.get_output(0).argmax() == label)
    return right / len(labels)


def test_digits_example_trains_and_converts(tmp_path: Path) -> None:
    train = ROOT / "examples" / "digits" / "train.py"
    done = subprocess.run([sys.executable, str(train), str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    data = load_dataset(tmp_path / "digits.npz")
    assert data.inputs[0].shape == (450, 8, 8, 1) and data.labels is not None
    steps: list[str] = []
    without_channel = Dataset((data.inputs[0][..., 0],), data.y, data.path)
    conversion = to_int8(tmp_path / "digits.keras", SourceKind.KERAS3, without_channel, on_progress=steps.append)
    assert conversion.notes == () and len(steps) == 4 and steps[-1] == "quantizing on 256 samples"
    assert conversion.inputs[0].shape == (450, 8, 8, 1)
    assert conversion.float_outputs is not None
    assert (conversion.float_outputs[0].argmax(1) == data.labels).mean() >= 0.95
    assert int8_accuracy(conversion, data.labels) >= 0.95


def random_samples(*shape: int, low: float = 0.0, high: float = 1.0) -> Dataset:
    x = np.random.default_rng(0).uniform(low, high, (32, *shape)).astype(np.float32)
    return Dataset((x,), None, "random")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the MLPerf Tiny models (../shared/models) are not here")
@pytest.mark.parametrize(
    ("model", "data", "largest_bytes"),
    [
        ("keyword_spotting/kws_ref_model", None, 54_000),
        ("visual_wake_words/vww_96.h5", random_samples(96, 96, 3), 334_000),
        ("image_classification/pretrainedResnet.h5", random_samples(32, 32, 3, high=255.0), 99_000),
        ("anomaly_detection/ad01.h5", random_samples(640, low=-3.0, high=3.0), 279_000),
    ],
    ids=["kws", "vww", "ic", "ad"],
)
def test_mlperf_tiny_models(model: str, data: Dataset | None, largest_bytes: int) -> None:
    path = SHARED / "models" / model
    data = data or load_dataset(SHARED / "data" / "kws01.npz")
    conversion = to_int8(path, detect(path), data, calibration_samples=32)
    assert conversion.notes == () and len(conversion.tflite) <= largest_bytes
    assert runtime.Interpreter.from_bytes(conversion.tflite).get_input_details(0)["dtype"] is np.int8
    if data.labels is not None:
        assert conversion.float_outputs is not None
        assert (conversion.float_outputs[0].argmax(1) == data.labels).mean() == pytest.approx(0.911, abs=0.001)
        assert int8_accuracy(conversion, data.labels) >= 0.90
