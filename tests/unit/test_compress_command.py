"""``tinygen compress`` and ``tinygen build --recipe`` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.cli import tinygen

RECIPE = """
validation = 0.5
[[step]]
kind = "cluster"
values = 8
epochs = 1
[[step]]
kind = "finetune"
epochs = 1
learning_rate = 1e-5
[[step]]
kind = "prune"
sparsity = 0.9
epochs = 0
layers = ["conv"]
max_drop = {floor}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Keras 3 model that nobody trained, unlabelled data, and a recipe whose second half is ruinous."""
    import keras
    from keras import layers

    folder = tmp_path_factory.mktemp("compress")
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.SeparableConv2D(8, 3, name="separable"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(8, 3, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax", name="classes"),
        ]
    )
    model.save(folder / "model.keras")
    np.savez(folder / "data.npz", x=np.random.default_rng(1).normal(size=(80, 8, 8, 1)).astype(np.float32))
    return folder


def test_list_and_bad_options(tmp_path: Path) -> None:
    listed = tinygen("compress", "--list", cwd=tmp_path)
    assert listed.code == 0 and "prune-cluster-qat" in listed.out
    assert any(r["name"] == "ptq" for r in json.loads(tinygen("compress", "--list", "--json", cwd=tmp_path).out))
    assert tinygen("compress", "m.keras", cwd=tmp_path).code == 2
    (tmp_path / "bad.toml").write_text("[[step]]\nkind = 'prune'\nsparsty = 1\n")
    bad = tinygen("compress", "m.keras", "--recipe", "bad.toml", cwd=tmp_path)
    assert bad.code == 2


@pytest.mark.slow
def test_compress_a_keras_3_model(folder: Path) -> None:
    (folder / "r.toml").write_text(RECIPE.format(floor=9).split('[[step]]\nkind = "prune"')[0])
    env = {"TINYGEN_CACHE": str(folder / "cache")}
    arguments = ("compress", "model.keras", "--recipe", "r.toml", "--data", "data.npz", "--out", "small")
    first = tinygen(*arguments, cwd=folder, env=env)
    assert first.code == 0, first.err
    assert "8" in first.out and {p.name for p in (folder / "small").iterdir()} == {
        "compress.json", "model.keras", "model.tflite",
    }  # fmt: skip
    log = json.loads((folder / "small" / "compress.json").read_text())
    assert log["metric"] == "agreement" and all(t["values"] <= 8 for t in log["steps"][-1]["tensors"])
    again = tinygen(*arguments, cwd=folder, env=env)
    assert again.code == 0 and "taken from the cache" in again.err
    # What it wrote is a model that it reads, and the firmware's package can be made of it.
    built = tinygen("generate", "small/model.keras", "--data", "data.npz", "--out", "package", cwd=folder)
    assert built.code == 0, built.err


@pytest.mark.slow
def test_a_missed_floor_is_exit_4_and_keeps_what_there_was(folder: Path) -> None:
    ruin = 'validation = 0.5\n[[step]]\nkind = "prune"\nsparsity = 0.97\nepochs = 0\nmax_drop = 0.001\n'
    (folder / "ruin.toml").write_text(ruin)
    env = {"TINYGEN_CACHE": str(folder / "cache")}
    arguments = ("compress", "model.keras", "--recipe", "ruin.toml", "--data", "data.npz", "--out", "kept")
    missed = tinygen(*arguments, cwd=folder, env=env)
    assert missed.code == 4 and "step 1 (prune) fell below its floor" in missed.err
    log = json.loads((folder / "kept" / "compress.json").read_text())
    assert log["status"] == "floor" and (folder / "kept" / "model.tflite").is_file()
    assert tinygen("inspect", "kept/model.tflite", cwd=folder).code == 0
