"""``tinygen build model.tflite --recipe``: compressed without training, then as any other build."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from support.cli import tinygen
from support.digits import digits
from support.firmware import needs_arm_gcc, needs_qemu

pytestmark = [needs_arm_gcc, needs_qemu]

DIGITS = Path(__file__).resolve().parents[1] / "models" / "digits_int8.tflite"
RECIPE = """
validation = 0.2
[[step]]
kind = "sensitivity"
samples = 30
sparsity = []
[[step]]
kind = "round_cluster"
bits = 2.0
"""


def test_build(tmp_path: Path) -> None:
    (tmp_path / "digits.tflite").write_bytes(DIGITS.read_bytes())
    (tmp_path / "mine.toml").write_text(RECIPE)
    np.savez(tmp_path / "data.npz", x=digits().inputs[0][:200])  # no labels
    env = {"TINYGEN_CACHE": str(tmp_path / "cache")}
    arguments = ("build", "digits.tflite", "--board", "stm32f4", "--data", "data.npz", "--recipe", "mine.toml")
    done = tinygen(*arguments, "--vectors", "all", "--no-cycles", "--out", "out", cwd=tmp_path, env=env)
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    compression = report["compression"]
    assert (compression["recipe"], compression["metric"], compression["samples"]) == ("mine", "agreement", 40)
    assert [step["kind"] for step in compression["steps"]] == ["sensitivity", "ptq", "round_cluster"]
    assert "3 round_cluster" in done.out and "3 round_cluster" in (tmp_path / "out" / "report.html").read_text()
    assert report["validation"]["bit_exact"] and report["validation"]["vectors"] == 40
    # Agreement is with the model before compression, which is no float model.
    agreement = report["metrics"]["agreement"]
    assert agreement["float"] is None
    assert agreement["board"] == agreement["int8"] == compression["steps"][-1]["after"] < 1
    assert not (tmp_path / "out" / "digits.keras").exists()
    assert "<svg" in (tmp_path / "out" / "sensitivity.html").read_text()


def test_build_without_samples(tmp_path: Path) -> None:
    (tmp_path / "digits.tflite").write_bytes(DIGITS.read_bytes())
    env = {"TINYGEN_CACHE": str(tmp_path / "cache")}
    arguments = ("build", "digits.tflite", "--board", "stm32f4", "--recipe", "cluster", "--no-cycles", "--json")
    done = tinygen(*arguments, cwd=tmp_path, env=env)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["validation"]["bit_exact"] and report["validation"]["vectors_from"] == "random"
    assert report["compression"]["steps"][-1]["after"] is None
    assert any("no floor was judged" in note for note in report["notes"])
