"""One bad Keras input for each error, through the public way in: class, exit code, message, hint."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import pytest

from tinygen.convert import to_int8
from tinygen.errors import DataError, ModelError, TinygenError, ToolError, UnsupportedError
from tinygen.load import SourceKind, detect
from tinygen.load.dataset import Dataset

DATA = Dataset((np.random.default_rng(0).uniform(size=(8, 3)).astype(np.float32),), None, "samples.npz")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)
    return path


def convert(path: Path, data: Dataset | None = DATA, **options: Any) -> TinygenError:
    """The error that conversion ends with."""
    with pytest.raises(TinygenError) as caught:
        to_int8(path, detect(path), data, **options)
    return caught.value


def test_no_data(model: Path) -> None:
    error = convert(model, None)
    assert isinstance(error, DataError) and error.exit_code == 2
    assert "--data" in error.hint and "numpy.savez" in error.hint


def test_tflite_needs_no_conversion(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="converted already"):
        to_int8(tmp_path / "m.tflite", SourceKind.TFLITE, DATA)


@pytest.mark.slow
def test_data_of_another_shape(model: Path) -> None:
    error = convert(model, Dataset((np.zeros((8, 4), np.float32),), None, "samples.npz"))
    assert isinstance(error, DataError) and "[4]" in error.message and "m.keras takes [3]" in error.message


@pytest.mark.slow
def test_lambda_layer(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1, name="plus")]).save(path)
    error = convert(path)
    assert isinstance(error, ModelError) and error.exit_code == 2
    assert error.details == ('layer "plus" (Lambda): carries Python code',) and "--allow-custom-code" in error.hint


@pytest.mark.slow
def test_operator_without_a_tflite_form(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.ops.cumprod(keras.ops.erfinv(inputs), axis=1)).save(path)
    error = convert(path)
    assert isinstance(error, UnsupportedError) and error.exit_code == 2
    assert "Erfinv" in error.message and "loc(" not in str(error)


@pytest.mark.slow
def test_model_that_claims_absurd_sizes(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge.keras"
    with zipfile.ZipFile(model) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b'"units": 2,', b'"units": 100000000000,'))
    error = convert(path)
    assert isinstance(error, ModelError | ToolError) and error.exit_code in (2, 5)
    assert "huge.keras" in error.message


@pytest.mark.slow
def test_converter_that_takes_too_long(model: Path) -> None:
    error = convert(model, time_limit=0.5)
    assert isinstance(error, ToolError) and error.exit_code == 5 and "0.5 s" in error.message


@pytest.mark.slow
def test_converter_that_crashes(model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A module of this name earlier on the path stands for TensorFlow dying.
    (tmp_path / "tensorflow.py").write_text("import os\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    error = convert(model)
    assert isinstance(error, ToolError) and error.exit_code == 5
    assert "SIGABRT" in error.message and "pass the .tflite" in error.hint
