"""The MLPerf Tiny models on the emulated board: from Keras and from int8, every bit, and less than TFLM needs."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import tinygen
from support.firmware import needs_arm_gcc, needs_qemu
from support.shared import data_file, model_file

pytestmark = [pytest.mark.slow, needs_arm_gcc, needs_qemu]

# Flash and RAM with stack of TensorFlow Lite Micro with CMSIS-NN, int8 kernels only, on the same chip.
TFLM = {"kws": (106_684, 24_332), "vww": (386_068, 102_220), "ic": (149_048, 56_508), "ad": (304_388, 3_940)}
KERAS = {
    "kws": "keyword_spotting/kws_ref_model",
    "vww": "visual_wake_words/vww_96.h5",
    "ic": "image_classification/pretrainedResnet.h5",
    "ad": "anomaly_detection/ad01.h5",
}
# Shape and range of a sample: pixels as each model was trained on them, log mel energies for AD.
SAMPLES = {"vww": ((96, 96, 3), 0, 1), "ic": ((32, 32, 3), 0, 255), "ad": ((640,), -40, 10)}


def samples(name: str, folder: Path) -> Path:
    if name == "kws":
        return data_file("kws01.npz")
    shape, low, high = SAMPLES[name]
    x = np.random.default_rng(0).uniform(low, high, (40, *shape)).astype(np.float32)
    np.savez(folder / "data.npz", x=x)
    return folder / "data.npz"


def build(model: Path, folder: Path, *arguments: str) -> dict[str, Any]:
    done = tinygen("build", model, "--board", "stm32f4", "--out", "out", "--json", *arguments, cwd=folder)
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.parametrize("name", KERAS)
def test_from_keras(name: str, tmp_path: Path) -> None:
    report = build(model_file(KERAS[name]), tmp_path, "--data", str(samples(name, tmp_path)))
    assert report["validation"]["bit_exact"]
    assert report["validation"]["vectors"] >= 20
    assert report["ram"]["total"] <= 128 * 1024


@pytest.mark.parametrize("name", TFLM)
def test_from_int8_needs_less_than_tflm(name: str, tmp_path: Path) -> None:
    report = build(model_file(name), tmp_path)
    flash, ram = TFLM[name]
    assert report["validation"]["bit_exact"]
    assert report["validation"]["vectors"] >= 20
    assert report["flash"]["total"] < flash
    assert report["ram"]["total"] < ram


def test_keyword_accuracy_on_the_board(tmp_path: Path) -> None:
    report = build(model_file("kws"), tmp_path, "--data", str(data_file("kws01.npz")), "--vectors", "all")
    assert report["validation"]["vectors"] == 700
    assert report["accuracy"]["board"] >= 0.90
    assert report["accuracy"]["board"] == report["accuracy"]["int8"]


def test_build_of_keywords_is_quick(tmp_path: Path) -> None:
    """Emulation included, under 15 s of the processors' time: other tests may run beside this one."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    build(model_file("kws"), tmp_path, "--data", str(data_file("kws01.npz")))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 15
