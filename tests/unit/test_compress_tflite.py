"""Recipes on models that are int8 already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import Finished, tinygen
from support.digits import digits
from support.model_builder import ModelBuilder
from support.sample_models import small_cnn
from support.shared import model_file

from tinygen.compress.converted import read_int8
from tinygen.compress.engine import Outcome, run_on_int8
from tinygen.compress.int8 import int8_weights
from tinygen.compress.recipe import parse_recipe
from tinygen.errors import TinygenError, UnsupportedError
from tinygen.load.dataset import Dataset

DIGITS = Path(__file__).resolve().parents[1] / "models" / "digits_int8.tflite"
CLUSTER = {"kind": "round_cluster", "values": 8}


def run(path: Path, dataset: Dataset | None, *steps: dict[str, Any], cache: Path, **head: Any) -> Outcome:
    recipe = parse_recipe({"name": "test", "step": list(steps), **head}, "test")
    model = read_int8(path, recipe, measured=dataset is not None)
    fitted = None if dataset is None else model.fitted(dataset)
    say: list[str] = []
    return run_on_int8(model, fitted, recipe, hashes=("m", "d"), cache=cache, resume=True, say=say.append)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, data, and in ``broken`` a package ``tensorflow`` that can't be imported."""
    folder = tmp_path_factory.mktemp("tflite")
    (folder / "digits.tflite").write_bytes(DIGITS.read_bytes())
    np.savez(folder / "data.npz", x=digits().inputs[0], y=digits().y)
    for name in ("tensorflow", "tf_keras"):
        (folder / "broken" / name).mkdir(parents=True)
        (folder / "broken" / name / "__init__.py").write_text("raise RuntimeError('nobody should need this')\n")
    return folder


def compress(folder: Path, *arguments: str) -> Finished:
    env = {"TINYGEN_CACHE": str(folder / "cache"), "PYTHONPATH": str(folder / "broken")}
    return tinygen("compress", "digits.tflite", *arguments, cwd=folder, env=env)


def test_cluster_without_tensorflow(folder: Path) -> None:
    done = compress(folder, "--recipe", "cluster", "--data", "data.npz", "--out", "small")
    assert done.code == 0, done.err
    assert {p.name for p in (folder / "small").iterdir()} == {"compress.json", "model.tflite"}
    log = json.loads((folder / "small" / "compress.json").read_text())
    ptq, cluster = log["steps"]
    assert log["metric"] == "accuracy" and log["baseline"]["int8"] > 0.9 and log["baseline"]["float"] is None
    assert ptq["after"] == ptq["before"] == log["baseline"]["int8"] and "int8 already" in ptq["notes"][0]
    assert all(tensor["values"] <= 16 for tensor in cluster["tensors"])
    assert log["int8_metric"] > 0.9 and cluster["drop"] == pytest.approx(log["baseline"]["int8"] - log["int8_metric"])
    again = compress(folder, "--recipe", "cluster", "--data", "data.npz", "--out", "small")
    assert "taken from the cache" in again.err and json.loads((folder / "small" / "compress.json").read_text()) == log


def test_without_samples_nothing_is_measured_and_that_is_said(folder: Path) -> None:
    done = compress(folder, "--recipe", "cluster", "--out", "blind")
    assert done.code == 0, done.err
    assert "not measured" in done.out and "no floor was judged" in " ".join(done.out.split())
    log = json.loads((folder / "blind" / "compress.json").read_text())
    assert log["int8_metric"] is None and log["steps"][-1]["drop"] is None
    assert all(tensor["values"] <= 16 for tensor in log["steps"][-1]["tensors"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("cluster-4bit", "--data", "data.npz"), "recipe cluster-4bit: step 1 (cluster): works on the float model"),
        (("qat",), "step 1 (qat): works on the float model"),
        (("cluster-dense",), "step 1 (ptq): can't give dense layers a scale for each neuron"),
        (("int16x8",), "step 1 (ptq): can't give 16-bit activations"),
        (("sensitivity",), "step 1 (sensitivity): measures on samples, and there are none"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_steps_that_no_tflite_can_go_through(folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = compress(folder, "--out", "refused", "--recipe", *arguments)
    assert done.code == 2 and expected in done.err
    assert not (folder / "refused").exists()
    if "float model" in expected:
        assert "cluster, mixed-post, ptq" in done.err  # what to try instead


def test_a_missed_floor(folder: Path) -> None:
    (folder / "ruin.toml").write_text('max_drop = 0.05\n[[step]]\nkind = "sparsify_int8"\nsparsity = 0.95\n')
    done = compress(folder, "--recipe", "ruin.toml", "--data", "data.npz", "--out", "kept")
    assert done.code == 4 and "step 2 (sparsify_int8) fell below its floor" in done.err
    assert (folder / "kept" / "model.tflite").read_bytes() == DIGITS.read_bytes()


def test_layers_have_kinds_and_are_chosen_by_them(tmp_path: Path) -> None:
    data = digits()
    outcome = run(DIGITS, data, {**CLUSTER, "per_layer": {"kind:dense": 4}, "skip": ["kind:conv"]}, cache=tmp_path)
    facts = {fact["layer"]: fact for fact in outcome.log.steps[-1].tensors}
    kinds = {fact["kind"] for fact in facts.values()}
    assert {"conv", "dense"} <= kinds
    most = {"dense": 4, "conv": 255}
    assert all(fact["values"] <= most.get(fact["kind"], 8) for fact in facts.values())
    assert all(fact["values"] > 8 for fact in facts.values() if fact["kind"] == "conv")


def test_stored_samples_are_the_same_as_real_ones(tmp_path: Path) -> None:
    tflite = DIGITS.read_bytes()
    real = Dataset((digits().inputs[0][:60],), None, "real.npz")
    recipe = parse_recipe({"name": "r", "step": [CLUSTER]}, "r")
    model = read_int8(DIGITS, recipe, measured=True)
    quantization = model.interface.inputs[0].quantization
    assert quantization is not None
    stored = np.clip(np.round(real.inputs[0] / np.float32(quantization.scale)) + quantization.zero_point, -128, 127)
    first = run(DIGITS, real, CLUSTER, cache=tmp_path / "a")
    second = run(DIGITS, Dataset((stored.astype(np.int8),), None, "stored.npz"), CLUSTER, cache=tmp_path / "b")
    assert first.log.metric == "agreement" and first.log.baseline["int8"] == 1.0
    assert first.state.tflite == second.state.tflite != tflite
    assert first.log.int8_metric == second.log.int8_metric


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), [("ic", (32, 32, 3)), ("vww", (96, 96, 3)), ("kws", (49, 10, 1))])
def test_mlperf_models_agree_with_themselves(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """Whatever data the user gives: here noise in the range of the input."""
    path = model_file(name)
    x = np.random.default_rng(3).integers(-128, 128, (30, *shape)).astype(np.int8)
    outcome = run(path, Dataset((x,), None, "noise.npz"), {**CLUSTER, "values": 16}, cache=tmp_path)
    assert outcome.log.metric == "agreement" and outcome.log.int8_metric is not None
    assert all(fact["values"] <= 16 for fact in outcome.log.steps[-1].tensors)
    assert outcome.state.tflite != path.read_bytes()


def test_bytes_that_something_else_reads_are_left_alone_by_name(tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.input((1, 8), scale=0.1)
    weights = b.constant(np.arange(-32, 32, dtype=np.int8).reshape(8, 8), scales=0.02)
    for _ in range(2):
        x = b.op("FULLY_CONNECTED", [x, weights, None], shape=(1, 8), scale=0.1)
    b.output(x)
    path = tmp_path / "twins.tflite"
    path.write_bytes(b.build())
    outcome = run(path, None, CLUSTER, cache=tmp_path)
    assert outcome.state.tflite == path.read_bytes()
    left = outcome.log.steps[-1].left_alone
    assert [line.split(":")[0] for line in left] == ['"operator_0"', '"operator_1"']


def test_zeros_that_stand_for_missing_biases_may_be_shared(tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.input((1, 8), scale=0.1)
    rng = np.random.default_rng(1)
    zeros = b.constant(np.zeros(8, np.int32), scales=0.002)
    for _ in range(2):
        weights = b.constant(rng.integers(-127, 128, (8, 8), dtype=np.int8), scales=0.02)
        x = b.op("FULLY_CONNECTED", [x, weights, zeros], shape=(1, 8), scale=0.1)
    b.output(x)
    path = tmp_path / "unbiased.tflite"
    path.write_bytes(b.build())
    outcome = run(path, None, CLUSTER, cache=tmp_path)
    assert not outcome.log.steps[-1].left_alone
    for weights in int8_weights(bytearray(outcome.state.tflite or b"")):
        assert np.unique(weights.matrix).size <= 8 and weights.bias is None


def test_a_float_tflite_and_a_damaged_one(tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.input((1, 8), "float32")
    weights = b.constant(np.ones((4, 8), np.float32))
    b.output(b.op("FULLY_CONNECTED", [x, weights, None], shape=(1, 4), dtype="float32"))
    path = tmp_path / "float.tflite"
    path.write_bytes(b.build())
    with pytest.raises(UnsupportedError, match="holds no int8 weights"):
        run(path, None, CLUSTER, cache=tmp_path)
    damaged = bytearray(small_cnn().build())
    damaged[40:400] = bytes(360)
    path.write_bytes(damaged)
    with pytest.raises(TinygenError) as caught:
        run(path, None, CLUSTER, cache=tmp_path)
    assert caught.value.exit_code == 2


def test_zeros_stay_zeros_when_values_follow(tmp_path: Path) -> None:
    steps = ({"kind": "sparsify_int8", "sparsity": 0.4}, CLUSTER)
    outcome = run(DIGITS, digits(), *steps, cache=tmp_path)
    assert outcome.state.tflite is not None
    for weights in int8_weights(bytearray(outcome.state.tflite)):
        assert (weights.matrix == 0).mean() >= 0.39 and len(np.unique(weights.matrix)) <= 8
