"""Each step of a recipe, from a Keras 3 model to the linked image: bytes are gone from its flash, or work.

What Keras 2 models and the int8 tensors show is in ``tests/unit/test_compress_steps.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.firmware import needs_arm_gcc, needs_qemu

from tinygen.compress.engine import run_recipe
from tinygen.compress.recipe import parse_recipe
from tinygen.forms import Mode
from tinygen.load import detect
from tinygen.load.dataset import Dataset, fit, load_dataset
from tinygen.load.keras import load_tf_keras
from tinygen.pipeline import BuildOptions, ModelOptions, RunOptions, build_model
from tinygen.report import BuildReport

pytestmark = [pytest.mark.slow, needs_arm_gcc, needs_qemu]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits" / "train.py"
FAST = {"epochs": 1, "learning_rate": 1e-3}


@dataclass(frozen=True, eq=False)
class Workshop:
    """The digits example as a user has it, and what is made of it."""

    model: Any
    data: Dataset
    folder: Path

    def build(self, *steps: dict[str, Any]) -> BuildReport:
        """Run a recipe's steps, build the smallest image, and verify it on the emulated board."""
        recipe = parse_recipe({"name": "test", "folder": str(self.folder), "step": list(steps)}, "test")
        outcome = run_recipe(
            self.model,
            self.data,
            recipe,
            source="digits.keras",
            hashes=("digits", "digits"),
            cache=self.folder / "cache",
            resume=True,
            say=lambda text: None,
        )
        assert outcome.missed is None and outcome.state.tflite is not None
        model = self.folder / "model.tflite"
        model.write_bytes(outcome.state.tflite)
        options = BuildOptions(
            model=ModelOptions(model, mode=Mode.SIZE),
            board="stm32f4",
            run=RunOptions(vectors=2),
            out=self.folder / "out",
            cycles=False,
        )
        report = build_model(options, lambda text: None)
        assert report.validation.bit_exact
        return report


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("digits")
    # Keras 3 in a process of its own: where TensorFlow is already imported for tf_keras, there is no other Keras.
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    subprocess.run([sys.executable, EXAMPLE, folder], env=environment, check=True, capture_output=True)
    path = folder / "digits.keras"
    raw = load_dataset(folder / "digits.npz")
    model = load_tf_keras(path, detect(path), sample_shapes=[x.shape[1:] for x in raw.inputs])
    return Workshop(model, fit(raw, [tuple(t.shape[1:]) for t in model.inputs], "digits.keras"), folder)


@pytest.fixture(scope="module")
def plain(workshop: Workshop) -> BuildReport:
    return workshop.build({"kind": "ptq"})


def weights(report: BuildReport) -> int:
    """Bytes that the layers' constants take, in whichever form."""
    return sum(layer.weights_bytes for layer in report.layers)


@pytest.mark.parametrize(
    ("steps", "share", "form"),
    [
        pytest.param([{"kind": "cluster", "values": 16, **FAST}], 0.72, "lut4", id="cluster"),
        pytest.param([{"kind": "cluster", "values": 4, **FAST}], 0.56, "lut2", id="cluster, 4 values"),
        pytest.param([{"kind": "ptq"}, {"kind": "round_cluster", "values": 8}], 0.64, "lut3", id="round_cluster"),
        pytest.param([{"kind": "prune", "sparsity": 0.8, **FAST}], 0.75, "sparse", id="prune"),
        pytest.param([{"kind": "prune", "pattern": "2:4", **FAST}], 0.92, "sparse", id="prune 2:4"),
        pytest.param([{"kind": "lottery", "sparsity": 0.8, "rounds": 1, **FAST}], 0.75, "sparse", id="lottery"),
        pytest.param([{"kind": "rigl", "sparsity": 0.8, **FAST}], 0.75, "sparse", id="rigl"),
        pytest.param([{"kind": "ptq"}, {"kind": "sparsify_int8", "sparsity": 0.8}], 0.75, "sparse", id="sparsify_int8"),
        pytest.param(
            [{"kind": "prune", "sparsity": 0.6, **FAST}, {"kind": "cluster", "values": 8, **FAST}],
            0.60,
            "lut3",
            id="prune, cluster",
        ),
        pytest.param(
            [
                {"kind": "prune", "sparsity": 0.6, **FAST},
                {"kind": "cluster", "values": 8, **FAST},
                {"kind": "qat", **FAST},
            ],
            0.60,
            "lut3",
            id="prune, cluster, qat",
        ),
    ],
)
def test_bytes_are_gone(
    workshop: Workshop, plain: BuildReport, steps: list[dict[str, Any]], share: float, form: str
) -> None:
    report = workshop.build(*steps)
    forms = [layer.form for layer in report.layers]
    assert any(form in taken for taken in forms), forms
    assert weights(report) <= share * weights(plain)
    assert report.flash.total < plain.flash.total


def test_structured_takes_work_and_bytes_away(workshop: Workshop, plain: BuildReport) -> None:
    report = workshop.build({"kind": "structured", "fraction": 0.5, **FAST})
    assert report.model.macs <= 0.45 * plain.model.macs
    assert report.validation.instructions_per_inference <= 0.6 * plain.validation.instructions_per_inference
    assert weights(report) <= 0.6 * weights(plain)
    assert report.flash.total < plain.flash.total


def test_low_rank_takes_macs_and_bytes_away(workshop: Workshop, plain: BuildReport) -> None:
    report = workshop.build({"kind": "low_rank", "budget": 0.5, "energy": 1.0, **FAST})
    assert report.model.macs <= 0.85 * plain.model.macs
    assert weights(report) < weights(plain)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param({"kind": "qat", **FAST}, id="qat"),
        pytest.param({"kind": "finetune", **FAST}, id="finetune"),
        pytest.param({"kind": "distill", **FAST}, id="distill"),
        pytest.param({"kind": "fold_batchnorm"}, id="fold_batchnorm"),
        pytest.param({"kind": "sensitivity"}, id="sensitivity"),
        pytest.param({"kind": "ptq", "activations": "int16"}, id="int16x8"),
    ],
)
def test_steps_that_promise_no_bytes_run_bit_exactly(
    workshop: Workshop, plain: BuildReport, step: dict[str, Any]
) -> None:
    report = workshop.build(step)
    assert report.model.macs == plain.model.macs
    assert np.isclose(weights(report), weights(plain), rtol=0.2)
